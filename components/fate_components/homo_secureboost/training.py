"""A training: round after round, trees for what the rounds before left over."""

from __future__ import annotations

import logging

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
from fate_components.secure_aggregation.parties import clients_of
from fate_components.secureboost.bins import Binned
from fate_components.secureboost.guest import Gain, Limits
from fate_components.secureboost.guest_training import Course, Labels, due, scores_of_rows, start_of, weight_of
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

log = logging.getLogger(__name__)

HALF = np.array([0.5])


def rounds_of(params: HomoSecureBoostParams, dimensions: int) -> int:
    """Secure sums that a training takes at most."""
    searches = 2 if params.starts_at_median else 1
    return 2 + searches * quantiles.ROUNDS + params.num_trees * (dimensions * params.tree_param.max_depth + 1)


def shares_of(params: HomoSecureBoostParams) -> Floats:
    """Of all values, up to the borders of bins but the last."""
    return np.arange(1, params.bin_num) / params.bin_num


def train(
    ctx: TaskContext, module: str, params: HomoSecureBoostParams, circle: Circle, agreement: Agreement, labels: Labels,
    train: Table, validate: Table | None, before: Model | None,
) -> Outputs:  # fmt: skip
    """A data party's part; ``before`` is a model to go on from.

    Raises:
        DataError: values or weights cannot be used.
        ModelError: the model to go on from is for other columns or classes.
    """
    header, weight = agreement.columns, weight_of(train)
    features = features_of(train, header, params)
    validated = None if validate is None else features_of(validate, header, params)
    objective = objective_of(params.objective_param.objective, params.objective_param.params)
    dimensions = labels.numbers.shape[1]
    sites = (site_name(clients_of(ctx)[0]),)
    client = Client.open(ctx, rounds_of(params, dimensions))
    client.send(np.array([len(train), weight.sum(), (weight * labels.numbers[:, 0]).sum()]))
    beginning = Beginning.from_wire(client.receive())
    if params.starts_at_median:
        (median,) = quantiles.search(client, [labels.numbers[weight > 0, 0]], HALF)
        beginning = Beginning(beginning.rows, float(median[0]))
    points = quantiles.search(client, [column[~np.isnan(column)] for column in features.T], shares_of(params))
    old_trees: tuple[Tree, ...] = ()
    importances: Importances = {}
    start = _start(objective, dimensions, beginning)
    if before is not None:
        start, old_trees, importances = start_of(objective, labels, weight, before, header, sites, params)
    rows = 0 if validated is None else len(validated)
    course = Course([], np.tile(start, (len(train), 1)), np.tile(start, (rows, 1)))
    if before is not None:
        forest = Forest(header, sites, old_trees, dimensions, start, params.learning_rate, labels.classes)
        course.scores = forest.scores(features, {})
        course.validated = course.validated if validated is None else forest.scores(validated, {})
    # The last bin has no border: the largest value is nobody's business.
    binned = Binned.between(
        features, [np.append(some, np.finfo(np.float64).max) if len(some) else some for some in points]
    )
    seed = agreement.seed if params.random_seed is None else abs(params.random_seed)
    watch = Validation(
        ctx.tracker, ctx.component, chosen_metrics(labels.kind, params.scored_by), params.patience,
        params.first_metric_only,
    )  # fmt: skip
    converged, best_iteration, verdict = False, -1, Verdict(False, 0)
    standing, derivatives = _stand(client, objective, labels, weight, course, beginning.rows)
    for number in range(params.num_trees):
        gains: list[Gain] = []
        for dimension in range(dimensions):
            rng = np.random.default_rng([seed, number, dimension])
            columns = columns_of_tree(len(header), params.subsample_feature_rate, rng)
            growing = GrowingTree(client, binned, columns, params.tree_param.max_depth)
            first, second = (
                in_units(values[:, dimension], int(standing.exponents[which, dimension]))
                for which, values in enumerate(derivatives)
            )
            tree, leaves = growing.grow(first, second)
            course.trees.append(tree)
            gains += growing.gains
            course.scores[:, dimension] += params.learning_rate * tree.weight[leaves]
            if validated is not None:
                course.validated[:, dimension] += params.learning_rate * tree.weight[tree.leaves(validated, {})]
        course.gains.append(gains)
        standing, derivatives = _stand(client, objective, labels, weight, course, beginning.rows)
        ctx.log_loss(number, standing.loss)
        converged = (
            params.n_iter_no_change and bool(course.losses) and abs(course.losses[-1] - standing.loss) <= params.tol
        )
        course.losses.append(standing.loss)
        stop, best = False, False
        if due(params, number):
            scores = {"train": scores_of_rows(train, labels, objective.predicted(course.scores), params)}
            if validate is not None:
                scores["validate"] = scores_of_rows(validate, labels, objective.predicted(course.validated), params)
            judged = watch.note(number, scores)
            stop, best = judged.stop, judged.best and params.patience is not None
        verdict = _verdict(circle, params, number, verdict, dimensions, ends=stop or converged, best=best)
        if verdict.trees == len(course.trees):
            best_iteration = number
            course.best = (len(course.trees), course.scores.copy(), course.validated.copy())
        if verdict.stop:
            break
    if params.patience is not None and course.best is not None:
        kept, course.scores, course.validated = course.best
        course.trees = course.trees[:kept]
    else:
        best_iteration = -1
    found = with_gains(
        importances, [gain for some in course.gains[: len(course.trees) // dimensions] for gain in some], sites
    )
    forest = Forest(header, sites, (*old_trees, *course.trees), dimensions, start, params.learning_rate, labels.classes)
    learnt = Learnt(forest, tuple(course.losses), converged, best_iteration, found)
    model = guest_model(module, params, learnt)
    ctx.tracker.set_summary(guest_summary(learnt, params.tree_param.feature_importance_type, watch.history))
    tables = [prediction_table(train, course.scores, labels.classes, model, params, "train")]
    if validate is not None:
        tables.append(prediction_table(validate, course.validated, labels.classes, model, params, "validate"))
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
            for dimension in range(dimensions):
                exponents = standing.exponents[:, dimension].tolist()
                splitter.serve(aggregator, (exponents[0], exponents[1]))
            standing = _serve_standing(aggregator, dimensions, rows)
            ctx.log_loss(number, standing.loss)
            if Verdict.from_wire(lead.pull("verdict", number)).stop:
                break


def _start(objective: Objective, dimensions: int, beginning: Beginning) -> Floats:
    """The score before any tree: all objectives start from the mean or the median of the labels, or from 0."""
    return objective.start(np.full((1, dimensions), beginning.mean), np.ones(1))


def _stand(
    client: Client, objective: Objective, labels: Labels, weight: Floats, course: Course, rows: float
) -> tuple[Standing, tuple[Floats, Floats]]:
    """The loss of all rows, and this party's derivatives, each of shape (rows, dimensions)."""
    first, second = (part * weight[:, None] for part in objective.derivatives(labels.numbers, course.scores))
    loss = (objective.loss(labels.numbers, course.scores) * weight).sum()
    sums = np.concatenate([[loss, weight.sum()], np.abs(first).sum(axis=0), second.sum(axis=0)])
    client.send(sums / rows)
    return Standing.from_wire(client.receive(), first.shape[1]), (first, second)


def _serve_standing(aggregator: Aggregator, dimensions: int, rows: float) -> Standing:
    """The arbiter's part of :func:`_stand`."""
    loss, weight, *sizes = aggregator.sum().values.tolist()
    exponents = np.frexp(np.array(sizes) * rows)[1].astype(np.int64).reshape(2, dimensions) + 1
    standing = Standing(loss / weight if weight > 0 else 0.0, exponents)
    aggregator.tell(standing.to_wire())
    return standing


def _verdict(
    circle: Circle, params: HomoSecureBoostParams, number: int, before: Verdict, dimensions: int, *, ends: bool,
    best: bool,
) -> Verdict:  # fmt: skip
    """What the lead says of a round: whether it is the last, and with how many trees validation went best."""
    if circle.lead is not None:
        return Verdict.from_wire(circle.heard("verdict", number))
    verdict = Verdict(ends or number == params.num_trees - 1, (number + 1) * dimensions if best else before.trees)
    circle.announce("verdict", verdict.to_wire(), number)
    return verdict
