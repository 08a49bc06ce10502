"""A training: round after round, trees for what the rounds before left over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from fate_components.homo import quantiles
from fate_components.homo.agreement import Agreement, Circle, lead_of
from fate_components.homo_secureboost.growing import GrowingTree, Splitter, in_units
from fate_components.homo_secureboost.messages import Beginning, Standing
from fate_components.homo_secureboost.spec import HomoSecureBoostParams
from fate_components.linear.prediction import joined
from fate_components.linear.validation import Validation, chosen_metrics
from fate_components.secure_aggregation.aggregator import Aggregator
from fate_components.secure_aggregation.client import Client
from fate_components.secure_aggregation.parties import data_parties
from fate_components.secureboost.bins import Binned
from fate_components.secureboost.drawing import log_trees
from fate_components.secureboost.guest import Limits
from fate_components.secureboost.guest_training import (
    Course,
    Labels,
    due,
    parts_of_round,
    scores_of_rows,
    start_of,
    weight_of,
)
from fate_components.secureboost.ineffective import warn_of_no_effect
from fate_components.secureboost.messages import Verdict
from fate_components.secureboost.model import Floats, Forest, Tree
from fate_components.secureboost.objective import Objective, objective_of
from fate_components.secureboost.outputs import Importances, Learnt, guest_model, guest_summary, site_name, with_gains
from fate_components.secureboost.prediction import features_of, prediction_table
from fate_components.secureboost.sampling import columns_of_tree
from fate_components.secureboost.splitting import Criterion
from fate_federated.errors import DataError
from fate_federated.task.component import Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

MODULE = "HomoSecureBoost"

HALF = np.array([0.5])


def rounds_of(params: HomoSecureBoostParams, dimensions: int) -> int:
    """Secure sums that a training takes at most."""
    searches = 2 if params.starts_at_median else 1
    trees = len(parts_of_round(params, dimensions))
    return 2 + searches * quantiles.ROUNDS + params.num_trees * (trees * params.tree_param.max_depth + 1)


def parts_of(params: HomoSecureBoostParams, dimensions: int) -> list[slice]:
    """The dimensions that the trees of a round are for."""
    parts = parts_of_round(params, dimensions)
    return [part if isinstance(part, slice) else slice(part, part + 1) for part in parts]


def shares_of(params: HomoSecureBoostParams) -> Floats:
    """Of all values, up to the borders of bins but the last."""
    return np.arange(1, params.bin_num) / params.bin_num


@dataclass(slots=True)
class Training:
    """A data party's part.

    Attributes:
        train, validate: this party's rows.
        sites: who is said to ask in the trees' nodes: the lead, at every party.
    """

    ctx: TaskContext
    params: HomoSecureBoostParams
    circle: Circle
    agreement: Agreement
    labels: Labels
    train: Table
    validate: Table | None
    sites: tuple[str, ...] = field(init=False)
    client: Client = field(init=False)
    objective: Objective = field(init=False)
    weight: Floats = field(init=False)
    features: Floats = field(init=False)
    validated: Floats | None = field(init=False)

    def __post_init__(self) -> None:
        ctx, params, header = self.ctx, self.params, self.agreement.columns
        self.weight = weight_of(self.train)
        self.features = features_of(self.train, header, params)
        self.validated = None if self.validate is None else features_of(self.validate, header, params)
        self.objective = objective_of(params.objective_param.objective, params.objective_param.params)
        self.sites = (site_name(data_parties(ctx)[0]),)
        self.client = Client.open(ctx, rounds_of(params, self._dimensions))

    def run(self, before: Model | None) -> Outputs:
        """Train; ``before`` is a model to go on from.

        Raises:
            DataError: values or weights cannot be used.
            ModelError: the model to go on from is for other columns or classes.
        """
        params, labels = self.params, self.labels
        warn_of_no_effect(params, validates=self.validate is not None, outputs=self._dimensions)
        start, rows = self._begin()
        binned = self._binned()
        old_trees: tuple[Tree, ...] = ()
        importances: Importances = {}
        if before is not None:
            start, old_trees, importances = start_of(
                self.objective, labels, self.weight, before, self.agreement.columns, self.sites, params
            )
        old = self._forest(old_trees, start)
        course = Course([], old.scores(self.features, {}), self._validation_scores(old))
        watch = Validation(
            self.ctx.tracker, self.ctx.component, chosen_metrics(labels.kind, params.scored_by), params.patience,
            params.first_metric_only,
        )  # fmt: skip

        def learnt_so_far(trees: list[Tree]) -> Learnt:
            gains = [gain for some in course.gains[: len(trees) // len(self._parts)] for gain in some]
            found = with_gains(importances, gains, self.sites)
            return Learnt(self._forest((*old_trees, *trees), start), tuple(course.losses), False, -1, found)

        converged, best_iteration, verdict = False, -1, Verdict(False, 0)
        standing, derivatives = self._stand(course, rows)
        loss_before = math.inf if before is None else standing.loss
        # Rounds of the model that is gone on from: it makes no difference whether a training is interrupted.
        earlier = len(old_trees) // len(self._parts)
        for number in range(params.num_trees):
            course.gains.append([])
            for place, part in enumerate(self._parts):
                first, second = (
                    in_units(values[:, part], exponents[part])
                    for values, exponents in zip(derivatives, standing.exponents, strict=True)
                )
                self._grow(course, binned, (earlier + number, place), part, first, second)
            standing, derivatives = self._stand(course, rows)
            self.ctx.log_loss(number, standing.loss)
            converged = params.n_iter_no_change and abs(loss_before - standing.loss) <= params.tol
            loss_before = standing.loss
            course.losses.append(standing.loss)
            if params.keeps(earlier + number):
                self.ctx.keep(earlier + number, guest_model(MODULE, params, learnt_so_far(course.trees)))
            stop, best = self._judge(watch, course, earlier + number)
            verdict = self._verdict(number, verdict, ends=stop or converged, best=best)
            if verdict.trees == len(course.trees):
                best_iteration = earlier + number
                course.best = (len(course.trees), course.scores.copy(), course.validated.copy())
            if verdict.stop:
                break
        if course.best is not None:
            kept, course.scores, course.validated = course.best
            course.trees = course.trees[:kept]
        learnt = replace(learnt_so_far(course.trees), converged=converged, best_iteration=best_iteration)
        log_trees(self.ctx.tracker, learnt.forest)
        self.ctx.tracker.set_summary(guest_summary(learnt, params.tree_param.feature_importance_type, watch.history))
        return self._outputs(course, guest_model(MODULE, params, learnt))

    @property
    def _dimensions(self) -> int:
        return int(self.labels.numbers.shape[1])

    @property
    def _parts(self) -> list[slice]:
        return parts_of(self.params, self._dimensions)

    def _begin(self) -> tuple[Floats, float]:
        """The score before any tree, shape (dimensions,), and how many rows there are: a secure sum, or two."""
        label = self.labels.numbers[:, 0]
        self.client.send(np.array([len(label), self.weight.sum(), (self.weight * label).sum()]))
        beginning = Beginning.from_wire(self.client.receive())
        middle = beginning.mean
        if self.params.starts_at_median:
            (median,) = quantiles.search(self.client, [label[self.weight > 0]], HALF)
            middle = float(median[0])
        # All objectives start from the mean or the median of the labels, or from 0.
        return self.objective.start(np.full((1, self._dimensions), middle), np.ones(1)), beginning.rows

    def _binned(self) -> Binned:
        """This party's rows in all parties' bins. The last has no border: the largest value is nobody's business."""
        there = [column[~np.isnan(column)] for column in self.features.T]
        points = quantiles.search(self.client, there, shares_of(self.params))
        last = np.finfo(np.float64).max
        return Binned.between(self.features, [np.append(some, last) if len(some) else some for some in points])

    def _forest(self, trees: tuple[Tree, ...], start: Floats) -> Forest:
        return Forest(
            self.agreement.columns, self.sites, trees, self._dimensions, start, self.params.learning_rate,
            self.labels.classes,
        )  # fmt: skip

    def _validation_scores(self, forest: Forest) -> Floats:
        return np.empty((0, self._dimensions)) if self.validated is None else forest.scores(self.validated, {})

    def _stand(self, course: Course, rows: float) -> tuple[Standing, tuple[Floats, Floats]]:
        """The loss of all rows, and this party's derivatives, each of shape (rows, dimensions)."""
        label, weight = self.labels.numbers, self.weight
        first, second = (part * weight[:, None] for part in self.objective.derivatives(label, course.scores))
        loss = (self.objective.loss(label, course.scores) * weight).sum()
        sums = np.concatenate([[loss, weight.sum()], np.abs(first).sum(axis=0), second.sum(axis=0)])
        self.client.send(sums / rows)
        return Standing.from_wire(self.client.receive(), self._dimensions), (first, second)

    def _grow(
        self, course: Course, binned: Binned, step: tuple[int, int], part: slice, first: Floats, second: Floats
    ) -> None:
        """One tree of a round, for a part of the dimensions."""
        params = self.params
        seed = self.agreement.seed if params.random_seed is None else abs(params.random_seed)
        columns = columns_of_tree(
            len(self.agreement.columns), params.subsample_feature_rate,
            np.random.default_rng([seed, *step]),
        )  # fmt: skip
        growing = GrowingTree(self.client, binned, columns, params.tree_param.max_depth, first.shape[1])
        tree, leaves = growing.grow(first, second)
        course.trees.append(tree)
        weight = tree.weight.reshape(len(tree.weight), -1)
        course.scores[:, part] += params.learning_rate * weight[leaves]
        if self.validated is not None:
            course.validated[:, part] += params.learning_rate * weight[tree.leaves(self.validated, {})]
        course.gains[-1] += growing.gains

    def _judge(self, watch: Validation, course: Course, number: int) -> tuple[bool, bool]:
        """Whether this party's rows say to stop, and whether these trees are the best so far."""
        if not due(self.params, number):
            return False, False
        scored = [("train", self.train, course.scores)]
        if self.validate is not None:
            scored.append(("validate", self.validate, course.validated))
        scores = {
            kind: scores_of_rows(table, self.labels, self.objective.predicted(some), self.params)
            for kind, table, some in scored
        }
        judged = watch.note(number, scores)
        return judged.stop, judged.best and self.params.patience is not None

    def _verdict(self, number: int, before: Verdict, *, ends: bool, best: bool) -> Verdict:
        """What the lead says of a round: whether it is the last, and with how many trees validation went best."""
        if self.circle.lead is not None:
            return Verdict.from_wire(self.circle.heard("verdict", number))
        trees = (number + 1) * len(self._parts) if best else before.trees
        verdict = Verdict(ends or number == self.params.num_trees - 1, trees)
        self.circle.announce("verdict", verdict.to_wire(), number)
        return verdict

    def _outputs(self, course: Course, model: Model) -> Outputs:
        classes = self.labels.classes
        tables = [prediction_table(self.train, course.scores, classes, model, self.params, "train")]
        if self.validate is not None:
            tables.append(prediction_table(self.validate, course.validated, classes, model, self.params, "validate"))
        return Outputs([joined(tables)], model)


