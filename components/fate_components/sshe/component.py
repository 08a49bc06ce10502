"""What HeteroSSHELR and HeteroSSHELinR do around a training. See the package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from fate_components.crypto.paillier import PrivateKey, PublicKey, generate_keypair
from fate_components.linear.alike import ALIKE
from fate_components.linear.component import VerticalLinear
from fate_components.linear.course import Course, Progress
from fate_components.linear.data import Data, log_losses
from fate_components.linear.disclosure import refuse_single_column, varying
from fate_components.linear.guest import Answers, warn_of_small_batches
from fate_components.linear.learner import Learner, part_of
from fate_components.linear.messages import Plan, Standing
from fate_components.linear.model import Floats
from fate_components.linear.outputs import model_of
from fate_components.sshe.concealed import Concealed, ConcealedPart, scores_from_wire
from fate_components.sshe.pair import Pair
from fate_components.sshe.params import SharedWeightsParams
from fate_components.sshe.saved import conceal, concealed_part, keep_key, kept_key
from fate_components.sshe.training import ConcealedProgress, PairCourse, train_guest, train_host
from fate_federated.errors import ConfigError, ModelError
from fate_federated.party import Role
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

V = TypeVar("V", bound=SharedWeightsParams)


class ArbiterFree(VerticalLinear[V], Generic[V]):
    """A guest and one host train on shares."""

    alike = (*ALIKE, "reveal_strategy", "reveal_every_iter")

    def __init__(self, params: V) -> None:
        super().__init__(params)
        self._key: PrivateKey | None = None
        self._known: Concealed | None = None

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        self._require_one_host(ctx)
        self._known = self._key = kept_key(inputs.model)
        trains = inputs.first("train_data") is not None or inputs.model is None
        outputs = super().run_guest(ctx, inputs)
        if not (trains and self.params.conceals) or outputs.model is None:
            return outputs
        assert self._key is not None  # noqa: S101 - a training makes one
        return replace(outputs, model=keep_key(outputs.model, self._key))

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        self._require_one_host(ctx)
        self._known = concealed_part(inputs.model, self.module)
        return super().run_host(ctx, inputs)

    def course(self, ctx: TaskContext, plan: Plan) -> Course:
        """A training under a new key of each party's."""
        guest = ctx.party.role is Role.GUEST
        peer = ctx.hosts.members[0] if guest else ctx.guest
        self._key = generate_keypair(self.params.encrypt_param.key_length)
        peer.push("public_key", self._key.public.to_wire())
        pair = Pair(peer, self._key, PublicKey.from_wire(peer.pull("public_key")), guest)
        return PairCourse(
            self.params, plan, self.family, pair.public, 1, pair=pair, shared=not self.params.reveal_every_iter,
            conceals=self.params.conceals, known=None if self.params.cv_param.need_cv else self._known,
        )  # fmt: skip

    def check_batches(self, ctx: TaskContext, rows: int) -> None:
        """Nobody learns a gradient unless the weights are revealed in each iteration."""
        warn_of_small_batches(ctx, rows if self.params.reveal_every_iter else sys.maxsize)

    def train_as_guest(
        self, ctx: TaskContext, course: Course, learner: Learner, answers: Answers,
        validate: Callable[[int, Floats], Standing],
    ) -> Progress:  # fmt: skip
        return train_guest(ctx, _of_pair(course), learner, answers, validate, lambda *said: log_losses(ctx, *said))

    def train_as_host(
        self, ctx: TaskContext, course: Course, learner: Learner, validation_scores: Callable[[Floats], Floats]
    ) -> Progress:
        return train_host(ctx, _of_pair(course), learner, validation_scores)

    def start(self, inputs: Inputs, data: Data, models: int, intercept: bool) -> Floats | None:
        """Zeros in the place of weights that the host does not know."""
        if not isinstance(self._known, ConcealedPart):
            return super().start(inputs, data, models, intercept)
        if self.params.reveal_every_iter:
            raise ModelError("With reveal_every_iter: true, weights that the host does not know are not gone on from.")
        self.check_start(self._known.header, self._known.weights.shape[1], data, models)
        return np.zeros(self._known.weights.shape)

    def host_outputs(self, ctx: TaskContext, data: list[tuple[str, Data]], progress: Progress) -> Outputs:
        if not isinstance(progress, ConcealedProgress):
            return super().host_outputs(ctx, data, progress)
        header = data[0][1].header
        part = ConcealedPart(header, progress.encrypted)
        ctx.tracker.set_summary({"is_converged": all(progress.converged), "one_vs_rest": len(progress.converged) > 1})
        self._send_concealed(ctx, data, part)
        unknown = part_of(header, progress.weights, intercept=False)
        model = model_of(self.module, self.params, unknown, progress, intercept=False, losses=False)
        return Outputs(model=conceal(model, part))

    def predict_as_host(self, ctx: TaskContext, others: list[tuple[str, Table]], model: Model) -> None:
        part = concealed_part(model, self.module)
        if part is None:
            super().predict_as_host(ctx, others, model)
            return
        unknown = part_of(part.header, np.zeros(part.weights.shape), intercept=False)
        self._send_concealed(ctx, [(kind, self.predict_data(table, unknown, None)) for kind, table in others], part)

    def send_fold_scores(self, ctx: TaskContext, data: Data, progress: Progress) -> None:
        if isinstance(progress, ConcealedProgress):
            refuse_single_column(ctx, int(varying(data.features).sum()))
            ctx.guest.push("fold_score", ConcealedPart(data.header, progress.encrypted).score(data.features))
        else:
            super().send_fold_scores(ctx, data, progress)

    def read_score(self, value: object) -> object:
        """Decrypted, if the host does not know its weights.

        Raises:
            ModelError: the guest's model is not of the same training.
        """
        if not isinstance(value, Mapping):
            return value
        if self._key is None:
            raise ModelError("The host's weights are encrypted, and the guest's model has no key to its scores.")
        return scores_from_wire(value, self._key)

    def _send_concealed(self, ctx: TaskContext, data: list[tuple[str, Data]], part: ConcealedPart) -> None:
        for _, some in data:
            refuse_single_column(ctx, int(varying(some.features).sum()))
        for number, (_, some) in enumerate(data):
            ctx.guest.push("predicted_score", part.score(some.features), number)

    def _require_one_host(self, ctx: TaskContext) -> None:
        hosts = [party for party in ctx.participants if party.role is Role.HOST]
        if len(hosts) != 1:
            raise ConfigError(
                f"{self.module} is computed on what a guest and one host share, as in FATE; {len(hosts)} hosts are "
                "named. Use HeteroLR or HeteroLinR, which have an arbiter, for several."
            )


def _of_pair(course: Course) -> PairCourse:
    assert isinstance(course, PairCourse)  # noqa: S101 - ArbiterFree.course makes no other
    return course
