"""What parties with the same columns agree on before they train: whether they do, the columns' order, the classes.

The first guest leads. Columns are named to all data parties. Classes go to the arbiter sealed, see
:mod:`fate_components.homo_one_hot.sealing`: it learns how many each party has and how many they share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fate_components.alike import check_alike
from fate_components.homo_one_hot.sealing import KEY_BITS, from_wire, make_key, seal, to_wire, unseal
from fate_components.linear.model import Floats
from fate_components.secure_aggregation.parties import data_parties
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.wire.payload import Wire

MOST_CLASSES = 1000
_LABEL = "label"


@dataclass(frozen=True, slots=True)
class Circle:
    """The data parties as one of them sees them.

    Attributes:
        lead: the first guest; None where that is this party itself.
        others: guests and hosts but this one.
        arbiter: of the task.
    """

    lead: Peer | None
    others: tuple[Peer, ...]
    arbiter: Peer

    @classmethod
    def of(cls, ctx: TaskContext) -> Circle:
        """Who leads whom."""
        peers = (*ctx.guests, *ctx.hosts)
        first = data_parties(ctx)[0]
        return cls(next((peer for peer in peers if peer.party == first), None), peers, ctx.arbiter)

    def announce(self, tag: str, value: Wire, step: int | None = None) -> None:
        """From the lead to everybody."""
        for peer in (*self.others, self.arbiter):
            peer.push(tag, value, step)

    def heard(self, tag: str, step: int | None = None) -> Any:
        """What the lead announced."""
        assert self.lead is not None  # noqa: S101 - who leads does not ask itself
        return self.lead.pull(tag, step)


def lead_of(ctx: TaskContext) -> Peer:
    """The first guest, as the arbiter sees it."""
    first = data_parties(ctx)[0]
    return next(peer for peer in ctx.guests if peer.party == first)


@dataclass(frozen=True, slots=True)
class Agreement:
    """See the module.

    Attributes:
        columns: the features, in the lead's order.
        key: of the data parties, to seal what the arbiter carries.
        seed: of choices that all make alike.
    """

    columns: tuple[str, ...]
    key: bytes
    seed: int


def agree(
    ctx: TaskContext, circle: Circle, train: Table | None, parameters: Mapping[str, str], before: Model | None = None
) -> Agreement | None:
    """Whether all train, and with which columns; None where they do not.

    Args:
        parameters: those that are to be the same at all parties, see :func:`fate_components.alike.stated`.
        before: a model to go on from, if it has to be the same at all parties.

    Raises:
        ConfigError: parameters differ.
        ModelError: the model does.
        DataError: only some parties have training data, or their columns differ, or there are none.
        MessageRejected: the lead sent something else.
    """
    if train is not None and not train.feature_names:
        raise DataError(f"{ctx.component} needs at least one feature column at every guest and host.")
    if circle.lead is None:
        circle.arbiter.push("trains", {"trains": train is not None, "parameters": parameters})
        names = () if train is None else train.feature_names
        key, seed = make_key(), int(ctx.rng.integers(2**31))
        said: Wire = {
            "trains": train is not None, "columns": names, "key": key, "seed": seed, "model": _digest(before),
            "parameters": parameters,
        }  # fmt: skip
        for peer in circle.others:
            peer.push("agreement", said)
        return None if train is None else Agreement(names, key, seed)
    match circle.heard("agreement"):
        case {
            "trains": bool() as trains, "columns": list() as columns, "key": bytes() as key, "seed": int() as seed,
            "model": bytes() as model, "parameters": dict() as theirs,
        } if all(isinstance(name, str) for name in columns) and len(key) == KEY_BITS // 8 and seed >= 0:  # fmt: skip
            if trains and train is not None:
                check_alike(ctx, circle.lead.party, parameters, theirs)
                if model != _digest(before):
                    raise ModelError(f"{circle.lead.party} and {ctx.party} do not go on from the same model.")
            return _accepted(ctx, circle.lead, train, Agreement(tuple(columns), key, seed) if trains else None)
    raise MessageRejected(f"{circle.lead.party} sent something other than what is to be trained.")


def _digest(model: Model | None) -> bytes:
    return b"" if model is None else hashlib.sha256(model.param.SerializeToString(deterministic=True)).digest()


def _accepted(ctx: TaskContext, lead: Peer, train: Table | None, agreement: Agreement | None) -> Agreement | None:
    if (agreement is None) != (train is None):
        raise DataError(
            f"{lead.party} and {ctx.party} do not both have training data for {ctx.component}.", public=True
        )
    if train is not None and agreement is not None:
        difference = set(agreement.columns) ^ set(train.feature_names)
        if difference:
            raise DataError(
                f"{lead.party} and {ctx.party} do not have the same features for {ctx.component}: "
                f"{len(difference)} are at one of them only, such as {min(difference)!r}."
            )
    return agreement


def trains(ctx: TaskContext, parameters: Mapping[str, str]) -> bool:
    """What :func:`agree` tells the arbiter.

    Raises:
        ConfigError: parameters differ.
        MessageRejected: the lead sent something else.
    """
    lead = lead_of(ctx)
    match lead.pull("trains"):
        case {"trains": bool() as trains, "parameters": dict() as theirs}:
            if trains:
                check_alike(ctx, lead.party, parameters, theirs)
            return trains
    raise MessageRejected("The guest did not say whether there is something to train.")


def checked_label(ctx: TaskContext, train: Table) -> Floats:
    """The labels of training data, shape (rows,).

    Raises:
        DataError: there are none, or one is missing.
    """
    label = train.label
    if label is None:
        raise DataError(
            f"{ctx.component} needs a label at every guest and host. {ctx.party}'s data have none.", public=True
        )
    if not len(label):
        raise DataError(f"{ctx.component}'s training data has no rows at {ctx.party}.", public=True)
    if not np.isfinite(label).all():
        raise DataError(f"{ctx.component}'s training data has rows without a label at {ctx.party}.", public=True)
    return label


def agreed_classes(ctx: TaskContext, circle: Circle, agreement: Agreement, label: Floats) -> Floats:
    """The labels that there are at any party, rising.

    Raises:
        DataError: there is one class only, or more than a classifier can be for.
        MessageRejected: the arbiter left some out.
    """
    classes = shared_values(ctx, circle, agreement, {_LABEL: label})[_LABEL]
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise DataError(
            f"{ctx.component} needs labels of 2 to {MOST_CLASSES} classes; all parties together have {len(classes)}."
        )
    return classes


def shared_values(
    ctx: TaskContext, circle: Circle, agreement: Agreement, columns: Mapping[str, Floats]
) -> dict[str, Floats]:
    """The values that columns have at any party, each once, rising.

    Raises:
        MessageRejected: the arbiter left some out, or another party has other columns.
    """
    own = {name: tuple(map(repr, np.unique(values).tolist())) for name, values in columns.items()}
    sealed = seal(agreement.key, own)
    circle.arbiter.push("values", to_wire(sealed))
    everything = from_wire(circle.arbiter.pull("all_values"))
    if not sealed <= everything:
        raise MessageRejected("The arbiter left out values of this party.")
    found = unseal(agreement.key, everything)
    if not found.keys() <= columns.keys():
        raise MessageRejected(f"A party joins values of other columns than {ctx.party}.")
    return {name: np.array(sorted(_numbers(found.get(name, [])))) for name in columns}


def serve_values(ctx: TaskContext) -> int:
    """The arbiter's part of :func:`shared_values`; returns how many there are."""
    peers = (*ctx.guests, *ctx.hosts)
    everything = set[bytes]().union(*(from_wire(peer.pull("values")) for peer in peers))
    for peer in peers:
        peer.push("all_values", to_wire(everything))
    return len(everything)


def _numbers(texts: Sequence[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except ValueError as error:
        raise MessageRejected("A party has a value that is no number.") from error
