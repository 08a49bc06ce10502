"""Logistic regression over vertically split features, with an arbiter.

The protocol is that of Hardy et al. 2017 (arXiv:1711.10677, section 3) with the second-order Taylor expansion of the
loss, log(1 + e^-yu) ≈ log 2 - yu/2 + u²/8, several hosts, and gradients that the arbiter only sees masked. In each
batch, with u = Σ X_p w_p over the parties p, y = ±1 and [.] for Paillier ciphertexts under the arbiter's key:

1. each host sends the guest [0.25 X_h w_h];
2. the guest forms the residual [d] = [0.25 u - 0.5 y] and sends it to the hosts;
3. each party p computes [X_p^T d] by multi-exponentiation, adds a mask that is uniform modulo n, and has the arbiter
   decrypt the sum; without its mask that is its gradient, and each party makes its own step.

After all batches each party's part of the loss, [mean of v_p d] with v_h = 0.5 u_h and v_g = 0.5 u_g - y (their sum is
the Taylor loss less log 2 - 0.5), is summed encrypted by the guest. The arbiter decrypts the sum and says whether to
go on.

What each role learns, besides the model that is its own, if all follow the protocol and the arbiter does not collude:

* The **arbiter**: the loss of each iteration; how many rows and batches there are, and roughly how many features;
  with early_stop weight_diff the norms of the whole weight vector and of its change. No score, gradient, weight or
  label.
* The **guest**: the loss of each iteration, its own features' gradients, and how many features each host has. When
  rows are predicted, each host's part of their scores, as in FATE; the rows that it was trained on are predicted after
  the training. A host with a single feature would show it by that, up to a factor, and therefore refuses.
* A **host**: which rows form a batch, the loss of each iteration, and its own features' gradients, X_h^T d. These tell
  something of d, and so of the labels: with as many features as rows in a batch a host could solve for d.
  The guest warns of such a batch.

An arbiter that colludes with a party can decrypt whatever that party receives: residuals, and so labels, for a host;
hosts' scores for the guest. All parties are trusted to follow the protocol. Rows are matched by their order, which is
that of the Intersection before.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from fate_components.hetero_lr.arbiter import train_arbiter
from fate_components.hetero_lr.guest import Progress, signs, train_guest
from fate_components.hetero_lr.host import train_host
from fate_components.hetero_lr.learner import checked_features, make_learner
from fate_components.hetero_lr.messages import Plan
from fate_components.hetero_lr.model import Floats, LinearPart, linear_part
from fate_components.hetero_lr.prediction import joined, prediction_table
from fate_components.hetero_lr.spec import HeteroLRParams
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class HeteroLR(Component[HeteroLRParams]):
    """See the module. Training data and a model: the training goes on from it. Other data and a model: prediction."""

    Params = HeteroLRParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, others = _modes(ctx, inputs)
        if train is None:
            self._announce(ctx, Plan(False, 0, 0, False, 0))
            model = _required(inputs.model)
            classes = np.array(_param(model).classes)
            return Outputs([joined(self._predictions(ctx, others, linear_part(model), classes))], model)
        self._warn_of_weak_keys()
        if not len(train):
            raise DataError(f"{ctx.component}'s training data has no rows: the parties have none in common.")
        if train.label is None:
            raise DataError(f"HeteroLR needs a label at the guest. {ctx.component}'s training data has none.")
        sign, classes = signs(train.label)
        if len(classes) != 2:
            raise DataError(f"HeteroLR needs labels of two classes; the training data has {len(classes)}.")
        size = len(train) if self.params.batch_size == -1 else min(self.params.batch_size, len(train))
        plan = Plan(True, len(train), size, self.params.shuffle, int(ctx.rng.integers(2**31)))
        self._announce(ctx, plan)
        intercept = self.params.init_param.fit_intercept
        learner = make_learner(ctx, self.params, train, _start(inputs), plan.batches, intercept)
        progress = train_guest(ctx, self.params, plan, learner, sign)
        model = self._model(learner.part, progress, intercept, classes)
        summary = self._summary(learner.part, progress)
        ctx.tracker.set_summary(summary | {"intercept": learner.part.intercept, "loss_history": list(progress.losses)})
        tables = self._predictions(ctx, [("train", train), *others], learner.part, classes)
        return Outputs([joined(tables)], model)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, others = _modes(ctx, inputs)
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        if plan.fit != (train is not None):
            raise DataError(f"The guest and {ctx.party} do not both have training data for {ctx.component}.")
        for _, table in others if train is None else [("train", train), *others]:
            _refuse_single_feature(ctx, table)
        if train is None:
            model = _required(inputs.model)
            self._send_scores(ctx, others, linear_part(model))
            return Outputs(model=model)
        if plan.rows != len(train):
            raise DataError(
                f"The guest has {plan.rows} rows and {ctx.party} has {len(train)}. "
                "Put an Intersection before HeteroLR, and give both its output."
            )
        self._warn_of_weak_keys()
        learner = make_learner(ctx, self.params, train, _start(inputs), plan.batches, intercept=False)
        progress = train_host(ctx, self.params, plan, learner)
        ctx.tracker.set_summary(self._summary(learner.part, progress))
        self._send_scores(ctx, [("train", train), *others], learner.part)
        return Outputs(model=self._model(learner.part, progress, False, np.empty(0)))

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        if plan.fit:
            self._warn_of_weak_keys()
            train_arbiter(ctx, self.params, plan)
        return Outputs()

    def _announce(self, ctx: TaskContext, plan: Plan) -> None:
        ctx.hosts.push("plan", plan.to_wire())
        ctx.arbiter.push("plan", plan.to_wire())

    def _predictions(
        self, ctx: TaskContext, tables: list[tuple[str, Table]], part: LinearPart, classes: Floats
    ) -> list[Table]:
        """The guest's predictions, with the hosts' parts of the scores."""
        predicted = []
        for number, (kind, table) in enumerate(tables):
            score = _own_score(part, table)
            for host in ctx.hosts:
                score = score + _host_score(host, number, len(table))
            predicted.append(prediction_table(table, score, classes, self.params.predict_param.threshold, kind))
        return predicted

    def _send_scores(self, ctx: TaskContext, tables: list[tuple[str, Table]], part: LinearPart) -> None:
        for number, (_, table) in enumerate(tables):
            ctx.guest.push("predicted_score", _own_score(part, table), number)

    def _warn_of_weak_keys(self) -> None:
        encrypt = self.params.encrypt_param
        if encrypt.method == "IterativeAffine":
            log.warning("encrypt_param.method IterativeAffine is broken: Paillier is used instead")
        if encrypt.key_length < 2048:
            log.warning("encrypt_param.key_length %d is short of today's 2048", encrypt.key_length)

    def _model(self, part: LinearPart, progress: Progress, intercept: bool, classes: Floats) -> Model:
        params = self.params
        meta = pb.LRModelMeta(
            penalty=params.penalty or "None", tol=params.tol, alpha=params.alpha, optimizer=params.optimizer,
            batch_size=params.batch_size, learning_rate=params.learning_rate, max_iter=params.max_iter,
            early_stop=params.early_stop, fit_intercept=intercept, decay=params.decay, decay_sqrt=params.decay_sqrt,
            shuffle=params.shuffle, threshold=params.predict_param.threshold, key_bits=params.encrypt_param.key_length,
        )  # fmt: skip
        param = pb.LRModelParam(
            iters=progress.iterations, loss_history=progress.losses, is_converged=progress.converged,
            weight=_coefficients(part), intercept=part.intercept, header=part.header, need_one_vs_rest=False,
            best_iteration=-1, classes=classes,
        )  # fmt: skip
        return Model("HeteroLR", meta, param)

    def _summary(self, part: LinearPart, progress: Progress) -> dict[str, Any]:
        return {
            "coef": _coefficients(part),
            "is_converged": progress.converged,
            "one_vs_rest": False,
            "best_iteration": -1,
        }


def _refuse_single_feature(ctx: TaskContext, table: Table) -> None:
    """The guest is told X_h w_h of every row: of a single column that is the column, up to a factor.

    Raises:
        DataError: there is one feature only.
    """
    if len(table.feature_names) == 1:
        raise DataError(
            f"{ctx.party} has one feature only in {ctx.component}: its part of the scores, which the guest needs, "
            "would show the guest that column up to a factor. Give the host two features at least."
        )


def _modes(ctx: TaskContext, inputs: Inputs) -> tuple[Table | None, list[tuple[str, Table]]]:
    """What to train on, if at all, and what else to predict with the type that its rows are given."""
    train = inputs.first("train_data") if inputs.model is not None else inputs.first("train_data", "data")
    if train is not None:
        validate = inputs.first("validate_data", "eval_data")
        return train, [] if validate is None else [("validate", validate)]
    test = inputs.first("test_data", "eval_data", "validate_data", "data")
    if test is None:
        raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
    return None, [("predict", test)]


def _start(inputs: Inputs) -> LinearPart | None:
    return None if inputs.model is None else linear_part(inputs.model)


def _required(model: Model | None) -> Model:
    if model is None:
        raise ModelError("HeteroLR has neither training data nor a model. Wire one of them in the dsl.")
    return model


def _param(model: Model) -> pb.LRModelParam:
    param = model.param
    if not isinstance(param, pb.LRModelParam) or len(param.classes) != 2:
        raise ModelError(f"HeteroLR's guest cannot predict with this model of {model.module}: it names no two classes.")
    return param


def _own_score(part: LinearPart, table: Table) -> Floats:
    return part.score(checked_features(table)[:, part.columns(table.feature_names)])


def _host_score(host: Peer, number: int, rows: int) -> Floats:
    score = host.pull("predicted_score", number)
    if not isinstance(score, np.ndarray) or score.dtype != np.float64 or score.ndim != 1:
        raise MessageRejected(f"{host.party} sent something else than scores.")
    if len(score) != rows:
        raise DataError(
            f"{host.party} predicts {len(score)} rows where the guest has {rows}. "
            "Put an Intersection before HeteroLR, and give both its output."
        )
    return score


def _coefficients(part: LinearPart) -> dict[str, float]:
    return dict(zip(part.header, part.weights.tolist(), strict=True))