def serve(ctx: TaskContext, params: HomoSecureBoostParams, dimensions: int, grace_seconds: float) -> None:
    """The arbiter's part."""
    tree = params.tree_param
    criterion = Criterion(*params.penalties, tree.min_impurity_split, tree.min_child_weight)
    splitter = Splitter(criterion, Limits(tree.min_sample_split, tree.min_leaf_node), tree.max_depth)
    lead = lead_of(ctx)
    with Aggregator.open(ctx, rounds_of(params, dimensions), grace_seconds=grace_seconds) as aggregator:
        rows, weight, label = aggregator.sum().values.tolist()
        if weight <= 0:
            raise DataError("The rows of all parties together have no weight.")
        aggregator.tell(Beginning(rows, label / weight).to_wire())
        if params.starts_at_median:
            quantiles.serve(aggregator, HALF)
        quantiles.serve(aggregator, shares_of(params))
        standing = _serve_standing(aggregator, dimensions, rows)
        for number in range(params.num_trees):
            for part in parts_of(params, dimensions):
                splitter.serve(aggregator, standing.exponents[:, part])
            standing = _serve_standing(aggregator, dimensions, rows)
            ctx.log_loss(number, standing.loss)
            if Verdict.from_wire(lead.pull("verdict", number)).stop:
                break


def _serve_standing(aggregator: Aggregator, dimensions: int, rows: float) -> Standing:
    """The loss of all rows, and how large their derivatives are."""
    loss, weight, *sizes = aggregator.sum().values.tolist()
    exponents = np.frexp(np.array(sizes) * rows)[1].astype(np.int64).reshape(2, dimensions) + 1
    standing = Standing(loss / weight if weight > 0 else 0.0, exponents)
    aggregator.tell(standing.to_wire())
    return standing
