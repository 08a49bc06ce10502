"""Correlation of columns, of one party and between parties."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from fate_components.alike import check_alike, stated
from fate_components.columns import anonymous_name, chosen_columns, numbers
from fate_components.crypto.paillier import generate_keypair
from fate_components.guest_key import receive_guest_key
from fate_components.hetero_pearson.exchange import (
    Plan,
    check_columns,
    constant_from_wire,
    correlation_from_wire,
    decrypted_sums,
    encrypted_columns,
    product_sums,
)
from fate_components.hetero_pearson.model import (
    Floats,
    constant_columns,
    correlate,
    local_correlation,
    party_text,
    standardise,
    variance_inflation,
)
from fate_components.hetero_pearson.spec import HeteroPearsonParams
from fate_components.tables import input_table, row_digest
from fate_federated.errors import DataError, MessageRejected
from fate_federated.party import Party
from fate_federated.pb.model import pearson_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

PORTS = ("data", "train_data", "test_data", "eval_data")
ALIKE = ("cross_parties",)


class HeteroPearson(Component[HeteroPearsonParams]):
    """Pearson's correlation of columns, and the variance inflation factors of each party's own. The table passes.

    Each party standardises its columns. The guest encrypts its own under its Paillier key, the values of a row packed
    together; a host multiplies them by its own and adds the products up over the rows, re-randomises the sums and
    returns them. The guest decrypts them, which makes the correlations of its columns with the host's, and tells them
    the host (the private scalar product of Goethals, Laur, Lipmaa, Mielikäinen 2004, "On private scalar product
    computation for privacy-preserving data mining", protocol 3, whose result here is for both). FATE has the same by
    SPDZ. Values are rounded to 2**-22 of their deviation, so correlations are within 2.4e-7.

    What each learns beside its own columns, if all follow the protocol:

    * The **guest**: how many columns each host compares, their positions among the host's features, which of them are
      constant, and the correlations of its own columns with them.
    * A **host**: the same of the guest's columns, how many rows the guest has, and whether they are its own, by a
      digest of their ids.
    * Hosts learn nothing of each other; their columns are not compared.

    Constant columns have no correlation (NaN). With as many columns as rows, but two, correlations would show the other
    party's values: that is refused. Of a column that is known to hold few values fewer correlations show more: each is
    one number of some 44 bits, so those of 0 and 1 can be found by trying where there are not far more rows than that
    for each column. A guest that encrypts other numbers than its columns could learn sums of a host's values: parties
    are trusted to follow the protocol. Without cross_parties nothing is sent but that this is so. A model is handed on.
    """

    Params = HeteroPearsonParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs, *PORTS)
        if inputs.model is not None:
            return Outputs((table,), inputs.model)
        names, standard = self._standardised(ctx, table)
        compared = [(ctx.party, _anonymous(ctx.party, table, names))]
        blocks: list[Floats] = []
        if self.params.cross_parties and len(ctx.hosts):
            check_columns(ctx.party, len(names), len(table))
            plan = Plan(len(table), row_digest(table), len(names))
            ctx.hosts.push("plan", plan.to_wire())
            private = generate_keypair(self.params.fixpoint_bit_length)
            if self.params.fixpoint_bit_length < 2048:
                log.warning("fixpoint_bit_length %d is short of today's 2048", self.params.fixpoint_bit_length)
            if names:
                ctx.hosts.push("key", private.public.to_wire())
                ctx.hosts.push("columns", encrypted_columns(private, standard, plan))
            ctx.hosts.push("names", list(compared[0][1]))
            for host in ctx.hosts:
                of_host = _names_from_wire(ctx, host)
                constant = constant_from_wire(host.pull("constant"), host.party)
                if len(constant) != len(of_host):
                    raise MessageRejected(f"{host.party} told of {len(constant)} columns, and named {len(of_host)}.")
                sums = np.zeros((len(names), len(of_host)))
                if names and of_host:
                    sums = decrypted_sums(host.pull("sums"), private, plan, len(of_host))
                blocks.append(correlate(sums, len(table), constant_columns(standard), constant))
                host.push("correlation", blocks[-1])
                compared.append((host.party, of_host))
        elif len(ctx.hosts):
            ctx.hosts.push("plan", stated(self.params, ALIKE))
        return self._outputs(ctx, table, names, standard, compared, blocks)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = input_table(ctx, inputs, *PORTS)
        if inputs.model is not None:
            return Outputs((table,), inputs.model)
        names, standard = self._standardised(ctx, table)
        compared = [(ctx.party, _anonymous(ctx.party, table, names))]
        blocks: list[Floats] = []
        if self.params.cross_parties:
            plan = Plan.from_wire(_compared(ctx, ctx.guest, "plan"))
            if plan.digest != row_digest(table):
                raise DataError(
                    f"The {len(table)} rows of {ctx.party} are not the {plan.rows} of {ctx.guest.party} in the same "
                    "order. Give all parties the output of the same Intersection.",
                    public=True,
                )
            check_columns(ctx.guest.party, plan.columns, len(table))
            check_columns(ctx.party, len(names), len(table))
            ctx.guest.push("names", list(compared[0][1]))
            ctx.guest.push("constant", constant_columns(standard))
            if plan.columns:
                key = receive_guest_key(ctx, "fixpoint_bit_length", self.params.fixpoint_bit_length)
                columns = ctx.guest.pull("columns")
                if names:
                    ctx.guest.push("sums", product_sums(columns, key, standard, plan))
            of_guest = _names_from_wire(ctx, ctx.guest)
            if len(of_guest) != plan.columns:
                raise MessageRejected(f"The guest named {len(of_guest)} columns where {plan.columns} were agreed.")
            blocks.append(correlation_from_wire(ctx.guest.pull("correlation"), (plan.columns, len(names))))
            compared.insert(0, (ctx.guest.party, of_guest))
        else:
            ctx.guest.push("names", stated(self.params, ALIKE))
        return self._outputs(ctx, table, names, standard, compared, blocks)

    def _standardised(self, ctx: TaskContext, table: Table) -> tuple[tuple[str, ...], Floats]:
        indexes, wanted = self.params.column_indexes, self.params.column_names
        if indexes is None and wanted is None:
            indexes = -1
        names = chosen_columns(table.feature_names, indexes, wanted, ("column_indexes", "column_names"))
        if not len(table):
            raise DataError(f"The table of {ctx.party} has no rows to correlate.", public=True)
        values = numbers(table, names)
        gaps = [name for name, column in zip(names, values.T, strict=True) if np.isnan(column).any()]
        if gaps:
            raise DataError(f"Values are missing in {', '.join(gaps)}. Put a FeatureImputation before {ctx.component}.")
        return names, standardise(values)

    def _outputs(
        self,
        ctx: TaskContext,
        table: Table,
        names: Sequence[str],
        standard: Floats,
        compared: Sequence[tuple[Party, Sequence[str]]],
        blocks: Sequence[Floats],
    ) -> Outputs:
        local = local_correlation(standard)
        factors = variance_inflation(local) if self.params.calc_local_vif else np.empty(0)
        shapes = [len(of_party) for _, of_party in compared]
        param = pb.PearsonModelParam(
            party=party_text(ctx.party), shape=len(names), names=names, local_corr=local.ravel(), local_vif=factors,
            anonymous_map=[
                pb.PearsonAnonymousMap(anonymous=anonymous, name=name)
                for anonymous, name in zip(_anonymous(ctx.party, table, names), names, strict=True)
            ],
        )  # fmt: skip
        summary: dict[str, Any] = {"columns": list(names), "local_corr": _json(local)}
        if self.params.calc_local_vif:
            summary["vif"] = dict(zip(names, _json(factors), strict=True))
        if blocks:
            param.parties.extend(party_text(party) for party, _ in compared)
            param.shapes.extend(shapes)
            param.all_names.extend(pb.PearsonNames(names=of_party) for _, of_party in compared)
            param.corr.extend(np.concatenate([block.ravel() for block in blocks]))
            others = [party for party, _ in compared if party != ctx.party]
            summary["corr"] = {
                f"{party.role}_{party.party_id}": _json(block) for party, block in zip(others, blocks, strict=True)
            }
        log.info("correlations of %d columns, with %d other parties", len(names), len(blocks))
        ctx.tracker.log_metric("statistic", "correlation", (), {"metric_type": "CORRELATION_GRAPH"})
        ctx.tracker.set_summary(summary)
        return Outputs((table,), Model("HeteroPearson", pb.PearsonModelMeta(shapes=shapes), param))


def _anonymous(party: Party, table: Table, names: Sequence[str]) -> list[str]:
    header = table.feature_names
    return [anonymous_name(party, header.index(name)) for name in names]


def _compared(ctx: TaskContext, peer: Peer, tag: str) -> Any:
    """The first message of a peer that compares columns, too.

    Raises:
        ConfigError: it says that it does not.
    """
    message = peer.pull(tag)
    match message:
        case {"cross_parties": str()}:
            check_alike(ctx, peer.party, {"cross_parties": "true"}, message)
    return message


def _names_from_wire(ctx: TaskContext, peer: Peer) -> list[str]:
    names = _compared(ctx, peer, "names")
    start = anonymous_name(peer.party, 0)[:-1]
    if not isinstance(names, list) or not all(
        isinstance(name, str) and name.startswith(start) and name.removeprefix(start).isdecimal() for name in names
    ):
        raise MessageRejected(f"{peer.party} sent something else than the anonymous names of its columns.")
    return names


def _json(values: Floats) -> list[Any]:
    """None where there is no number."""
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    listed: list[Any] = found.tolist()
    return listed
