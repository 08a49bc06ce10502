"""The model of a binning, from what was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fate_components.columns import anonymous_name
from fate_components.feature_binning.exchange import HostColumn
from fate_components.feature_binning.fit import Binned
from fate_components.feature_binning.model import Evidence, Integers, evidence_of, is_monotonic
from fate_federated.catalog.modules.feature import BinningParams
from fate_federated.party import Party
from fate_federated.pb.model import feature_binning_pb2 as pb
from fate_federated.task.model import Model


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one party learnt.

    Attributes:
        columns: of its own.
        evidence: of its own columns, by name: one for each event. Empty where no labels are known.
        classes: the labels as text, those of the events.
        hosts: at the guest, each host's columns.
    """

    columns: Sequence[Binned]
    evidence: Mapping[str, Sequence[Evidence]] = field(default_factory=dict)
    classes: Sequence[str] = ()
    hosts: Mapping[Party, Sequence[HostColumn]] = field(default_factory=dict)


def model_of(
    module: str, method: str, params: BinningParams, party: Party, header: Sequence[str], learnt: Learnt,
    transformed: Sequence[str],
) -> Model:  # fmt: skip
    """The model of one party."""
    transform_type = params.transform_param.transform_type
    meta = pb.FeatureBinningMeta(
        need_run=params.need_run, method=method, compress_thres=params.compress_thres,
        head_size=params.head_size, error=params.error, bin_num=params.bin_num,
        cols=[column.name for column in learnt.columns], adjustment_factor=params.adjustment_factor,
        local_only=params.local_only, skip_static=params.skip_static,
        transform_param=pb.TransformMeta(
            transform_cols=[header.index(name) for name in transformed], transform_type=transform_type or ""
        ),
        optimal_metric_method=params.optimal_binning_param.metric_method if method == "optimal" else "",
    )  # fmt: skip
    results = [_own_result(party, learnt, place) for place in range(max(len(learnt.classes), 1))]
    param = pb.FeatureBinningParam(
        binning_result=results[0],
        header=header,
        header_anonymous=[anonymous_name(party, position) for position in range(len(header))],
    )
    host_results = {
        host: [_host_result(params, host, columns, place) for place in range(len(learnt.classes))]
        for host, columns in learnt.hosts.items()
    }
    param.host_results.extend(of_host[0] for of_host in host_results.values())
    if len(learnt.classes) > 1:
        param.multi_class_result.CopyFrom(
            pb.MultiClassResult(
                results=results, labels=learnt.classes, has_host_result=bool(host_results),
                host_results=[result for of_host in host_results.values() for result in of_host],
                host_party_ids=[host.party_id for host in host_results],
            )
        )  # fmt: skip
    return Model(module, meta, param)


def _own_result(party: Party, learnt: Learnt, place: int) -> pb.FeatureBinningResult:
    columns = {}
    for column in learnt.columns:
        if column.name in learnt.evidence:
            columns[column.name] = _described(learnt.evidence[column.name][place], len(column.split_points))
        else:
            columns[column.name] = pb.IVParam()
        columns[column.name].split_points.extend(column.split_points)
        columns[column.name].bin_nums = column.bins
    return pb.FeatureBinningResult(binning_result=columns, role=str(party.role), party_id=party.party_id)


def _host_result(
    params: BinningParams, host: Party, columns: Sequence[HostColumn], place: int
) -> pb.FeatureBinningResult:
    results = {}
    for column in columns:
        name = anonymous_name(host, column.position)
        evidence = host_evidence(params, column, place)
        # Bins that were merged are in order; others are not, and their weights may turn for that reason alone.
        results[name] = _described(evidence, len(column.rows) - column.has_missing if column.ordered else 0)
        results[name].bin_nums = len(column.rows)
        results[name].bin_anonymous.extend(f"{name}_bin_{number}" for number in range(len(column.rows)))
    return pb.FeatureBinningResult(binning_result=results, role=str(host.role), party_id=host.party_id)


def host_evidence(params: BinningParams, column: HostColumn, place: int) -> Evidence:
    """What a host's column tells of an event."""
    events = column.events[:, place]
    return evidence_of(events, column.rows - events, params.adjustment_factor)


def column_evidence(params: BinningParams, column: Binned, events: Integers) -> list[Evidence]:
    """What a column tells of each event; ``events`` are 0 or 1, shape (rows, width)."""
    rows = np.bincount(column.numbers, minlength=column.bins)
    counts = [np.bincount(column.numbers[event == 1], minlength=column.bins) for event in events.T]
    return [evidence_of(count, rows - count, params.adjustment_factor) for count in counts]


def _described(evidence: Evidence, ordered: int) -> pb.IVParam:
    return pb.IVParam(
        woe_array=evidence.woe, iv_array=evidence.iv_of_bin, event_count_array=evidence.events,
        non_event_count_array=evidence.others, event_rate_array=evidence.event_rate,
        non_event_rate_array=evidence.other_rate, iv=evidence.iv,
        is_woe_monotonic=ordered > 0 and is_monotonic(evidence.woe[:ordered]),
    )  # fmt: skip
