"""The guest's part in a training: round after round, trees for what the rounds before left over."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from fate_components.crypto.paillier import generate_keypair
from fate_components.linear.prediction import joined
from fate_components.linear.validation import Kind, Scores, Validation, chosen_metrics, scores_of_table
from fate_components.secureboost.bins import Binned
from fate_components.secureboost.drawing import log_trees
from fate_components.secureboost.guest import Derivatives, GuestTree, Limits
from fate_components.secureboost.ineffective import warn_of_no_effect
from fate_components.secureboost.messages import Plan, Verdict
from fate_components.secureboost.model import Floats, Forest, Gain, Tree, forest_of
from fate_components.secureboost.objective import Objective, objective_of
from fate_components.secureboost.outputs import (
    Importances,
    Learnt,
    guest_model,
    guest_summary,
    importances_of,
    rescaled,
    site_name,
    with_gains,
)
from fate_components.secureboost.packing import Layout
from fate_components.secureboost.prediction import (
    check_goes_on,
    features_of,
    objective_of_model,
    prediction_table,
    scores_with_hosts,
)
from fate_components.secureboost.sampling import columns_of_tree, one_side_sampled, rows_kept
from fate_components.secureboost.spec import HeteroSecureBoostParams, TreeTrainingParams
from fate_components.secureboost.splitting import Criterion
from fate_components.secureboost.turns import Turns
from fate_components.tables import row_digest
from fate_federated.errors import DataError, ModelError
from fate_federated.task.component import Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Labels:
    """What the label means: ``numbers`` has shape (rows, dimensions), ``classes`` is empty of a regression."""

    numbers: Floats
    classes: Floats

    @classmethod
    def of(cls, ctx: TaskContext, table: Table, params: HeteroSecureBoostParams) -> Labels:
        """Those of training data.

        Raises:
            DataError: there is none, one is missing, or they do not fit the task.
        """
        label = table.label
        if label is None:
            raise DataError(f"{ctx.component} needs a label at the guest. Its training data has none.")
        if not np.isfinite(label).all():
            raise DataError(f"{ctx.component}'s training data has rows without a label.")
        if params.task_type == "regression":
            if params.objective_param.objective == "tweedie" and label.min(initial=0) < 0:
                raise DataError("The objective tweedie is for labels of at least 0.")
            return cls(label[:, None], np.empty(0))
        classes = np.unique(label)
        if not 2 <= len(classes) <= MOST_CLASSES:
            raise DataError(
                f"{ctx.component} needs labels of 2 to {MOST_CLASSES} classes; the training data has {len(classes)}."
            )
        against = classes[1:] if len(classes) == 2 else classes
        return cls((label[:, None] == against).astype(np.float64), classes)

    @property
    def kind(self) -> Kind:
        if not len(self.classes):
            return "regression"
        return "binary" if len(self.classes) == 2 else "multi"


@dataclass(slots=True)
class Course:
    """What has been learnt so far.

    Attributes:
        scores: of the training rows, shape (rows, dimensions).
        validated: of the validation rows; no rows without.
        best: the number of trees, and the scores, after the round that validation likes best.
    """

    trees: list[Tree]
    scores: Floats
    validated: Floats
    losses: list[float] = field(default_factory=list)
    gains: list[list[Gain]] = field(default_factory=list)
    best: tuple[int, Floats, Floats] | None = None


def train_guest(
    ctx: TaskContext,
    module: str,
    params: HeteroSecureBoostParams,
    train: Table,
    validate: Table | None,
    before: Model | None,
) -> Outputs:
    """Grow trees with the hosts; ``before`` is a model to go on from."""
    if not len(train):
        raise DataError(f"{ctx.component}'s training data has no rows: the parties have none in common.")
    labels = Labels.of(ctx, train, params)
    weight = weight_of(train)
    header = train.feature_names
    features = features_of(train, header, params)
    validated = None if validate is None else features_of(validate, header, params)
    objective = objective_of(params.objective_param.objective, params.objective_param.params)
    dimensions = labels.numbers.shape[1]
    warn_of_no_effect(params, validates=validate is not None, outputs=dimensions)
    parts = parts_of_round(params, dimensions)
    outputs = dimensions // len(parts)
    plan = Plan(
        True, row_digest(train), len(train), b"" if validate is None else row_digest(validate),
        0 if validate is None else len(validate), len(parts), outputs, before is not None,
    )  # fmt: skip
    ctx.hosts.push("plan", plan.to_wire())
    private = generate_keypair(params.encrypt_param.key_length)
    ctx.hosts.push("public_key", private.public.to_wire())
    sites = (site_name(ctx.party), *(site_name(host.party) for host in ctx.hosts))
    start, old_trees, importances = start_of(objective, labels, weight, before, header, sites, params)
    course = Course(
        [], np.tile(start, (len(train), 1)), np.tile(start, (0 if validated is None else len(validated), 1))
    )
    if before is not None:
        forest = Forest(header, sites, old_trees, dimensions, start, params.learning_rate, labels.classes)
        course.scores = scores_with_hosts(ctx, forest, features, "train_before")
        if validated is not None:
            course.validated = scores_with_hosts(ctx, forest, validated, "validate_before")
    binned = Binned.of(features, params.bin_num)
    layout = Layout.of(
        private.public.bits, plan.rows, params.precision, compress=params.cipher_compress, outputs=outputs
    )
    tree_params = params.tree_param
    criterion = Criterion(*params.penalties, tree_params.min_impurity_split, tree_params.min_child_weight)
    limits = Limits(tree_params.min_sample_split, tree_params.min_leaf_node)
    turns = Turns(params, len(ctx.hosts))
    # They go on where those of the model ended: it makes no difference whether a training is interrupted.
    rounds = range(len(old_trees) // len(parts), len(old_trees) // len(parts) + params.num_trees)
    rows = rows_kept(len(train), params.top_rate, params.other_rate) if params.run_goss else len(train)
    private = private.expecting(turns.with_hosts(rounds) * len(parts) * rows * layout.parts)
    seed = abs(params.random_seed) if params.random_seed is not None else int(ctx.rng.integers(1 << 62))
    watch = Validation(
        ctx.tracker, ctx.component, chosen_metrics(labels.kind, params.scored_by), params.patience,
        params.first_metric_only,
    )  # fmt: skip

    def learnt_so_far(trees: list[Tree]) -> Learnt:
        gains = [gain for some in course.gains[: len(trees) // len(parts)] for gain in some]
        forest = Forest(header, sites, (*old_trees, *trees), dimensions, start, params.learning_rate, labels.classes)
        return Learnt(forest, tuple(course.losses), False, -1, with_gains(importances, gains, sites))

    converged = stopped = False
    best_iteration = -1
    idle = 0
    loss_before = None if before is None else mean_loss(objective, labels, course.scores, weight)
    for number in rounds:
        of_depth = turns.of_round(number)
        taking_part = frozenset().union(*of_depth)
        hosts = {site: host for site, host in enumerate(ctx.hosts, 1) if site in taking_part}
        first, second = (values * weight[:, None] for values in objective.derivatives(labels.numbers, course.scores))
        gains: list[Gain] = []
        for place, part in enumerate(parts):
            step = (number, place)
            rng = np.random.default_rng([seed, *step])
            columns = columns_of_tree(len(header), params.subsample_feature_rate, rng)
            derivatives = Derivatives(np.arange(len(train)), first[:, part], second[:, part])
            if params.run_goss:
                derivatives = one_side_sampled(first[:, part], second[:, part], params.top_rate, params.other_rate, rng)
            growing = GuestTree(hosts, of_depth, private, layout, binned, columns, criterion, limits)
            tree, leaves = growing.grow(step, derivatives)
            course.trees.append(tree)
            gains += growing.gains
            course.scores[:, part] += params.learning_rate * tree.weight[leaves]
            if validated is not None:
                nothing = np.zeros(outputs)
                forest = Forest(header, sites, (tree,), outputs, nothing, params.learning_rate, labels.classes)
                added = scores_with_hosts(ctx, forest, validated, "validate", step)
                course.validated[:, part] += added if isinstance(part, slice) else added[:, 0]
        course.gains.append(gains)
        loss = mean_loss(objective, labels, course.scores, weight)
        ctx.log_loss(number, loss)
        idle = idle + 1 if loss_before is not None and abs(loss_before - loss) <= params.tol else 0
        converged = params.n_iter_no_change and turns.all_idle(number, idle)
        loss_before = loss
        course.losses.append(loss)
        if validate is not None and due(params, number):
            scores = {
                "train": scores_of_rows(train, labels, objective.predicted(course.scores), params),
                "validate": scores_of_rows(validate, labels, objective.predicted(course.validated), params),
            }
            standing = watch.note(number, scores)
            stopped = standing.stop
            if standing.best and params.patience is not None:
                best_iteration = number
                course.best = (len(course.trees), course.scores.copy(), course.validated.copy())
        if params.keeps(number):
            ctx.keep(number, guest_model(module, params, learnt_so_far(course.trees)))
        ends = converged or stopped or number == rounds[-1]
        kept = len(course.trees)
        if ends and course.best is not None:
            kept, course.scores, course.validated = course.best
        ctx.hosts.push("verdict", Verdict(ends, kept).to_wire(), number)
        if ends:
            course.trees = course.trees[:kept]
            break
    learnt = replace(learnt_so_far(course.trees), converged=converged, best_iteration=best_iteration)
    model = guest_model(module, params, learnt)
    ctx.tracker.set_summary(guest_summary(learnt, tree_params.feature_importance_type, watch.history))
    log_trees(ctx.tracker, learnt.forest)
    tables = [prediction_table(train, course.scores, labels.classes, model, params, "train")]
    if validate is not None:
        tables.append(prediction_table(validate, course.validated, labels.classes, model, params, "validate"))
    return Outputs([joined(tables)], model)


def mean_loss(objective: Objective, labels: Labels, scores: Floats, weight: Floats) -> float:
    """Of rows with such scores, shape (rows, dimensions)."""
    return float(np.average(objective.loss(labels.numbers, scores), weights=weight))


def parts_of_round(params: TreeTrainingParams, dimensions: int) -> list[int | slice]:
    """The dimensions that the trees of a round are for: all together in one tree, or each in one of its own."""
    return [slice(None)] if params.multi_mode == "multi_output" and dimensions > 1 else list(range(dimensions))


def start_of(
    objective: Objective, labels: Labels, weight: Floats, before: Model | None, header: tuple[str, ...],
    sites: tuple[str, ...], params: TreeTrainingParams,
) -> tuple[Floats, tuple[Tree, ...], Importances]:  # fmt: skip
    """The score before any tree, and what a model to go on from has learnt.

    Raises:
        ModelError: that one is for other columns, classes, hosts or missing values, or another objective.
    """
    if before is None:
        return objective.start(labels.numbers, weight), (), {}
    old = forest_of(before)
    check_goes_on(before, old.header, header, params)
    if objective_of_model(before) != objective:
        raise ModelError("The model to go on from was trained for another objective_param.")
    if old.classes.tolist() != labels.classes.tolist():
        raise ModelError("The model to go on from is of other classes than the training data.")
    if unknown := [site for site in old.sites[1:] if site not in sites]:
        raise ModelError(f"The model to go on from needs {', '.join(unknown)}, which takes no part.")
    together = {tree.weight.ndim == 2 for tree in old.trees}
    if together and together != {isinstance(parts_of_round(params, len(labels.numbers[0]))[0], slice)}:
        raise ModelError("The model to go on from was trained with another multi_mode.")
    place = np.array([0, *(sites.index(site) for site in old.sites[1:]), -1])
    trees = tuple(
        replace(
            tree,
            owner=place[tree.owner],
            gains=tuple(replace(gain, site=int(place[gain.site])) for gain in tree.gains),
        )
        for tree in rescaled(old, params.learning_rate)
    )
    return old.start, trees, importances_of(before)


def due(params: TreeTrainingParams, number: int) -> bool:
    """Whether a round is validated."""
    frequency = params.validated
    if isinstance(frequency, list):
        return number in frequency
    return frequency is not None and (number + 1) % frequency == 0


def scores_of_rows(table: Table, labels: Labels, predicted: Floats, params: TreeTrainingParams) -> Scores:
    """How good predictions are, shape (rows, dimensions)."""
    return scores_of_table(labels.kind, table, predicted, labels.classes, params.predict_param.threshold)


def weight_of(table: Table) -> Floats:
    """How much each row counts, shape (rows,).

    Raises:
        DataError: a weight is negative, or all are 0.
    """
    weight = np.ones(len(table)) if table.weight is None else table.weight
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise DataError("Sample weights are numbers of at least 0, not all 0. Set SampleWeight's normalize.")
    return weight
