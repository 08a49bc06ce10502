"""DataStatistics as a dsl sees it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Columns, Fraction, ModuleParams, Names, Scalar
from fate_federated.catalog.spec import ComponentSpec

SUMMARY = (
    "sum", "mean", "stddev", "median", "min", "max", "missing_ratio", "missing_count", "skewness", "kurtosis",
    "coefficient_of_variance",
)  # fmt: skip
"""What summary stands for."""

STATISTICS = frozenset({*SUMMARY, "summary", "coefficient_of_variation", "count", "variance"})
QUANTILE = re.compile(r"(100|\d{1,2})%")


def _known_statistic(name: str) -> str:
    if name not in STATISTICS and not QUANTILE.fullmatch(name):
        raise ValueError(f'there is no statistic {name!r}. A quantile is written as "25%"')
    return name


Statistic = Annotated[str, AfterValidator(_known_statistic)]


class DataStatisticsParams(ModuleParams):
    """FATE's parameters."""

    statistics: Statistic | list[Statistic] = "summary"
    column_names: Names = None
    column_indexes: Columns | None = -1
    """Positions of columns among the features; -1 for all."""
    abnormal_list: list[Scalar] | None = None
    """Numbers that count as missing."""
    quantile_error: Fraction = 1e-4
    """How far a quantile may be off, as a share of the rows. They are exact here."""
    bias: bool = True
    """Skewness and kurtosis as the moments give them, not corrected for the size of the sample."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """The statistics, each once, summary spelt out."""
        names = [self.statistics] if isinstance(self.statistics, str) else self.statistics
        return tuple(dict.fromkeys(one for name in names for one in (SUMMARY if name == "summary" else (name,))))


DATA_STATISTICS = ComponentSpec(
    module="DataStatistics",
    roles=GUEST_HOST,
    params=DataStatisticsParams,
    implementation="fate_components.data_statistics.component:DataStatistics",
    model_outputs=1,
)
"""It makes no table, but real files name one."""
