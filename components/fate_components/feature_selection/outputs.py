"""The model and the summary of a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fate_components.columns import anonymous_name
from fate_components.feature_selection.choice import Seen
from fate_components.feature_selection.spec import HeteroFeatureSelectionParams
from fate_components.feature_selection.steps import MANUALLY, Step
from fate_federated.party import Party
from fate_federated.pb.model import feature_selection_pb2 as pb
from fate_federated.task.model import Model


@dataclass(slots=True)
class Course:
    """What the steps did so far, at one party.

    Attributes:
        header: every feature.
        selected: those that filters may take away.
        left: those of them that are still there.
        taken: each step with what it saw, and at the guest what it saw of hosts.
    """

    party: Party
    header: tuple[str, ...]
    selected: tuple[str, ...]
    left: tuple[str, ...] = field(init=False)
    taken: list[tuple[Step, Seen, Mapping[Party, Seen]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = self.selected

    def add(self, step: Step, seen: Seen, hosts: Mapping[Party, Seen] | None = None) -> None:
        """What a step did."""
        self.taken.append((step, seen, hosts or {}))
        self.left = seen.left

    @property
    def kept(self) -> tuple[str, ...]:
        """The features that stay, in the header's order."""
        gone = set(self.selected) - set(self.left)
        return tuple(name for name in self.header if name not in gone)


def model_of(params: HeteroFeatureSelectionParams, course: Course) -> Model:
    """The model of one party."""
    manual = [name for step, seen, _ in course.taken if step.filter == MANUALLY for name in _taken_away(seen)]
    meta = pb.FeatureSelectionMeta(
        filter_methods=params.filter_methods or (), cols=course.selected, need_run=params.need_run,
        unique_meta=pb.UniqueValueMeta(eps=params.unique_param.eps),
        iv_value_meta=pb.IVValueSelectionMeta(
            value_threshold=params.iv_value_param.value_threshold, local_only=params.iv_value_param.local_only
        ),
        iv_percentile_meta=pb.IVPercentileSelectionMeta(
            percentile_threshold=params.iv_percentile_param.percentile_threshold,
            local_only=params.iv_percentile_param.local_only,
        ),
        iv_top_k_meta=pb.IVTopKSelectionMeta(k=params.iv_top_k_param.k, local_only=params.iv_top_k_param.local_only),
        variance_coe_meta=pb.VarianceOfCoeSelectionMeta(value_threshold=params.variance_coe_param.value_threshold),
        outlier_meta=pb.OutlierColsSelectionMeta(
            percentile=params.outlier_param.percentile, upper_threshold=params.outlier_param.upper_threshold
        ),
        manually_meta=pb.ManuallyFilterMeta(filter_out_names=manual),
        pencentage_value_meta=pb.PercentageValueFilterMeta(upper_pct=params.percentage_value_param.upper_pct),
        filter_metas=[_filter_meta(step, seen) for step, seen, _ in course.taken],
    )  # fmt: skip
    offered: dict[Party, dict[str, None]] = {}
    for _, _, hosts in course.taken:
        for host, seen in hosts.items():
            offered.setdefault(host, {}).update(dict.fromkeys(seen.names))
    param = pb.FeatureSelectionParam(
        results=[_result(step, seen, list(hosts.values())) for step, seen, hosts in course.taken],
        final_left_cols=pb.LeftCols(
            original_cols=course.header, left_cols={name: name in course.kept for name in course.header}
        ),
        col_names=course.selected,
        host_col_names=[pb.HostColNames(col_names=names, party_id=host.party_id) for host, names in offered.items()],
        header=course.header,
        col_name_to_anonym_dict={
            name: anonymous_name(course.party, position) for position, name in enumerate(course.header)
        },
    )
    return Model("HeteroFeatureSelection", meta, param)


def summary_of(course: Course) -> dict[str, Any]:
    """What each step left and took away, and what stays."""
    filters = []
    for step, seen, hosts in course.taken:
        told: dict[str, Any] = {
            "filter": step.filter, "metric": step.metric, "left": list(seen.left), "filtered_out": _taken_away(seen),
        }  # fmt: skip
        if hosts:
            told["hosts"] = {f"{host.role}_{host.party_id}": list(of_host.left) for host, of_host in hosts.items()}
        filters.append(told)
    return {"all": list(course.header), "left": list(course.kept), "filters": filters}


def _filter_meta(step: Step, seen: Seen) -> pb.FilterMeta:
    return pb.FilterMeta(
        metrics=step.metric, filter_type=step.rule.filter_type, take_high=step.rule.take_high,
        threshold=step.rule.threshold, select_federated=step.federated,
        filter_out_names=",".join(_taken_away(seen)) if step.filter == MANUALLY else "",
    )  # fmt: skip


def _result(step: Step, seen: Seen, hosts: Sequence[Seen]) -> pb.FeatureSelectionFilterParam:
    return pb.FeatureSelectionFilterParam(
        filter_name=step.filter,
        feature_values=_values(seen),
        host_feature_values=[pb.FeatureValue(feature_values=_values(host)) for host in hosts],
        left_cols=_left(seen),
        host_left_cols=[_left(host) for host in hosts],
    )


def _values(seen: Seen) -> dict[str, float]:
    return {name: value for name, value in zip(seen.names, seen.values.tolist(), strict=True) if not np.isnan(value)}


def _left(seen: Seen) -> pb.LeftCols:
    return pb.LeftCols(original_cols=seen.names, left_cols=dict(zip(seen.names, seen.kept.tolist(), strict=True)))


def _taken_away(seen: Seen) -> list[str]:
    return [name for name, kept in zip(seen.names, seen.kept.tolist(), strict=True) if not kept]
