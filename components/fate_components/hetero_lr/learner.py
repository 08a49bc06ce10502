"""What guest and hosts do alike: score their rows, and descend along a gradient that the arbiter decrypts masked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.masking import residues_from_wire
from fate_components.crypto.paillier import PublicKey
from fate_components.hetero_lr.messages import Rows
from fate_components.hetero_lr.model import Floats, LinearPart
from fate_components.hetero_lr.optimizer import OPTIMIZERS, Descent
from fate_components.hetero_lr.spec import HeteroLRParams, InitParams
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.table import Table

_PRECISION = 40

# How large the integers behind ciphertexts may get: each message's are below the bound that its receiver relies on, so
# that what is computed from them stays below the next one's. Scores have 40 bits behind the binary point, and a
# 1024-bit key has room for the last.
SCORE_BITS, RESIDUAL_BITS, PROGRESS_BITS = 80, 88, 448


@dataclass(slots=True)
class Learner:
    """One party's features and weights.

    Attributes:
        features: shape (rows, features), at the guest with a last column of ones for the intercept.
        header: names of the features.
        precision: bits behind the binary point of features that are multiplied with ciphertexts.
        iteration_loss: this party's part of the current iteration's loss, encrypted, shape (); None before a batch.
    """

    features: Floats
    header: tuple[str, ...]
    descent: Descent
    precision: int
    batches: int
    iteration_loss: EncryptedArray | None = None
    before: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.descent.weights

    def score(self, rows: Rows) -> Floats:
        """This party's part of the rows' linear scores."""
        score: Floats = self.features[rows] @ self.descent.weights
        return score

    def learn_batch(
        self, arbiter: Peer, step: tuple[int, int], rows: Rows, residual: EncryptedArray, loss_weight: Floats,
        loss_constant: float,
    ) -> None:  # fmt: skip
        """One step along X^T d / rows, where d is the residual that nobody sees.

        Args:
            residual: d, shape (len(rows),).
            loss_weight: this party's part of the batch's loss is the mean of loss_weight * d, plus
            loss_constant: and its penalty.

        Raises:
            ModelError: the weights grew beyond all bounds.
        """
        columns = np.column_stack([self.features[rows], loss_weight])
        products = FixedPoint.of(columns.T, -self.precision) @ residual
        loss = products[-1] * (1 / (len(rows) * self.batches))
        loss = loss + (loss_constant + self.descent.penalty_loss()) / self.batches
        self.iteration_loss = loss if self.iteration_loss is None else self.iteration_loss + loss
        masked, mask = products[:-1].masked()
        arbiter.push("gradient", masked.to_wire(), step)
        gradient = mask.remove(residues_from_wire(arbiter.pull("gradient", step), residual.key)) / len(rows)
        self.descent.step(gradient)
        if not np.isfinite(self.descent.weights).all() or np.abs(self.descent.weights).max() > 1e12:
            raise ModelError(f"In iteration {step[0]} the weights grew beyond all bounds. Lower learning_rate.")

    def end_iteration(self, with_norms: bool) -> EncryptedArray:
        """This party's part of the loss, and with norms of |w - w_before|² and |w|², encrypted; shape (1,) or (3,)."""
        assert self.iteration_loss is not None  # noqa: S101 - an iteration has at least one batch
        progress = self.iteration_loss.reshape(1)
        if with_norms:
            weights = self.descent.weights
            change = weights - self.before
            norms = np.array([change @ change, weights @ weights])
            progress = concatenate([progress, EncryptedArray.encrypt(progress.key, norms)])
        self.iteration_loss, self.before = None, self.descent.weights
        self.descent.iteration += 1
        return progress

    @property
    def part(self) -> LinearPart:
        """The weights as they are now."""
        weights = self.descent.weights
        count = len(self.header)
        return LinearPart(self.header, weights[:count], float(weights[count]) if len(weights) > count else 0.0)


def make_learner(
    ctx: TaskContext, params: HeteroLRParams, table: Table, start: LinearPart | None, batches: int, intercept: bool
) -> Learner:
    """A party's learner, ready for the first iteration.

    Args:
        start: weights to go on from, else those of init_param.
        intercept: whether this party has one.

    Raises:
        DataError: there is no feature, or a value is missing.
        ModelError: the weights to go on from are for other columns.
    """
    features = checked_features(table)
    header = table.feature_names
    if start is not None and start.header != header:
        raise ModelError(f"The model to go on from has the columns {start.header}, the table has {header}.")
    weights = _initial_weights(ctx, params.init_param, len(header) + intercept) if start is None else start.weights
    if start is not None and intercept:
        weights = np.append(weights, start.intercept)
    penalized = np.ones(len(weights))
    if intercept:
        features = np.column_stack([features, np.ones(len(features))])
        penalized[-1] = 0
    descent = Descent(
        weights, penalized, OPTIMIZERS[params.optimizer](), params.penalty, params.alpha, params.learning_rate,
        params.decay, params.decay_sqrt,
    )  # fmt: skip
    precision = _PRECISION if params.floating_point_precision is None else params.floating_point_precision
    return Learner(features, header, descent, precision, batches)


def checked_features(table: Table) -> Floats:
    """A table's features.

    Raises:
        DataError: there is none, or a value is missing or infinite.
    """
    features = table.features
    if not features.shape[1]:
        raise DataError("HeteroLR needs at least one feature column at every guest and host.")
    bad = np.flatnonzero(~np.isfinite(features).all(axis=0))
    if len(bad):
        names = ", ".join(table.feature_names[index] for index in bad)
        raise DataError(f"Values are missing or infinite in {names}. Fill them, as with DataTransform's missing_fill.")
    return features


def from_peer(value: Any, key: PublicKey, bits: int | None, shape: tuple[int, ...]) -> EncryptedArray:
    """A peer's encrypted numbers, in the shape that was agreed.

    Raises:
        MessageRejected: they are not.
        CryptoError: they are no ciphertexts under the key.
    """
    array = EncryptedArray.from_wire(value, key, bits)
    if array.shape != shape:
        raise MessageRejected(f"A peer sent ciphertexts of shape {array.shape} where {shape} was agreed.")
    return array


def _initial_weights(ctx: TaskContext, params: InitParams, count: int) -> Floats:
    rng = ctx.rng if params.random_seed is None else np.random.default_rng(params.random_seed)
    match params.init_method:
        case "random_uniform":
            return rng.uniform(0, 1, count)
        case "random_normal":
            return rng.normal(size=count)
        case "zeros":
            return np.zeros(count)
        case "ones":
            return np.ones(count)
        case "const":
            return np.full(count, float(params.init_const))


LOG_2_MINUS_HALF = math.log(2) - 0.5
