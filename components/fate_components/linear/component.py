"""What the components of the family do around a training: check, announce, train, predict, hand on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from fate_components.alike import check_alike, stated
from fate_components.crypto.paillier import PublicKey, generate_keypair
from fate_components.linear.alike import ALIKE
from fate_components.linear.arbiter import train_arbiter
from fate_components.linear.course import MOST_PRECISE, Course, Progress
from fate_components.linear.data import (
    Data,
    Labels,
    announce,
    checked_weight,
    initial_weights,
    log_losses,
    offset_of,
    required_model,
    tables_of,
)
from fate_components.linear.disclosure import refuse_single_column, refuse_single_feature, varying
from fate_components.linear.family import Family
from fate_components.linear.guest import Answers, train_guest, warn_of_small_batches
from fate_components.linear.host import train_host
from fate_components.linear.learner import Columns, Learner, checked_features, part_of
from fate_components.linear.messages import Plan, Standing, numbers_from_wire
from fate_components.linear.model import Floats, LinearPart, linear_part
from fate_components.linear.optimizer import OPTIMIZERS, Descent
from fate_components.linear.outputs import model_of, summary_of, summary_with_losses
from fate_components.linear.params import VerticalParams
from fate_components.linear.prediction import class_names, joined
from fate_components.linear.quasi_newton import QuasiNewton
from fate_components.linear.validation import Kind, Scores, Validation, chosen_metrics, scores_of_table
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

V = TypeVar("V", bound=VerticalParams)


class VerticalLinear(Component[V], Generic[V]):
    """See the package. Training data and a model: the training goes on from it. Other data and a model: prediction."""

    module: ClassVar[str]
    family: ClassVar[Family]
    alike: ClassVar[tuple[str, ...]] = ALIKE

    # What differs

    def labels(self, label: Floats) -> Labels:
        """Check and encode the training labels."""
        raise NotImplementedError

    def kind(self, classes: Floats) -> Kind:
        """How predictions are judged."""
        raise NotImplementedError

    def predicted(self, score: Floats) -> Floats:
        """Probabilities or numbers from linear scores, shape (rows, models)."""
        raise NotImplementedError

    def prediction_table(self, table: Table, predicted: Floats, classes: Floats, kind: str) -> Table:
        """FATE's columns for the rows of a table."""
        raise NotImplementedError

    def exposure(self, model: Model | None) -> str | None:
        """Name of a column whose log is added to the guest's scores; None without."""
        return None

    def misfit(self, loss: float, rows: int) -> float:
        """Minus twice the log likelihood, up to a constant."""
        return 2 * rows * loss

    # Roles

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, others = self._modes(ctx, inputs)
        if train is None:
            announce(ctx, Plan.to_predict(), {})
            model = required_model(inputs.model)
            part = linear_part(model, self.module)
            classes = np.array(_param(model).classes)
            exposure = self.exposure(model)
            data = [(kind, self.predict_data(table, part, exposure)) for kind, table in others]
            return Outputs([self.predictions(ctx, data, part, classes)], model)
        own = self.train_data(ctx, train, self.exposure(None))
        if train.label is None:
            raise DataError(f"{self.module} needs a label at the guest. {ctx.component}'s training data has none.")
        if not np.isfinite(train.label).all():
            raise DataError(f"{ctx.component}'s training data has rows without a label.")
        labels = self.labels(train.label)
        weight = checked_weight(train)
        self.warn_of_weak_keys()
        if self.params.stepwise_param.need_stepwise:
            from fate_components.linear.stepwise import choose_as_guest

            return choose_as_guest(self, ctx, own, labels, weight)
        if self.params.cv_param.need_cv:
            from fate_components.linear.cross_validation import validate_as_guest

            return validate_as_guest(self, ctx, own, labels, weight)
        validate = [(kind, self.data_like(table, own, self.exposure(None))) for kind, table in others]
        plan = self.plan(ctx, len(train), labels.models, weight, len(validate[0][1].table) if validate else 0)
        announce(ctx, plan, self.stated())
        course = self.course(ctx, plan)
        self.check_batches(ctx, plan.batch_size)
        intercept = self.params.init_param.fit_intercept
        learner = self.learner(
            ctx, course, own, self.start(inputs, own, labels.models, intercept), intercept, labels.numbers
        )
        names = class_names(labels.classes)
        learner.keep = self.keeping(
            ctx, own, intercept=intercept, classes=labels.classes.tolist(), names=names,
            exposure=self.exposure(None) or "",
        )  # fmt: skip
        scored = [("train", own), *validate]
        metrics = chosen_metrics(self.kind(labels.classes), self.params.scored_by)
        watch = Validation(ctx.tracker, ctx.component, metrics, self.params.patience, self.params.first_metric_only)

        def validated(iteration: int, weights: Floats) -> Standing:
            part = part_of(own.header, weights, intercept=intercept)
            count = sum(len(data.table) for _, data in scored)
            score = _pulled_scores(ctx, "validation_score", course.step(iteration), (count, labels.models))
            scores: dict[str, Scores] = {}
            for kind, data in scored:
                predicted = self.predicted(part.score(data.features) + data.offset[:, None] + score[: len(data.table)])
                score = score[len(data.table) :]
                if data.table.label is not None:
                    scores[kind] = self.scores(data.table, predicted, labels.classes)
            return watch.note(iteration, scores)

        answers = Answers(labels.numbers, weight, own.offset)
        progress = self.train_as_guest(ctx, course, learner, answers, validated)
        part = part_of(own.header, progress.weights, intercept=intercept)
        model = model_of(
            self.module, self.params, part, progress, intercept=intercept, losses=True, classes=labels.classes.tolist(),
            names=names, exposure=self.exposure(None) or "",
        )  # fmt: skip
        ctx.tracker.set_summary(summary_with_losses(part, progress, names) | {"validation_metrics": watch.history})
        return Outputs([self.predictions(ctx, scored, part, labels.classes)], model)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, others = self._modes(ctx, inputs)
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        if plan.fit != (train is not None):
            raise DataError(f"The guest and {ctx.party} do not both have training data for {ctx.component}.")
        self.check_parameters(ctx, plan)
        for _, table in others if train is None else [("train", train), *others]:
            refuse_single_column(ctx, len(table.feature_names))
        if train is None:
            model = required_model(inputs.model)
            self.predict_as_host(ctx, others, model)
            return Outputs(model=model)
        if plan.rows != len(train):
            raise DataError(
                f"The guest has {plan.rows} rows and {ctx.party} has {len(train)}. "
                f"Put an Intersection before {self.module}, and give both its output."
            )
        self.warn_of_weak_keys()
        own = self.train_data(ctx, train, None)
        refuse_single_column(ctx, int(varying(own.features).sum()))
        course = self.course(ctx, plan)
        ctx.guest.push("features", len(own.header))
        if self.params.stepwise_param.need_stepwise:
            from fate_components.linear.stepwise import choose_as_host

            return choose_as_host(self, ctx, own, course)
        if self.params.cv_param.need_cv:
            from fate_components.linear.cross_validation import validate_as_host

            return validate_as_host(self, ctx, own, course)
        validate = [(kind, self.data_like(table, own, None)) for kind, table in others]
        found = sum(len(data.table) for _, data in validate)
        if found != plan.validate_rows:
            raise DataError(f"The guest validates {plan.validate_rows} rows and {ctx.party} {found}.")
        learner = self.learner(ctx, course, own, self.start(inputs, own, plan.models, False), False, None)
        learner.keep = self.keeping(ctx, own, intercept=False)
        scored = [own.features, *[data.features for _, data in validate]]

        def validation_scores(weights: Floats) -> Floats:
            for features in scored:
                refuse_single_feature(ctx, features, weights)
            return np.concatenate([features @ weights for features in scored])

        progress = self.train_as_host(ctx, course, learner, validation_scores)
        return self.host_outputs(ctx, [("train", own), *validate], progress)

    def run_arbiter(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        self.check_parameters(ctx, plan)
        if not plan.fit:
            return Outputs()
        self.warn_of_weak_keys()
        private = generate_keypair(self.params.encrypt_param.key_length)
        for peer in (*ctx.guests, *ctx.hosts):
            peer.push("public_key", private.public.to_wire())
        log.info("made a Paillier key of %d bits; %d batches per iteration", private.public.bits, plan.batches)
        if self.params.stepwise_param.need_stepwise:
            from fate_components.linear.stepwise import serve_as_arbiter

            serve_as_arbiter(self, ctx, private, plan)
        else:
            course = Course(self.params, plan, self.family, private.public, len(ctx.hosts))
            train_arbiter(ctx, course, private, lambda *said: log_losses(ctx, *said))
        return Outputs()

    # Preparing

    def stated(self) -> dict[str, str]:
        """The parameters that have to be the same at all parties."""
        return stated(self.params, self.alike)

    def check_parameters(self, ctx: TaskContext, plan: Plan) -> None:
        """Whether the guest trains with the same.

        Raises:
            ConfigError: parameters differ.
            MessageRejected: the guest sent something else.
        """
        theirs = ctx.guest.pull("parameters")
        if not isinstance(theirs, dict):
            raise MessageRejected("The guest did not say which parameters it trains with.")
        if plan.fit:
            check_alike(ctx, ctx.guest.party, self.stated(), theirs)

    def plan(self, ctx: TaskContext, rows: int, models: int, weight: Floats | None, validate_rows: int = 0) -> Plan:
        """What the guest announces."""
        size = rows if self.params.batch_size == -1 else min(self.params.batch_size, rows)
        seed = int(ctx.rng.integers(2**31))
        return Plan(True, rows, size, self.params.shuffle, seed, models, weight is not None, validate_rows)

    def course(self, ctx: TaskContext, plan: Plan) -> Course:
        """A training under the arbiter's key."""
        key = PublicKey.from_wire(ctx.arbiter.pull("public_key"))
        hosts = sum(party.role.value == "host" for party in ctx.participants)
        return Course(self.params, plan, self.family, key, hosts)

    def check_batches(self, ctx: TaskContext, rows: int) -> None:
        """Of so many rows; see :func:`warn_of_small_batches`."""
        warn_of_small_batches(ctx, rows)

    def train_as_guest(
        self, ctx: TaskContext, course: Course, learner: Learner, answers: Answers,
        validate: Callable[[int, Floats], Standing],
    ) -> Progress:  # fmt: skip
        """The guest's part of the training; see :func:`train_guest`."""
        return train_guest(ctx, course, learner, answers, validate, lambda *said: log_losses(ctx, *said))

    def train_as_host(
        self, ctx: TaskContext, course: Course, learner: Learner, validation_scores: Callable[[Floats], Floats]
    ) -> Progress:
        """A host's part of the training; see :func:`train_host`."""
        return train_host(ctx, course, learner, validation_scores)

    def train_data(self, ctx: TaskContext, table: Table, exposure: str | None) -> Data:
        """Training data, checked."""
        if not len(table):
            raise DataError(f"{ctx.component}'s training data has no rows: the parties have none in common.")
        header, features = checked_features(table, self.module, exposure)
        return Data(table, header, features, offset_of(table, exposure))

    def data_like(self, table: Table, train: Data, exposure: str | None) -> Data:
        """Other data, in the order of the training data's columns."""
        nothing = LinearPart(train.header, np.zeros((len(train.header), 1)), np.zeros(1))
        return self.predict_data(table, nothing, exposure)

    def predict_data(self, table: Table, part: LinearPart, exposure: str | None) -> Data:
        """Data in the order of a model's columns."""
        header, features = checked_features(table, self.module, exposure)
        return Data(table, part.header, features[:, part.columns(header)], offset_of(table, exposure))

    def learner(
        self, ctx: TaskContext, course: Course, data: Data, start: Floats | None, intercept: bool,
        label: Floats | None, *, free: Floats | None = None, present: Floats | None = None,
    ) -> Learner:  # fmt: skip
        """A party's learner, ready for the first iteration.

        Args:
            start: weights to go on from, shape (features + intercept, models); else those of init_param.
            label: at the guest; shape (rows, models) or (rows, 1).
            free, present: as :class:`Descent` and :class:`Learner` have them; None for all.
        """
        params, count = self.params, len(data.header) + intercept
        models = course.plan.models
        features = np.column_stack([data.features, np.ones(len(data.features))]) if intercept else data.features
        columns = Columns.of(features, course.precision)
        if label is not None:
            columns = columns.beside(Columns.of(self.family.label_columns(label, models), MOST_PRECISE))
        weights = initial_weights(ctx, params.init_param, (count, models)) if start is None else start
        penalized = np.ones((count, 1))
        penalized[len(data.header) :] = 0.0
        rhythm = course.rhythm
        optimizer = OPTIMIZERS[params.optimizer]() if rhythm is None else QuasiNewton(rhythm, _unset)
        descent = Descent(
            weights, np.ones((count, models)) if free is None else free, penalized, optimizer, params.penalty,
            params.alpha, params.learning_rate, params.decay, params.decay_sqrt,
        )  # fmt: skip
        return Learner(features, columns, data.header, descent, intercept, present)

    def keeping(self, ctx: TaskContext, data: Data, *, intercept: bool, **known: Any) -> Callable[[int, Floats], None]:
        """Makes a model of weights along the way, for the task to keep.

        Args:
            known: what else :func:`model_of` is told of the model.
        """

        def keep(iteration: int, weights: Floats) -> None:
            models = weights.shape[1]
            sofar = Progress((iteration + 1,) * models, (False,) * models, ((),) * models, weights)
            part = part_of(data.header, weights, intercept=intercept)
            model = model_of(self.module, self.params, part, sofar, intercept=intercept, losses=False, **known)
            ctx.keep(iteration, model)

        return keep

    def scores(self, table: Table, predicted: Floats, classes: Floats) -> Scores:
        """How good predictions of labelled rows are."""
        return scores_of_table(self.kind(classes), table, predicted, classes, self.params.predict_param.threshold)

    def warn_of_weak_keys(self) -> None:
        """Say what is done about parameters of old."""
        encrypt = self.params.encrypt_param
        if encrypt.method == "IterativeAffine":
            log.warning("encrypt_param.method IterativeAffine is broken: Paillier is used instead")
        if encrypt.key_length < 2048:
            log.warning("encrypt_param.key_length %d is short of today's 2048", encrypt.key_length)

    def _modes(self, ctx: TaskContext, inputs: Inputs) -> tuple[Table | None, list[tuple[str, Table]]]:
        return tables_of(ctx, inputs, alone=self.params.cv_param.need_cv or self.params.stepwise_param.need_stepwise)

    def start(self, inputs: Inputs, data: Data, models: int, intercept: bool) -> Floats | None:
        """The weights to go on from, as the learner has them.

        Raises:
            ModelError: they are for other columns, or other classes.
        """
        if inputs.model is None:
            return None
        part = linear_part(inputs.model, self.module)
        self.check_start(part.header, part.weights.shape[1], data, models)
        return np.vstack([part.weights, part.intercepts]) if intercept else part.weights

    def check_start(self, header: tuple[str, ...], found: int, data: Data, models: int) -> None:
        """See :meth:`start`; ``found`` is the number of models that there are."""
        if header != data.header:
            raise ModelError(f"The model to go on from has the columns {header}, the table has {data.header}.")
        if found != models:
            raise ModelError("The model to go on from is of another number of classes than the training data.")

    # Predicting

    def chosen(self, data: Data, part: LinearPart) -> Data:
        """Data with the columns of a model that does without some."""
        return replace(data, header=part.header, features=data.features[:, part.columns(data.header)])

    def predictions(self, ctx: TaskContext, data: list[tuple[str, Data]], part: LinearPart, classes: Floats) -> Table:
        """The guest's predictions, with the hosts' parts of the scores."""
        tables = []
        for number, (kind, some) in enumerate(data):
            score = part.score(some.features) + some.offset[:, None]
            for host in ctx.hosts:
                score = score + self.checked_score(host, "predicted_score", number, score.shape)
            tables.append(self.prediction_table(some.table, self.predicted(score), classes, kind))
        return joined(tables)

    def predict_as_host(self, ctx: TaskContext, others: list[tuple[str, Table]], model: Model) -> None:
        """Send the guest this host's part of the scores by a model."""
        part = linear_part(model, self.module)
        self.send_scores(ctx, [(kind, self.predict_data(table, part, None)) for kind, table in others], part)

    def host_outputs(self, ctx: TaskContext, data: list[tuple[str, Data]], progress: Progress) -> Outputs:
        """A host's model, and its part of the scores that the guest predicts with it."""
        part = part_of(data[0][1].header, progress.weights, intercept=False)
        ctx.tracker.set_summary(summary_of(part, progress))
        self.send_scores(ctx, data, part)
        return Outputs(model=model_of(self.module, self.params, part, progress, intercept=False, losses=False))

    def send_fold_scores(self, ctx: TaskContext, data: Data, progress: Progress) -> None:
        """A host's part of all rows' scores by every fold's model."""
        refuse_single_feature(ctx, data.features, progress.weights)
        ctx.guest.push("fold_score", data.features @ progress.weights)

    def checked_score(self, host: Peer, tag: str, number: int | None, shape: tuple[int, ...]) -> Floats:
        """A host's part of scores.

        Raises:
            DataError, ModelError, MessageRejected: it is not of that shape, or no score.
        """
        score = self.read_score(host.pull(tag, number))
        if not isinstance(score, np.ndarray) or score.dtype != np.float64 or score.ndim != 2:
            raise MessageRejected(f"{host.party} sent something else than scores.")
        if len(score) != shape[0]:
            raise DataError(
                f"{host.party} predicts {len(score)} rows where the guest has {shape[0]}. "
                f"Put an Intersection before {self.module}, and give both its output."
            )
        if score.shape != shape:
            raise ModelError(f"{host.party} has a model of another number of classes.")
        return score

    def read_score(self, value: object) -> object:
        """What a host sent as its part of scores, as it should be checked."""
        return value

    def send_scores(self, ctx: TaskContext, data: list[tuple[str, Data]], part: LinearPart) -> None:
        """A host's part of the scores of each table.

        Raises:
            DataError: it would show a column of the host's.
        """
        for _, some in data:
            refuse_single_feature(ctx, some.features, part.weights)
        for number, (_, some) in enumerate(data):
            ctx.guest.push("predicted_score", part.score(some.features), number)


def _pulled_scores(ctx: TaskContext, tag: str, step: tuple[int, ...], shape: tuple[int, int]) -> Floats:
    total = np.zeros(shape)
    for value in ctx.hosts.pull(tag, step):
        total = total + numbers_from_wire(value, shape)
    return total


def _unset(products: Floats) -> Floats:
    raise AssertionError("the loop sets how inner products are added up before each step")


def _param(model: Model) -> pb.LRModelParam:
    assert isinstance(model.param, pb.LRModelParam)  # noqa: S101 - linear_part has checked it
    return model.param
