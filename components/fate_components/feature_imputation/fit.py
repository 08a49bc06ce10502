"""Learning from training rows what is filled in where a feature is missing."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from fate_components.data_transform.fit import fill_of, missing_words, per_column
from fate_components.data_transform.model import ColumnPlan, Plan, parse_column
from fate_components.data_transform.raw import find_column
from fate_components.feature_imputation.spec import FeatureImputationParams
from fate_federated.errors import DataError
from fate_federated.task.table import Table


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt.

    Attributes:
        plan: of the features that are filled.
        methods, missing_ratio: by feature that is filled; the ratio is the share of the rows, 0..1.
    """

    plan: Plan
    methods: dict[str, str]
    missing_ratio: dict[str, float]


def learn_imputation(params: FeatureImputationParams, table: Table) -> Learnt:
    """Learn the fills of a table's features.

    Raises:
        DataError: a parameter names no feature, or a feature has nothing to fill with.
    """
    names = table.feature_names
    chosen = params.col_missing_fill_method
    general = params.missing_fill_method or ("designated" if chosen is None else None)
    methods = dict.fromkeys(names, general)
    methods |= {find_column(name, names, "col_missing_fill_method"): method for name, method in (chosen or {}).items()}
    missing = missing_words(params.missing_impute)
    defaults = dict(zip(names, per_column("default_value", params.default_value, len(names)), strict=True))
    columns, ratio = [], {}
    for name, method in methods.items():
        if method is None:
            continue
        raw = table.data.column(name)
        text = pa.types.is_string(raw.type)
        parsed = parse_column(name, raw, "str" if text else "float64", missing, ())
        fill = fill_of(name, parsed, method, defaults[name])
        kind = "str" if text else "int64" if pa.types.is_integer(raw.type) and _is_whole(name, fill) else "float64"
        columns.append(ColumnPlan(name, kind, fill))
        ratio[name] = float(parsed.missing.mean()) if parsed.missing.size else 0.0
    filled = {name: method for name, method in methods.items() if method is not None}
    return Learnt(Plan(tuple(columns), missing, ()), filled, ratio)


def _is_whole(name: str, fill: str) -> bool:
    try:
        return float(fill).is_integer()
    except ValueError:
        raise DataError(
            f"The feature {name!r} is a number and cannot be filled with the text of default_value."
        ) from None
