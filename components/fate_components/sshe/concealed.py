"""Weights that their own host does not know: encrypted under the key of the guest, which does not know them either.

The host scores rows on ciphertexts, and the guest decrypts the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey
from fate_components.linear.messages import Step
from fate_components.linear.model import Floats, places
from fate_components.sshe.pair import Pair
from fate_components.sshe.products import bits_for
from fate_components.sshe.ring import (
    COLUMN_BITS,
    FRACTION_BITS,
    RING_BITS,
    SCORE_BITS,
    Shares,
    encoded,
    random_shares,
    reduced,
    shares_from_wire,
    signed,
)
from fate_components.sshe.weights import Shared
from fate_federated.errors import MessageRejected, ModelError
from fate_federated.wire.payload import Ciphertexts, Wire

WEIGHT_BITS = SCORE_BITS + FRACTION_BITS
_PRECISION = 23
_SCORE_BITS = COLUMN_BITS + WEIGHT_BITS + 20
"""Magnitude of an encrypted score of up to 2**20 features."""
_SLOT_BITS = _SCORE_BITS + 2


@dataclass(frozen=True, slots=True)
class ConcealedPart:
    """A host's part of a model.

    Attributes:
        header: names of the features.
        weights: under the guest's key, shape (features, models).
    """

    header: tuple[str, ...]
    weights: EncryptedArray

    def columns(self, names: Sequence[str]) -> list[int]:
        """Where the model's features are among these columns.

        Raises:
            ModelError: one is missing.
        """
        return places(self.header, names)

    def score(self, features: Floats) -> dict[str, Wire]:
        """Encrypted scores of rows, shape (rows, len(header)), for the guest."""
        bits = bits_for(features, _PRECISION)
        matrix = FixedPoint(np.rint(np.ldexp(features, bits)).astype(np.int64), -bits)
        models = self.weights.shape[1]
        scores = [(matrix @ self.weights[:, model]).reshape(len(features), 1) for model in range(models)]
        flat = concatenate(scores, axis=1).reshape(len(features) * models)
        return {"models": models, "scores": PackedArray.pack(flat, _SLOT_BITS).to_wire()}


def scores_from_wire(value: Mapping[str, object], private: PrivateKey) -> Floats:
    """The guest's reading of :meth:`ConcealedPart.score`, shape (rows, models).

    Raises:
        MessageRejected, CryptoError: it is nothing of that kind, or under another key.
    """
    models = value.get("models")
    if type(models) is not int or models < 1 or set(value) != {"models", "scores"}:
        raise MessageRejected("A host's encrypted scores are not what was agreed.")
    scores = PackedArray.from_wire(value["scores"], private.public, _SLOT_BITS, _SCORE_BITS).decrypt(private)
    if len(scores) % models:
        raise MessageRejected("A host's encrypted scores are not of whole rows.")
    return scores.reshape(-1, models)


Concealed = ConcealedPart | PrivateKey
"""What a party knows of concealed weights: the host has them encrypted, the guest the key."""


def dealt_by_guest(
    pair: Pair, step: Step, weights: Floats, others: tuple[int, ...], known: Concealed | None
) -> tuple[Shares, Shares]:
    """Shares of the first weights, of the guest's own, which it knows, and of the host's.

    Args:
        others: shape of the host's.

    Raises:
        ModelError: the host goes on from weights that it does not know, and to which there is no key.
    """
    own = _dealt(pair, step, weights)
    value = pair.peer.pull("start", step)
    if not isinstance(value, Ciphertexts):
        return own, shares_from_wire(value, others)
    if not isinstance(known, PrivateKey):
        raise ModelError("The host goes on from weights that are encrypted, and the guest's model has no key to them.")
    masked = EncryptedArray.from_wire(value, known.public, masked=True)
    if masked.size != int(np.prod(others)):
        raise MessageRejected(f"{pair.peer.party} does not go on from weights of shape {others}.")
    return own, reduced(masked.decrypt_residues(known).reshape(others))


def dealt_by_host(
    pair: Pair, step: Step, weights: Floats, others: tuple[int, ...], known: Concealed | None
) -> tuple[Shares, Shares]:
    """The host's part of :func:`dealt_by_guest`; weights that it has encrypted it turns into shares."""
    if isinstance(known, ConcealedPart):
        unscaled = known.weights.bounded(1 << (known.weights.key.bits - 16))
        masked, mask = unscaled.masked()
        pair.peer.push("start", masked.to_wire(), step)
        own = reduced(-mask.pads.reshape(unscaled.shape))
    else:
        own = _dealt(pair, step, weights)
    return own, shares_from_wire(pair.peer.pull("start", step), others)


def _dealt(pair: Pair, step: Step, weights: Floats) -> Shares:
    given = random_shares(weights.shape)
    pair.open_to_peer("start", step, given)
    return reduced(encoded(weights, FRACTION_BITS, step) - given)


def opened_but_for_host(pair: Pair, weights: Shared, step: Step) -> None:
    """The guest's part: learn its own weights, and give the host its own encrypted.

    Shares add up modulo 2**RING_BITS, plaintexts do not: the guest's share is replaced by a random number of
    RING_BITS - 2 bits, the host's by what is missing to the weight, which that hides but for a chance of 2**-96.
    """
    learner = weights.setting.learner
    pads = random_shares(weights.shares[weights.others].shape) >> 2
    pair.open_to_peer("hidden_weight", step, reduced(weights.shares[weights.others] + pads))
    pair.encrypted_to_peer("encrypted_weight", step, -pads, RING_BITS)
    learner.descent.weights = pair.opened("weights", step, weights.shares[weights.own], FRACTION_BITS, SCORE_BITS)


def concealed_from_guest(pair: Pair, weights: Shared, step: Step) -> EncryptedArray:
    """The host's part of :func:`opened_but_for_host`: its weights under the guest's key, shape (features, models)."""
    pair.open_to_peer("weights", step, weights.shares[weights.others])
    own = weights.shares[weights.own]
    hidden = signed(own + shares_from_wire(pair.peer.pull("hidden_weight", step), own.shape))
    encrypted = pair.encrypted_from_peer("encrypted_weight", step, own.shape, RING_BITS)
    return (encrypted + FixedPoint(hidden, 0)).bounded(1 << WEIGHT_BITS) * 2.0**-FRACTION_BITS
