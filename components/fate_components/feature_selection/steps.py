"""The filters of a conf, one step for each thing that is looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fate_components.feature_selection.spec import HeteroFeatureSelectionParams
from fate_federated.errors import DataError

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

MANUALLY, CORRELATION = "manually", "correlation_filter"
IV_FILTERS = frozenset({"iv_value_thres", "iv_percentile", "iv_top_k", "iv_filter"})
TREE_FILTERS = {
    "hetero_sbt_filter": "HeteroSecureBoost",
    "hetero_fast_sbt_filter": "HeteroFastSecureBoost",
    "homo_sbt_filter": "HomoSecureBoost",
}
"""By filter, the module whose model it goes by."""
FEDERATED = {*IV_FILTERS, "hetero_sbt_filter", "hetero_fast_sbt_filter", CORRELATION}
"""The filters for which the guest knows what the hosts' columns are worth."""


def significant(values: Floats) -> Floats:
    """The values with 12 digits: sums that were added up in another order are the same, and rank as equal.

    The bins of a host's column come in an order drawn at random, so the last digit of its information value is chance.
    """
    magnitude = np.zeros_like(values)
    np.log10(np.abs(values), out=magnitude, where=(values != 0) & np.isfinite(values))
    scale = 10.0 ** np.floor(np.maximum(magnitude, -300))
    rounded: Floats = np.round(values / scale, 11) * scale
    return rounded


@dataclass(frozen=True, slots=True)
class Rule:
    """How values choose columns.

    Attributes:
        filter_type: threshold keeps those that reach it, top_k so many of the best, top_percentile a share of them.
        take_high: whether high values are better; the threshold itself is good enough in either case.
    """

    filter_type: str
    threshold: float
    take_high: bool

    def keeps(self, values: Floats) -> Bits:
        """Which of the columns with these values stay, shape (columns,). Without a value (NaN) none does.

        Of equally good ones the first comes first.
        """
        if self.filter_type == "threshold":
            return values >= self.threshold if self.take_high else values <= self.threshold
        # The share as it is written: 0.55 of 400 values is a little more than 220 in floating point.
        share = Fraction(str(self.threshold))
        count = self.threshold if self.filter_type == "top_k" else math.ceil(share * len(values))
        kept = np.zeros(len(values), np.bool_)
        kept[self.ranked(values)[: int(count)]] = True
        return kept & ~np.isnan(values)

    def ranked(self, values: Floats) -> npt.NDArray[np.int64]:
        """Places of the values, the best first, those that are missing last."""
        return np.argsort(significant(-values if self.take_high else values), kind="stable")

    def keeps_some(self, kept: Bits, values: Floats) -> Bits:
        """The same, but the best of the columns where none would stay: as in FATE, no filter leaves a party without."""
        if kept.any() or not len(kept):
            return kept
        spared = np.zeros(len(kept), np.bool_)
        spared[self.ranked(values)[0]] = True
        return spared


@dataclass(frozen=True, slots=True)
class Step:
    """One filter, or one metric of it.

    Attributes:
        filter: as filter_methods names it.
        metric: what is looked at.
        federated: whether the guest chooses among the hosts' columns too.
        merge: of the information values of several classes: average, max or min.
        host_thresholds: see :meth:`host_rules`.
    """

    filter: str
    metric: str
    rule: Rule
    federated: bool = False
    merge: str = "average"
    host_thresholds: float | Sequence[float] | None = None

    def host_rules(self, hosts: int) -> list[Rule]:
        """The rule for the columns of each host.

        Raises:
            DataError: there are thresholds for another number of them.
        """
        given = self.host_thresholds
        if given is None:
            return [self.rule] * hosts
        thresholds = list(given) if isinstance(given, Sequence) else [given] * hosts
        if len(thresholds) != hosts:
            raise DataError(f"host_thresholds of {self.filter} are for {len(thresholds)} hosts; there are {hosts}.")
        return [replace(self.rule, threshold=float(threshold)) for threshold in thresholds]


def steps_of(params: HeteroFeatureSelectionParams) -> list[Step]:
    """The steps in their order."""
    return [step for method in params.filter_methods or () for step in _steps(params, method)]


def _steps(params: HeteroFeatureSelectionParams, method: str) -> list[Step]:
    match method:
        case "unique_value":
            return [Step(method, "range", Rule("threshold", params.unique_param.eps, True))]
        case "coefficient_of_variation_value_thres":
            rule = Rule("threshold", params.variance_coe_param.value_threshold, True)
            return [Step(method, "coefficient_of_variance", rule)]
        case "outlier_cols":
            outlier = params.outlier_param
            rule = Rule("threshold", outlier.upper_threshold, False)
            return [Step(method, f"{(100 * Decimal(str(outlier.percentile))).normalize():f}%", rule)]
        case "percentage_value":
            rule = Rule("threshold", params.percentage_value_param.upper_pct, False)
            return [Step(method, "largest_share", rule)]
        case "manually":
            return [Step(method, "", Rule("threshold", 1, True))]
        case "iv_value_thres":
            value = params.iv_value_param
            rule = Rule("threshold", value.value_threshold, True)
            return [Step(method, "iv", rule, not value.local_only, host_thresholds=value.host_thresholds)]
        case "iv_percentile":
            percentile = params.iv_percentile_param
            rule = Rule("top_percentile", percentile.percentile_threshold, True)
            return [Step(method, "iv", rule, not percentile.local_only)]
        case "iv_top_k":
            top = params.iv_top_k_param
            return [Step(method, "iv", Rule("top_k", top.k, True), not top.local_only)]
        case "correlation_filter":
            correlation = params.correlation_param
            rule = Rule("threshold", correlation.threshold, False)
            return [Step(method, "correlation", rule, correlation.select_federated)]
    group = {
        "iv_filter": params.iv_param,
        "statistic_filter": params.statistic_param,
        "psi_filter": params.psi_param,
        "vif_filter": params.vif_param,
    }.get(method, params.sbt_param)
    return [
        Step(
            method,
            one["metric"],
            Rule(one["filter_type"], one["threshold"], one["take_high"]),
            one["select_federated"] and method in FEDERATED,
            one.get("mul_class_merge_type", "average"),
            one["host_thresholds"],
        )
        for one in group.of_metrics()
    ]
