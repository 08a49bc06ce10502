"""Private set intersection by Diffie-Hellman in ristretto255, guest and one or more hosts."""

from __future__ import annotations

import logging

import numpy as np

from fate_components.crypto.ristretto import blind_ids, multiply, random_scalar
from fate_components.intersection.matching import (
    Rows,
    check_ids,
    check_positions,
    find_elements,
    in_common_order,
    sort_elements,
)
from fate_components.intersection.spec import IntersectionParams
from fate_federated.errors import DataError, MessageRejected
from fate_federated.pb.model import intersection_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.wire.payload import GroupElements

log = logging.getLogger(__name__)

PROTOCOL = "ecdh-ristretto255"


class Intersection(Component[IntersectionParams]):
    """Keep the rows whose id every party has, in one order at all parties.

    Guest and hosts each have a secret scalar, a and b, and H maps an id into the group. The guest sends H(x)^a for its
    ids, each host H(y)^b for its own, both in the order of the elements' bytes. Each side raises what it received to
    its own scalar; the host returns H(x)^ab, the guest keeps H(y)^ba and looks for equal elements. With
    ``sync_intersect_ids`` it then tells each host the positions, in the list that this host had sent, of the elements
    that are common to all parties. Meadows 1986; Huberman, Franklin, Hogg 1999, "Enhancing privacy and trust in
    electronic communities"; against parties that follow the protocol (De Cristofaro, Tsudik 2010, "Practical private
    set intersection protocols with linear complexity"), under decisional Diffie-Hellman, H as a random oracle.

    What each learns beside its own rows:

    - every guest-host pair: how many rows the other has;
    - the guest: for each host, which of the guest's own ids that host has; with several hosts that is more than the
      intersection of all, as in FATE. Of an id that it has not itself, nothing;
    - a host, with ``sync_intersect_ids``: which of its own ids all parties have, and no more, however many hosts there
      are; otherwise nothing;
    - hosts learn nothing of each other but that.

    No id, and nothing computed from an id alone, is ever sent.
    """

    Params = IntersectionParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = self._input(ctx, inputs)
        scalar = random_scalar()
        blinded, rows = sort_elements(blind_ids(table.ids, scalar))
        ctx.hosts.push("blinded_ids", blinded)
        theirs = [multiply(_elements(received), scalar) for received in ctx.hosts.pull("blinded_ids")]
        mine = [_elements(received, len(table)) for received in ctx.hosts.pull("twice_blinded_ids")]
        positions = [find_elements(*pair) for pair in zip(mine, theirs, strict=True)]
        common = np.all([found >= 0 for found in positions], axis=0) if positions else np.ones(len(table), dtype=bool)
        if self.params.sync_intersect_ids:
            for host, found in zip(ctx.hosts, positions, strict=True):
                host.push("common_positions", np.sort(found[common]))
        return self._outputs(ctx, table, rows[common])

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = self._input(ctx, inputs)
        scalar = random_scalar()
        blinded, rows = sort_elements(blind_ids(table.ids, scalar))
        ctx.guest.push("blinded_ids", blinded)
        ctx.guest.push("twice_blinded_ids", multiply(_elements(ctx.guest.pull("blinded_ids")), scalar))
        if not self.params.sync_intersect_ids:
            log.info("sync_intersect_ids is false: %s does not learn which rows are common", ctx.party)
            return Outputs()
        positions = check_positions(ctx.guest.pull("common_positions"), len(table))
        return self._outputs(ctx, table, rows[positions])

    def _input(self, ctx: TaskContext, inputs: Inputs) -> Table:
        if self.params.intersect_method != "ecdh":
            log.info(
                "intersect_method %s runs as Diffie-Hellman in ristretto255: the common rows are the same",
                self.params.intersect_method,
            )
        table = inputs.first("data")
        if table is None:
            raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
        check_ids(table)
        return table

    def _outputs(self, ctx: TaskContext, table: Table, common: Rows) -> Outputs:
        if not len(common):
            raise DataError(
                f"No id is common to all parties: none of the {len(table)} rows of {ctx.party} remain. "
                "Check that all parties upload the same kind of id, written in the same way."
            )
        rate = len(common) / len(table)
        log.info("%d of %d rows are common to all parties", len(common), len(table))
        values = {
            "intersect_count": len(common),
            "input_match_id_count": len(table),
            "intersect_rate": rate,
            "unmatched_count": len(table) - len(common),
            "unmatched_rate": 1 - rate,
        }
        method, join = self.params.intersect_method, self.params.join_method
        meta = {"metric_type": "INTERSECTION", "intersect_method": method, "join_method": join, "values": values}
        ctx.tracker.log_metric("train", "intersection", (), meta)
        ctx.tracker.set_summary({"intersect_num": len(common), "intersect_rate": rate})
        output = in_common_order(table.take(common))
        if self.params.only_output_key:
            output = Table(output.data.select([output.id_column]), output.id_column)
        model = Model(
            "Intersection",
            pb.IntersectModelMeta(intersect_method=method, join_method=join, protocol=PROTOCOL),
            pb.IntersectModelParam(input_count=len(table), intersect_count=len(common), intersect_rate=rate),
        )
        return Outputs(data=(output,), model=model)


def _elements(received: object, count: int | None = None) -> GroupElements:
    """What a peer sent, if it is group elements, ``count`` of them where that is known."""
    if not isinstance(received, GroupElements) or (count is not None and len(received) != count):
        expected = "group elements" if count is None else f"{count} group elements"
        raise MessageRejected(f"A peer sent something other than {expected}.")
    return received
