"""Columns that filters leave, at guest and hosts."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from fate_components.columns import chosen_columns
from fate_components.feature_selection.choice import Offered, Seen, choose, choose_apart, keep
from fate_components.feature_selection.model import kept_columns
from fate_components.feature_selection.outputs import Course, model_of, summary_of
from fate_components.feature_selection.spec import HeteroFeatureSelectionParams
from fate_components.feature_selection.steps import CORRELATION, IV_FILTERS, MANUALLY, TREE_FILTERS, Step, steps_of
from fate_components.feature_selection.worth import Isometric, measured
from fate_components.tables import input_table
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.party import Party, Role
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

PORTS = ("data", "train_data", "test_data", "eval_data")

BY_OTHERS = frozenset({*IV_FILTERS, *TREE_FILTERS, "statistic_filter", "psi_filter", "vif_filter"})
"""The filters whose values other components measured."""


class HeteroFeatureSelection(Component[HeteroFeatureSelectionParams]):
    """Choose columns by filters, one after the other: each sees what those before it left. Columns that neither
    select_col_indexes nor select_names name stay. As in FATE, a filter other than manually leaves the best of a party's
    columns at least.

    Each party by itself applies unique_value, coefficient_of_variation_value_thres, outlier_cols and percentage_value
    to its rows, and statistic_filter, psi_filter, vif_filter and homo_sbt_filter by what its own models of
    DataStatistics, PSI, HeteroPearson and HomoSecureBoost say (``isometric_model``). The guest, whose models of
    HeteroFeatureBinning and boosted trees know what the hosts' columns are worth without their names, chooses among
    these too: iv_value_thres, iv_percentile, iv_top_k, iv_filter, hetero_sbt_filter, hetero_fast_sbt_filter and
    correlation_filter, unless they are local_only or not select_federated; then all columns of hosts pass them.

    What each learns beside its own columns, if all follow the protocol:

    * The **guest**: which columns each host offers to such a filter, by their places in the header that the host's
      model of binning (trees, correlations) has; so which of them earlier filters of the host took away.
    * A **host**: which filters the guest applies to its columns, and which columns they leave. No value, no threshold.
    * Hosts learn nothing of each other.

    With a model, the columns that it left are kept; nothing is sent.
    """

    Params = HeteroFeatureSelectionParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs, *PORTS)
        if inputs.model is not None:
            return _apply(table, inputs.model)
        steps, models = steps_of(self.params), Isometric(inputs.isometric)
        course = Course(ctx.party, table.feature_names, self._selected(ctx.party, table))
        ctx.hosts.push("filters", [step.filter for step in steps if step.federated])
        number = 0
        for step in steps:
            if not step.federated:
                course.add(step, self._alone(ctx.party, step, models, table, course.left))
                continue
            offered = [Offered.from_wire(host.party, host.pull("columns", number)) for host in ctx.hosts]
            own, *of_hosts = (choose_apart if step.filter == CORRELATION else choose)(
                step, models, course.left, offered
            )
            for host, seen in zip(ctx.hosts, of_hosts, strict=True):
                host.push("kept", seen.kept, number)
            course.add(step, own, {host.party: seen for host, seen in zip(ctx.hosts, of_hosts, strict=True)})
            number += 1
        return self._outputs(ctx, table, course)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs, *PORTS)
        if inputs.model is not None:
            return _apply(table, inputs.model)
        steps, models = steps_of(self.params), Isometric(inputs.isometric)
        _check_agreement(ctx, steps, ctx.guest.pull("filters"))
        course = Course(ctx.party, table.feature_names, self._selected(ctx.party, table))
        number = 0
        for step in steps:
            if not step.federated:
                course.add(step, self._alone(ctx.party, step, models, table, course.left))
                continue
            places = models.places(step, course.left)
            ctx.guest.push("columns", {module: np.array(at, np.int64) for module, at in places.items()}, number)
            kept = ctx.guest.pull("kept", number)
            if not isinstance(kept, np.ndarray) or kept.dtype != np.bool_ or kept.shape != (len(course.left),):
                raise MessageRejected(f"The guest did not say of {len(course.left)} columns whether they stay.")
            course.add(step, Seen(course.left, np.full(len(kept), np.nan), kept))
            number += 1
        return self._outputs(ctx, table, course)

    def _alone(self, party: Party, step: Step, models: Isometric, table: Table, names: tuple[str, ...]) -> Seen:
        """A step that concerns the party's own columns only."""
        if step.filter == MANUALLY:
            return self._by_hand(party, table, names)
        chosen_by_guest = step.filter == CORRELATION or step.metric in ("iv", "feature_importance")
        if party.role is Role.HOST and chosen_by_guest and step.filter != "homo_sbt_filter":
            return Seen(names, np.full(len(names), np.nan), np.ones(len(names), np.bool_))
        if step.filter == CORRELATION:
            return choose_apart(step, models, names, ())[0]
        values = models.worth(step).of_own(names) if step.filter in BY_OTHERS else measured(step, table, names)
        return keep(step, names, values)

    def _by_hand(self, party: Party, table: Table, names: tuple[str, ...]) -> Seen:
        manually, header = self.params.manually_param, table.feature_names
        if [] in (manually.left_col_indexes, manually.left_col_names) and not (
            manually.left_col_indexes or manually.left_col_names
        ):
            log.warning("left_col_indexes and left_col_names name no column, so manually keeps all of them")
        if manually.left_col_indexes or manually.left_col_names:
            stay = self._named(
                party, header, manually.left_col_indexes, manually.left_col_names,
                ("left_col_indexes", "left_col_names"),
            )  # fmt: skip
            return _by_name(names, stay)
        out = self._named(
            party, header, manually.filter_out_indexes, manually.filter_out_names,
            ("filter_out_indexes", "filter_out_names"),
        )  # fmt: skip
        return _by_name(names, [name for name in names if name not in out])

    def _selected(self, party: Party, table: Table) -> tuple[str, ...]:
        return self._named(
            party, table.feature_names, self.params.select_col_indexes, self.params.select_names,
            ("select_col_indexes", "select_names"),
        )  # fmt: skip

    def _named(
        self,
        party: Party,
        header: Sequence[str],
        indexes: Literal[-1] | Sequence[int] | None,
        names: Sequence[str] | None,
        parameters: tuple[str, str],
    ) -> tuple[str, ...]:
        if self.params.use_anonymous and names:
            names = [name for each in names for name in _own_name(party, header, each)]
        return chosen_columns(header, indexes, names, parameters)

    def _outputs(self, ctx: TaskContext, table: Table, course: Course) -> Outputs:
        ctx.tracker.set_summary(summary_of(course))
        return _apply(table, model_of(self.params, course))


