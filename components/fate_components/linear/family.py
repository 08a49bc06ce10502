"""What tells the models of the family apart: the residual d, of which every gradient is X^T d, and the loss.

With u = Σ_p X_p w_p over the parties p:

* linear regression: loss (u - y)²/2, d = u - y;
* logistic regression, labels y = ±1: the second-order Taylor expansion log 2 - yu/2 + u²/8 of log(1 + e^-yu), d = u/4 -
  y/2 (Hardy et al. 2017, arXiv:1711.10677, section 3);
* Poisson regression with exposure E: loss µ - y·log µ with µ = E·e^u, d = µ - y (McCullagh, Nelder 1989, chapter 6; the
  log likelihood less log y!).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.paillier import PublicKey
from fate_components.linear.layout import Layout
from fate_components.linear.messages import Step
from fate_components.linear.model import Floats
from fate_federated.errors import MessageRejected, ModelError
from fate_federated.task.context import TaskContext

FRACTION_BITS = 32
"""Bits behind the binary point of a score."""
TERM_BITS = 58
"""Magnitude of a score's integers."""
WEIGHT_FRACTION_BITS, WEIGHT_BITS = 20, 32


@dataclass(frozen=True, slots=True)
class Quadratic:
    """d = slope·u - label_slope·y, which a batch's loss is d²/(2·slope) + constant of.

    Attributes:
        slope, label_slope, constant: see above.
    """

    slope: float
    label_slope: float
    constant: float

    def layout(self, key_bits: int, batch: int, models: int, hosts: int) -> Layout:
        """Residuals are sums, of weighted rows."""
        bits = TERM_BITS + (hosts + 1).bit_length() + WEIGHT_BITS
        return Layout.of(key_bits, batch, models, bits, -FRACTION_BITS - WEIGHT_FRACTION_BITS, apart=False)

    def term(self, score: Floats, label: Floats | None) -> Floats:
        """A party's part of d, shape (rows, models): the guest's, which has the label, or a host's."""
        return self.slope * score if label is None else self.slope * score - self.label_slope * label

    def send_terms(
        self, ctx: TaskContext, key: PublicKey, layout: Layout, tag: str, step: Step, score: Floats, present: Floats
    ) -> None:
        """A host's part of the residuals, encrypted, to the guest.

        Args:
            score: X_h w_h, shape (rows, models).
            present: 1, or 0 where a row is not a model's; that shape or (rows, 1).
        """
        terms = FixedPoint(integers_of(self.term(score, None) * present, FRACTION_BITS, step), 0)
        ctx.guest.push(tag, EncryptedArray.encrypt(key, layout.packed(terms.integers)).to_wire(layout.wire_bits), step)

    def residual(
        self, ctx: TaskContext, key: PublicKey, layout: Layout, tag: str, step: Step, score: Floats, label: Floats,
        present: Floats, weight: Floats,
    ) -> EncryptedArray:  # fmt: skip
        """The guest's sum of all parts: d, times the row's weight; shape (groups, rows).

        Args:
            score: X_g w_g, shape (rows, models).
            label: y, shape (rows, models) or (rows, 1).
            weight: shape (rows,).
        """
        own = integers_of(self.term(score, label) * present, FRACTION_BITS, step)
        shape = (layout.groups, len(score))
        total = layout.packed(own)
        encrypted: EncryptedArray | None = None
        for value in ctx.hosts.pull(tag, step):
            terms = terms_from_peer(value, key, layout.wire_bits, shape)
            encrypted = terms if encrypted is None else encrypted + terms
        if encrypted is None:
            raise ModelError("There is no host to train with.")
        residual = encrypted + total
        factors = np.rint(weight * 2.0**WEIGHT_FRACTION_BITS).astype(np.int64).astype(object)
        residual = residual * FixedPoint(factors, 0)
        return residual.bounded(1 << layout.wire_bits)

    def label_columns(self, label: Floats, models: int) -> Floats:
        """What else the guest takes inner products with, for the loss: the labels."""
        return label

    def guest_loss(self, score_loss: Floats, sums: Floats, label: Floats, score: Floats, weight: Floats) -> Floats:
        """The guest's part of Σ weight·loss, shape (models,). A host's is Σ u_h·d / 2.

        Args:
            score_loss: Σ u_g·d, shape (models,).
            sums: each label column's inner product with d, shape (label columns, models).
            weight: of each row and model; 0 where a row is not a model's.
        """
        models = np.arange(sums.shape[1])
        of_label = sums[models % len(sums), models]
        by_label = self.label_slope / (2 * self.slope) * of_label
        loss: Floats = score_loss / 2 - by_label + self.constant * weight.sum(axis=0)
        return loss


