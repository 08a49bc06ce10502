"""Private set intersection, guest and one or more hosts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fate_components.intersection.agreement import Opening, receive_opening, settings_digests
from fate_components.intersection.cache import Kept
from fate_components.intersection.layout import (
    Layout,
    follow,
    keys_alone,
    lay_out,
    ordered_common,
    places_among,
    single_rows,
    with_ids,
)
from fate_components.intersection.matching import Rows, check_positions, distinct_ids
from fate_components.intersection.methods import Method
from fate_components.intersection.signatures import receive_filter, send_filter
from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import DataError, MessageRejected
from fate_federated.party import Role
from fate_federated.pb.model import intersection_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Own:
    """One party's rows.

    Attributes:
        ids: what rows are matched by, each once.
        numbers: for each row the place of its id there.
    """

    table: Table
    ids: pa.Array
    numbers: Rows


class Intersection(Component[IntersectionParams]):
    """Keep the rows whose id every party has, in one order at all parties.

    The methods and what they rest on are described in :mod:`.commutative` (ecdh, dh), :mod:`.signatures` (rsa),
    :mod:`.library` (spu_rr22, spu_kkrt, spu_ecdh) and :mod:`.raw`. What each party learns beside its own rows:

    - every guest-host pair: how many ids the other has, and, as digests, which parameters it has the same;
    - the guest: for each host, which of the guest's own ids that host has; with several hosts that is more than the
      intersection of all, as in FATE. Of an id that it has not itself, nothing;
    - a host, with ``sync_intersect_ids``: which of its own ids all parties have, and no more, however many hosts there
      are; otherwise nothing. With left_join, which of its own ids the guest has, and how many all parties have;
    - hosts learn nothing of each other but that;
    - with ``cardinality_only``: the guest the number of common ids, and the host too with ``sync_cardinality``;
    - with ``run_preprocess``: who does not own the filter, which of its ids are in it, see
      :func:`.signatures.send_filter`;
    - where one party lays out the rows, how often a common id stands, and its ids for the rows, see :mod:`.layout`.

    No id, and nothing computed from an id alone, is ever sent, but by ``raw``, and but for sample ids that a table has
    beside its match ids.
    """

    Params = IntersectionParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        method, own = Method.of(self.params), self._own(ctx, inputs)
        kept = self._kept(ctx, inputs, method)
        hosts = [host.party for host in ctx.hosts]
        if len(hosts) > 1 and (
            self.params.cardinality_only or method.by_library or (self._left_join and self._generator is Role.HOST)
        ):
            raise DataError(
                "cardinality_only, methods of spu, and left_join with sample_id_generator host are for a single host, "
                f"and here are {len(hosts)}.",
                public=True,
            )
        mine = self._opening(own, kept)
        theirs = [receive_opening(ctx, host, mine) for host in ctx.hosts]
        shares = mine.shares_rows or any(opening.shares_rows for opening in theirs)
        ctx.hosts.push("opening", Opening(mine.count, mine.settings, shares, mine.cache_key).to_wire())
        counts = [opening.count for opening in theirs]
        if self.params.run_cache:
            return self._cached(ctx, own, method.guest_cache(ctx, counts))
        if self.params.cardinality_only:
            number = method.guest_count(ctx, own.ids, counts[0])
            if self.params.sync_cardinality:
                ctx.hosts.push("cardinality", number)
            return self._counted(ctx, own, method, number)
        asked, counts = self._filtered_guest(ctx, own, counts)
        positions = _spread(
            method.guest_positions(ctx, own.ids.take(pa.array(asked, pa.int64())), counts, kept), asked, own.ids
        )
        together = np.all([found >= 0 for found in positions], axis=0)
        each = [found >= 0 if self._left_join else together for found in positions]
        if self.params.sync_intersect_ids:
            for host, found, common in zip(ctx.hosts, positions, each, strict=True):
                host.push("common_positions", np.sort(found[common]))
            if self._left_join:
                ctx.hosts.push("common_number", int(together.sum()))
        self._check_common(ctx, own, int(together.sum()))
        commons = [ordered_common(own.ids, np.flatnonzero(common)) for common in each]
        if not shares:
            table = own.table.take(single_rows(own.table, own.numbers, commons[0]))
        elif self._generator is Role.GUEST or not self.params.sync_intersect_ids:
            places = places_among(own.numbers, commons[0])
            rows, ids = lay_out(own.table, places, new_ids=self._new_ids, left_join=self._left_join)
            if self.params.sync_intersect_ids:
                for host, common in zip(ctx.hosts, commons, strict=True):
                    host.push("layout", Layout(places_among(own.numbers, common)[rows], ids).to_wire())
            table = with_ids(own.table.take(rows), ids)
        else:
            first, *others = ctx.hosts
            layout = Layout.from_wire(first.pull("layout"), len(commons[0]), left_join=self._left_join)
            for other in others:
                other.push("layout", layout.to_wire())
            table = follow(layout, own.table, single_rows(own.table, own.numbers, commons[0]))
        return self._outputs(ctx, own, method, table, int(together.sum()))

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        method, own = Method.of(self.params), self._own(ctx, inputs)
        kept = self._kept(ctx, inputs, method)
        mine = self._opening(own, kept)
        ctx.guest.push("opening", mine.to_wire())
        theirs = receive_opening(ctx, ctx.guest, mine)
        if self.params.run_cache:
            return self._cached(ctx, own, method.host_cache(ctx, own.ids))
        if self.params.cardinality_only:
            method.host_counted(ctx, own.ids, theirs.count)
            if not self.params.sync_cardinality:
                return Outputs()
            number = ctx.guest.pull("cardinality")
            if type(number) is not int or not 0 <= number <= min(len(own.ids), theirs.count):
                raise MessageRejected(f"{ctx.guest.party} sent a count of common ids that cannot be.")
            return self._counted(ctx, own, method, number)
        asked, count = self._filtered_host(ctx, own, theirs.count)
        order = method.host_order(ctx, own.ids.take(pa.array(asked, pa.int64())), count, kept)
        if not self.params.sync_intersect_ids:
            log.info("sync_intersect_ids is false: %s does not learn which rows are common", ctx.party)
            return Outputs()
        positions = check_positions(ctx.guest.pull("common_positions"), len(order))
        number = len(positions)
        if self._left_join:
            number = ctx.guest.pull("common_number")
            if type(number) is not int or not 0 <= number <= len(positions):
                raise MessageRejected(f"{ctx.guest.party} sent a count of common ids that cannot be.")
        self._check_common(ctx, own, number)
        common = ordered_common(own.ids, asked[order[positions]])
        if not theirs.shares_rows:
            table = own.table.take(single_rows(own.table, own.numbers, common))
        elif self._generator is Role.HOST and ctx.party == self._first_host(ctx):
            places = places_among(own.numbers, common)
            rows, ids = lay_out(own.table, places, new_ids=self._new_ids, left_join=self._left_join)
            ctx.guest.push("layout", Layout(places[rows], ids).to_wire())
            table = with_ids(own.table.take(rows), ids)
        else:
            layout = Layout.from_wire(ctx.guest.pull("layout"), len(common), left_join=self._left_join)
            table = follow(layout, own.table, single_rows(own.table, own.numbers, common))
        return self._outputs(ctx, own, method, table, number)

    # What the parties have

    @property
    def _left_join(self) -> bool:
        return self.params.join_method == "left_join"

    @property
    def _new_ids(self) -> bool:
        return self.params.new_sample_id or self.params.with_sample_id

    @property
    def _generator(self) -> Role:
        """Whose rows are laid out."""
        repeats = self.params.repeated_id_process and not self.params.new_sample_id
        return Role(self.params.repeated_id_owner if repeats else self.params.sample_id_generator)

    def _first_host(self, ctx: TaskContext) -> object:
        return next(party for party in ctx.participants if party.role is Role.HOST)

    def _own(self, ctx: TaskContext, inputs: Inputs) -> Own:
        table = inputs.first("data", "train_data", "validate_data", "test_data", "eval_data")
        if table is None:
            raise DataError(f"{ctx.component} has no input data at {ctx.party}.", public=True)
        repeatable = table.match_id_column is not None or (
            self.params.repeated_id_process and ctx.party.role is self._generator
        )
        return Own(table, *distinct_ids(table, repeatable))

    def _kept(self, ctx: TaskContext, inputs: Inputs, method: Method) -> Kept | None:
        if not inputs.cache:
            return None
        if (
            method.name not in ("ecdh", "dh", "rsa")
            or self.params.cardinality_only
            or self.params.run_preprocess
            or self.params.run_cache
        ):
            raise DataError(
                "A cache goes with ecdh, dh or rsa, and not with cardinality_only, run_preprocess or run_cache.",
                public=True,
            )
        hosts = [host.party for host in ctx.hosts]
        return Kept.from_cache(next(iter(inputs.cache.values())), ctx.party, method.name, hosts)

    def _opening(self, own: Own, kept: Kept | None) -> Opening:
        shares = (
            own.table.match_id_column is not None
            or self.params.repeated_id_process
            or self.params.new_sample_id
            or self._left_join
        )
        if self.params.with_sample_id and not shares:
            log.warning("with_sample_id has no effect: no id repeats, and the rows keep the ids that they have")
        return Opening(len(own.ids), settings_digests(self.params), shares, kept.key if kept else "")

    # Filters

    def _filtered_guest(self, ctx: TaskContext, own: Own, counts: Sequence[int]) -> tuple[Rows, list[int]]:
        """Places of the ids that go on, and the counts of the hosts' that do."""
        everything = np.arange(len(own.ids))
        if not self.params.run_preprocess:
            return everything, list(counts)
        keys = Method("rsa", self.params).hashed(own.ids.to_pylist())
        if self.params.intersect_preprocess_params.filter_owner == "guest":
            send_filter(ctx.hosts, counts, keys, self.params)
            left = [host.pull("left_after_filter") for host in ctx.hosts]
            if any(
                type(number) is not int or not 0 <= number <= count for number, count in zip(left, counts, strict=True)
            ):
                raise MessageRejected("A host sent an impossible number of ids that passed the filter.")
            return everything, left
        passed: npt.NDArray[np.bool_] = np.all([receive_filter(host, keys, self.params) for host in ctx.hosts], axis=0)
        ctx.hosts.push("left_after_filter", int(passed.sum()))
        return np.flatnonzero(passed), list(counts)

    def _filtered_host(self, ctx: TaskContext, own: Own, count: int) -> tuple[Rows, int]:
        everything = np.arange(len(own.ids))
        if not self.params.run_preprocess:
            return everything, count
        keys = Method("rsa", self.params).hashed(own.ids.to_pylist())
        if self.params.intersect_preprocess_params.filter_owner == "guest":
            passed = receive_filter(ctx.guest, keys, self.params)
            ctx.guest.push("left_after_filter", int(passed.sum()))
            return np.flatnonzero(passed), count
        send_filter(ctx.guest, [count], keys, self.params)
        left = ctx.guest.pull("left_after_filter")
        if type(left) is not int or not 0 <= left <= count:
            raise MessageRejected("The guest sent an impossible number of ids that passed the filter.")
        return everything, left

    # What comes out

    def _check_common(self, ctx: TaskContext, own: Own, number: int) -> None:
        if not number:
            raise DataError(
                f"No id is common to all parties: none of the {len(own.table)} rows of {ctx.party} remain. "
                "Check that all parties upload the same kind of id, written in the same way.",
                public=True,
            )

    def _cached(self, ctx: TaskContext, own: Own, kept: Kept) -> Outputs:
        log.info("%s keeps a cache for later runs", ctx.party)
        place = {"job_id": ctx.job_id, "component_name": ctx.component, "count": len(own.ids)}
        meta = {"metric_type": "INTERSECTION", "intersect_method": kept.method, "values": place}
        ctx.tracker.log_metric("train", "intersection_cache_meta", (), meta)
        ctx.tracker.set_summary(place)
        return Outputs(cache=kept.to_cache(ctx.party))

    def _counted(self, ctx: TaskContext, own: Own, method: Method, number: int) -> Outputs:
        log.info("%d of %d ids are common", number, len(own.ids))
        return Outputs(model=self._told(ctx, own, method, number))

    def _outputs(self, ctx: TaskContext, own: Own, method: Method, table: Table, number: int) -> Outputs:
        log.info("%d of %d ids are common to all parties, %d rows", number, len(own.ids), len(table))
        output = keys_alone(table) if self.params.only_output_key else table
        return Outputs(data=(output,), model=self._told(ctx, own, method, number, len(table)))

    def _told(self, ctx: TaskContext, own: Own, method: Method, number: int, rows: int | None = None) -> Model:
        """Metrics, summary and model of a result of so many common ids."""
        rate = number / max(len(own.ids), 1)
        values = {
            "intersect_count": number,
            "input_match_id_count": len(own.ids),
            "intersect_rate": rate,
            "unmatched_count": len(own.ids) - number,
            "unmatched_rate": 1 - rate,
        }
        if rows is not None and own.table.match_id_column is not None:
            values["intersect_sample_id_count"] = rows
        join = self.params.join_method
        meta = {"metric_type": "INTERSECTION", "intersect_method": method.name, "join_method": join, "values": values}
        ctx.tracker.log_metric("train", "intersection", (), meta)
        counted = self.params.cardinality_only
        ctx.tracker.set_summary({
            "intersect_num": number, "intersect_rate": rate, "cardinality_only": counted, "unique_id_num": len(own.ids)
        })  # fmt: skip
        return Model(
            "Intersection",
            pb.IntersectModelMeta(intersect_method=method.name, join_method=join, protocol=method.protocol),
            pb.IntersectModelParam(input_count=len(own.ids), intersect_count=number, intersect_rate=rate),
        )


def _spread(positions: Sequence[Rows], asked: Rows, ids: pa.Array) -> list[Rows]:
    """Positions of the ids that were asked for, as positions of all ids."""
    result = []
    for some in positions:
        spread = np.full(len(ids), -1, np.int64)
        spread[asked] = some
        result.append(spread)
    return result
