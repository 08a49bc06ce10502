"""Bins of guest's and hosts' columns, and what they tell of the guest's label."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from fate_components.columns import anonymous_name
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from fate_components.feature_binning.applying import binned_table, transformed_names
from fate_components.feature_binning.exchange import HostColumn, Plan, host_columns, merged_by_guest, sum_events
from fate_components.feature_binning.fit import Binned, bin_columns
from fate_components.feature_binning.messages import Learnt, column_evidence, host_evidence, model_of
from fate_components.feature_binning.model import Integers
from fate_components.feature_binning.optimal import Rule, merge
from fate_components.feature_binning.spec import HeteroFeatureBinningParams
from fate_components.guest_key import receive_guest_key
from fate_components.tables import class_labels, input_table, label_text, row_digest
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

MODULE = "HeteroFeatureBinning"


class HeteroFeatureBinning(Component[HeteroFeatureBinningParams]):
    """Bin columns, weigh the bins by the label, replace values by bins or weights.

    Each party finds its own bins. For those of a host, the guest encrypts for each row whether it is an event under
    its own Paillier key; the host multiplies the ciphertexts of each bin's rows, so that they hold the bin's count of
    events, packs and re-randomises them, and returns them with the number of rows in each bin. The guest decrypts the
    counts and has weight of evidence and information value (the sums by bin of SecureBoost, Cheng et al. 2019,
    arXiv:1901.08755, section 4.2, with labels in place of gradients). With two classes the event is the larger label,
    of texts the last in their order; with more, each class is an event against the rest.

    What each learns beside its own columns, if all follow the protocol:

    * The **guest**: for each host how many features it has binned and at which positions, and for each of their bins
      how many rows and events it holds. The bins come in an order that the host draws at random, so that neither their
      ends nor which of them are neighbours is known. Of a host that merges bins by method optimal the initial bins come
      in order, with the one of missing values marked, and with the host's rule of merging.
    * A **host**: how many rows and classes the guest has, and whether the rows are its own, by a digest of their ids;
      with method optimal which of its bins were merged, by which it learns that the classes' shares in these are alike.
      No label, no weight, no information value.
    * Hosts learn nothing of each other.

    With ``local_only`` or ``skip_static`` nothing is sent but that this is so. Because a host has no weights, its
    columns stay as they are with transform_type woe, as in FATE. A guest that encrypts other numbers than labels could
    learn which rows share a bin: parties are trusted to follow the protocol.
    """

    Params = HeteroFeatureBinningParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            return Outputs((binned_table(table, inputs.model),), inputs.model)
        labelled = not self.params.skip_static
        events, classes = _events(ctx, table) if labelled else (np.empty((len(table), 1), np.int64), [])
        if self.params.transform_param.transform_type == "woe" and len(classes) > 1:
            raise DataError("transform_type woe needs the weights of two classes. Use bin_num.")
        counts = labelled and not self.params.local_only
        plan = Plan(counts, max(len(table), 1), row_digest(table) if counts else b"", events.shape[1])
        # What may be wrong with the guest's own columns is found before anything is encrypted.
        initial = bin_columns(self.params, table)
        if labelled and events.shape[1] != 1 and any(column.mergeable for column in initial):
            raise DataError("method optimal needs labels of two classes.", public=True)
        transformed = transformed_names(self.params.transform_param, table.feature_names, initial)
        ctx.hosts.push("plan", plan.to_wire())
        private = self._send_labels(ctx, plan, events) if plan.counts_events and len(ctx.hosts) else None
        columns = [self._merge(column, events) for column in initial]
        evidence = {column.name: column_evidence(self.params, column, events) for column in columns if labelled}
        hosts = self._host_columns(ctx, plan, private, events.sum(axis=0)) if private is not None else {}
        learnt = Learnt(columns, evidence, classes, hosts)
        return self._outputs(ctx, table, learnt, transformed)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs)
        if inputs.model is not None:
            return Outputs((binned_table(table, inputs.model),), inputs.model)
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        if plan.counts_events and plan.digest != row_digest(table):
            raise DataError(
                f"The {len(table)} rows of {ctx.party} are not the {plan.rows} of {ctx.guest.party} in the same order. "
                "Give all parties the output of the same Intersection.",
                public=True,
            )
        takes_part = plan.counts_events and not (self.params.local_only or self.params.skip_static)
        if self.params.method == "optimal" and not takes_part:
            raise DataError(
                "method optimal goes by the guest's labels, which a host does without with local_only or skip_static. "
                f"Give {ctx.party} another method.",
                public=True,
            )
        columns = bin_columns(self.params, table)
        if takes_part and columns:
            columns = self._count(ctx, plan, table, columns)
        elif plan.counts_events:
            ctx.guest.push("events", None)
        transformed = transformed_names(self.params.transform_param, table.feature_names, columns)
        if self.params.transform_param.transform_type == "woe" and transformed:
            log.warning("transform_type woe: a host does not learn weights, its columns stay as they are")
            transformed = ()
        learnt = Learnt(columns)
        return self._outputs(ctx, table, learnt, transformed)

    # The guest's part

    def _send_labels(self, ctx: TaskContext, plan: Plan, events: Integers) -> PrivateKey:
        encrypt = self.params.encrypt_param
        if encrypt.key_length < 2048:
            log.warning("encrypt_param.key_length %d is short of today's 2048", encrypt.key_length)
        private = generate_keypair(encrypt.key_length)
        ctx.hosts.push("key", private.public.to_wire())
        ctx.hosts.push("labels", PackedArray.encrypt(private, events, plan.slot_bits, 0).to_wire())
        return private

    def _host_columns(
        self, ctx: TaskContext, plan: Plan, private: PrivateKey, totals: Integers
    ) -> dict[Any, list[HostColumn]]:
        hosts = {}
        for host in ctx.hosts:
            received = host.pull("events")
            if received is None:
                log.info("%s counts no events: its local_only or skip_static is set", host.party)
                continue
            merged = [column.merged() for column in host_columns(received, host.party, private, plan, totals)]
            if any(ends is not None for _, ends in merged):
                host.push("merged", [ends for _, ends in merged if ends is not None])
            hosts[host.party] = [column for column, _ in merged]
        return hosts

    def _merge(self, column: Binned, events: Integers) -> Binned:
        if not column.mergeable:
            return column
        points = len(column.split_points)
        rows = np.bincount(column.numbers, minlength=points)[:points]
        counts = np.bincount(column.numbers[events[:, 0] == 1], minlength=points)[:points]
        return column.merged(merge(counts, rows - counts, self._rule()))

    # The host's part

    def _count(self, ctx: TaskContext, plan: Plan, table: Table, columns: list[Binned]) -> list[Binned]:
        key = receive_guest_key(ctx, "encrypt_param.key_length", self.params.encrypt_param.key_length)
        labels = ctx.guest.pull("labels")
        ctx.guest.push("events", sum_events(columns, table.feature_names, self._rule(), labels, key, plan))
        if not any(column.mergeable for column in columns):
            return columns
        return merged_by_guest(ctx.guest.pull("merged"), columns)

    # Both

    def _rule(self) -> Rule:
        optimal = self.params.optimal_binning_param
        return Rule(
            optimal.metric_method, self.params.bin_num, float(optimal.min_bin_pct), float(optimal.max_bin_pct),
            optimal.mixture,
        )  # fmt: skip

    def _outputs(self, ctx: TaskContext, table: Table, learnt: Learnt, transformed: tuple[str, ...]) -> Outputs:
        model = model_of(MODULE, self.params.method, self.params, ctx.party, table.feature_names, learnt, transformed)
        self._tell(ctx, learnt)
        return Outputs((binned_table(table, model),), model)

    def _tell(self, ctx: TaskContext, learnt: Learnt) -> None:
        summary: dict[str, Any] = {"bins": {column.name: column.bins for column in learnt.columns}}
        for place, label in enumerate(learnt.classes):
            own = {name: evidence[place] for name, evidence in learnt.evidence.items()}
            told = {
                "iv": {name: evidence.iv for name, evidence in own.items()},
                "woe": {name: evidence.woe.tolist() for name, evidence in own.items()},
                "host_results": {
                    f"{host.role}_{host.party_id}": {
                        "iv": {
                            anonymous_name(host, column.position): host_evidence(self.params, column, place).iv
                            for column in columns
                        }
                    }
                    for host, columns in learnt.hosts.items()
                },
            }
            if len(learnt.classes) == 1:
                summary |= told
            else:
                summary.setdefault("labels", {})[label] = told
        ctx.tracker.set_summary(summary)
        meta = {"metric_type": "BINNING", "method": self.params.method} | summary
        ctx.tracker.log_metric("train", "binning", (), meta)


def _events(ctx: TaskContext, table: Table) -> tuple[Integers, list[str]]:
    """Whether each row is each event, shape (rows, width), and the events' labels."""
    label = class_labels(table)
    if label is None:
        raise DataError(
            f"HeteroFeatureBinning needs a label at the guest, or skip_static: {ctx.component} has none.", public=True
        )
    missing = int((label == "").sum() if label.dtype.kind == "U" else np.isnan(label).sum())
    if missing:
        raise DataError(f"{missing} rows of {ctx.component} have no label.")
    classes = np.unique(label)
    if len(classes) < 2:
        raise DataError(f"All labels of {ctx.component} are the same: no bin tells anything of them.")
    if len(classes) == 2:
        classes = classes[1:]
    return (label[:, None] == classes).astype(np.int64), [label_text(value) for value in classes]