@dataclass(frozen=True, slots=True)
class LogLinear:
    """d = µ - y, where µ is a product over the parties: hosts hand e^u on from one to the next."""

    def layout(self, key_bits: int, batch: int, models: int, hosts: int) -> Layout:
        """Each number by itself: a product is one row's and one model's."""
        bits = TERM_BITS * (hosts + 1) + 1
        exponent = -FRACTION_BITS * (hosts + 1)
        return Layout.of(key_bits, batch, models, bits, exponent, apart=True)

    def send_terms(
        self, ctx: TaskContext, key: PublicKey, layout: Layout, tag: str, step: Step, score: Floats, present: Floats
    ) -> None:
        """The product of e^u over this host and those before it, encrypted, to the next or to the guest."""
        hosts = [party for party in ctx.participants if party.role is ctx.party.role]
        place = hosts.index(ctx.party)
        factors = FixedPoint(integers_of(_exp(score, step) * present, FRACTION_BITS, step).T, 0)
        if place:
            before = next(peer for peer in ctx.hosts if peer.party == hosts[place - 1])
            value = terms_from_peer(before.pull(tag, step), key, TERM_BITS * place, factors.integers.shape)
            product = (value * factors).bounded(1 << (TERM_BITS * (place + 1)))
        else:
            product = EncryptedArray.encrypt(key, factors)
        last = place == len(hosts) - 1
        to = ctx.guest if last else next(peer for peer in ctx.hosts if peer.party == hosts[place + 1])
        to.push(tag, product.to_wire(TERM_BITS * (place + 1)), step)

    def residual(
        self, ctx: TaskContext, key: PublicKey, layout: Layout, tag: str, step: Step, score: Floats, label: Floats,
        present: Floats, weight: Floats,
    ) -> EncryptedArray:  # fmt: skip
        """The guest's µ - y, times the row's weight; shape (models, rows). ``score`` has log E in it."""
        hosts = len(ctx.hosts)
        counted = present * weight[:, None]
        shape = (layout.models, len(score))
        value = terms_from_peer(ctx.hosts.members[-1].pull(tag, step), key, TERM_BITS * hosts, shape)
        own = integers_of(_exp(score, step) * counted, FRACTION_BITS, step)
        observed = integers_of(np.broadcast_to(label * counted, score.shape), FRACTION_BITS, step)
        scaled = -observed * (1 << (FRACTION_BITS * hosts))
        return (value * FixedPoint(own.T, 0) + FixedPoint(scaled.T, 0)).bounded(1 << layout.wire_bits)

    def label_columns(self, label: Floats, models: int) -> Floats:
        """What else the guest takes inner products with, for the loss: ones, since Σ µ = Σ d + Σ y."""
        return np.ones((len(label), 1))

    def guest_loss(self, score_loss: Floats, sums: Floats, label: Floats, score: Floats, weight: Floats) -> Floats:
        """The guest's part: Σ µ - Σ y·u_g."""
        loss: Floats = sums[0] + (label * weight).sum(axis=0) - (label * weight * score).sum(axis=0)
        return loss

    def host_loss(self, label: EncryptedArray, score: Floats, step: Step) -> EncryptedArray:
        """A host's part: -Σ y·u_h, shape (models,), of labels that it only has encrypted, shape (rows,)."""
        columns = FixedPoint(integers_of(-score, FRACTION_BITS, step).T.astype(np.int64), -FRACTION_BITS)
        return columns @ label


Family = Quadratic | LogLinear


def terms_from_peer(value: object, key: PublicKey, bits: int, shape: tuple[int, ...]) -> EncryptedArray:
    """A peer's encrypted integers.

    Raises:
        MessageRejected: they are of another shape.
        CryptoError: they are no ciphertexts under the key.
    """
    array = EncryptedArray.from_wire(value, key, bits)
    if array.shape != shape or array.exponent:
        raise MessageRejected(f"A peer sent ciphertexts of shape {array.shape} where {shape} was agreed.")
    return array


def diverged(step: Step) -> ModelError:
    """What is said of weights that only grow."""
    where = f"In iteration {step[1]} the" if len(step) > 1 else "The"
    return ModelError(
        f"{where} weights grew beyond all bounds. Lower learning_rate, or scale the features with a FeatureScale."
    )


def _exp(score: Floats, step: Step) -> Floats:
    with np.errstate(over="ignore"):
        raised: Floats = np.exp(score)
    if not np.isfinite(raised).all():
        raise diverged(step)
    return raised


def integers_of(values: Floats, fraction_bits: int, step: Step) -> npt.NDArray[np.object_]:
    """Multiples of 2**-fraction_bits, as Python's integers.

    Raises:
        ModelError: one is out of range, which is what weights without bounds lead to.
    """
    scaled = np.rint(values * 2.0**fraction_bits)
    if not (np.abs(scaled) < 2.0**TERM_BITS).all():
        raise diverged(step)
    return scaled.astype(np.int64).astype(object)