def _apply(table: Table, model: Model) -> Outputs:
    kept = kept_columns(model)
    absent = [name for name in kept if name not in table.feature_names]
    if absent:
        raise ModelError(f"The model keeps columns that the table lacks: {', '.join(absent)}.")
    log.info("%d of %d columns are kept", len(kept), len(table.feature_names))
    return Outputs((table.with_columns({name: table.data.column(name) for name in kept}),), model)


def _by_name(names: Sequence[str], stay: Sequence[str]) -> Seen:
    kept = np.array([name in stay for name in names], np.bool_)
    return Seen(tuple(names), np.full(len(names), np.nan), kept)


def _own_name(party: Party, header: Sequence[str], name: str) -> list[str]:
    """The column of an anonymous name; nothing where it is another party's.

    Raises:
        DataError: it is no anonymous name, or there is no such column.
    """
    found = re.fullmatch(r"(guest|host)_(.+)_x?(\d+)", name)
    if found is None:
        raise DataError(f"{name!r} is no anonymous name, such as {party.role}_{party.party_id}_0.")
    if (found[1], found[2]) != (str(party.role), party.party_id):
        return []
    if int(found[3]) >= len(header):
        raise DataError(f"There is no column {name}: {party} has {len(header)}.")
    return [header[int(found[3])]]


def _check_agreement(ctx: TaskContext, steps: Sequence[Step], filters: Any) -> None:
    if not isinstance(filters, list) or not all(isinstance(name, str) for name in filters):
        raise MessageRejected("The guest sent something else than the names of filters.")
    own = [step.filter for step in steps if step.federated]
    if own != filters:
        raise DataError(
            f"By filter_methods, local_only and select_federated {ctx.guest.party} chooses among the columns of hosts "
            f"by {', '.join(filters) or 'no filter'}, and {ctx.party} lets it by {', '.join(own) or 'none'}. "
            "Give both the same filters of this kind, in one order.",
            public=True,
        )
