"""Choice of features: one is added or taken away at a time, whichever lowers AIC or BIC the most.

Of a host, whose single feature its scores would show, the first two are added and the last two taken away together. All
models that a step tries are trained side by side. Features of hosts are known to the guest by their places only,
and a host learns which of its own are in which model.

The score is penalty·k + misfit, where k counts the weights, the intercept among them; penalty is 2 for AIC (Akaike
1974) and log(rows) for BIC (Schwarz 1978); misfit is minus twice the log likelihood, up to a constant: 2·rows·loss, and
rows·log(2·loss) for linear regression. The loss is that of the last iteration.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from fate_components.crypto.paillier import PrivateKey
from fate_components.linear.arbiter import train_arbiter
from fate_components.linear.course import Course, Progress
from fate_components.linear.data import Data, Labels, announce, initial_weights
from fate_components.linear.guest import Answers, never_validated, train_guest, warn_of_small_batches
from fate_components.linear.host import train_host
from fate_components.linear.messages import Plan, Verdict, numbers_from_wire
from fate_components.linear.model import Floats, LinearPart
from fate_components.linear.outputs import model_of, summary_of, summary_with_losses
from fate_components.linear.prediction import class_names
from fate_federated.catalog.shared_params import StepwiseParams
from fate_federated.errors import DataError, MessageRejected
from fate_federated.pb.model import linear_model_pb2 as pb
from fate_federated.task.component import Outputs
from fate_federated.task.context import TaskContext

if TYPE_CHECKING:
    from fate_components.linear.component import VerticalLinear

log = logging.getLogger(__name__)

Choice = frozenset[int]
"""Features by their places: the guest's, then each host's."""

KEPT = -1


def neighbours(chosen: Choice, counts: Sequence[int], params: StepwiseParams) -> Iterator[Choice]:
    """What a step tries: the choices that differ by one feature, as direction, nvmin and nvmax permit.

    A host with a single feature refuses to be part of a model. Its first two are therefore added at once, and its last
    two taken away.

    Args:
        counts: how many features the guest has, and each host.
    """
    ends = np.cumsum(counts).tolist()
    most = ends[-1] if params.nvmax is None else min(params.nvmax, ends[-1])
    for party, (end, count) in enumerate(zip(ends, counts, strict=True)):
        own = range(end - count, end)
        inside, outside = [one for one in own if one in chosen], [one for one in own if one not in chosen]
        more = 2 if party and not inside else 1
        less = 2 if party and len(inside) == 2 else 1
        if params.direction != "backward" and len(chosen) + more <= most:
            yield from (chosen.union(some) for some in combinations(outside, more))
        if params.direction != "forward" and len(chosen) - less >= params.nvmin:
            yield from (chosen.difference(some) for some in combinations(inside, less))


@dataclass(slots=True)
class Kept:
    """The model that a party would hand on as it stands.

    Attributes:
        weights: in the learner's order, shape (features + intercept, 1).
        free: which of them the model has, shape (features + intercept,).
    """

    progress: Progress
    free: Floats

    def part(self, header: tuple[str, ...], *, intercept: bool) -> tuple[LinearPart, Progress]:
        """This party's part, of the chosen features only, and how it was trained."""
        features = np.flatnonzero(self.free[: len(header)])
        names = tuple(header[place] for place in features)
        weights = self.progress.weights
        intercepts = weights[len(header)] if intercept else np.zeros(1)
        return LinearPart(names, weights[features], intercepts), self.progress


def _one(progress: Progress, free: Floats, model: int) -> Kept:
    return Kept(
        Progress(
            progress.iterations[model : model + 1], progress.converged[model : model + 1],
            progress.losses[model : model + 1], progress.weights[:, model : model + 1],
        ),
        free[:, model],
    )  # fmt: skip


def choose_as_guest(
    component: VerticalLinear[Any], ctx: TaskContext, own: Data, labels: Labels, weight: Floats | None
) -> Outputs:
    """The guest's part: it says what is tried and what is kept."""
    if labels.models > 1:
        raise DataError("stepwise_param chooses features for labels of two classes; the training data has more.")
    params, rows = component.params, len(own.table)
    search, intercept = params.stepwise_param, params.init_param.fit_intercept
    penalty = 2.0 if search.score_name == "AIC" else math.log(rows)
    plan = component.plan(ctx, rows, 1, weight)
    announce(ctx, plan, component.stated())
    base = component.course(ctx, plan)
    counts = [len(own.header), *warn_of_small_batches(ctx, plan.batch_size)]
    total, ends = sum(counts), np.cumsum(counts)
    start = initial_weights(ctx, params.init_param, (len(own.header) + intercept, 1))
    current: Choice = frozenset() if search.direction == "forward" else frozenset(range(total))
    best, kept, steps = math.inf, None, []
    for step in range(search.max_step):
        tried = [*([current] if kept is None else []), *neighbours(current, counts, search)]
        if not tried:
            break
        masks = np.zeros((total, len(tried)))
        for place, chosen in enumerate(tried):
            masks[list(chosen), place] = 1.0
        course = _announced(ctx, base, step, len(tried))
        for host, end, count in zip(ctx.hosts, ends[1:], counts[1:], strict=True):
            host.push("free", masks[end - count : end], step)
        free = np.vstack([masks[: counts[0]], np.ones((int(intercept), len(tried)))])
        learner = component.learner(
            ctx, course, own, np.tile(start, len(tried)), intercept, labels.numbers, free=free
        )  # fmt: skip
        answers = Answers(labels.numbers, weight, own.offset)
        progress = train_guest(ctx, course, learner, answers, never_validated, _not_logged)
        scores = [
            penalty * (len(chosen) + intercept) + component.misfit(losses[-1], rows)
            for chosen, losses in zip(tried, progress.losses, strict=True)
        ]
        winner = int(np.argmin(scores))
        improved = scores[winner] < best
        ctx.hosts.push("choice", winner if improved else KEPT, step)
        if improved:
            best, current, kept = scores[winner], tried[winner], _one(progress, free, winner)
        steps.append(_logged(ctx, step, best, scores, _names(ctx, own.header, counts, current)))
        if not improved or (step == 0 and winner == 0):
            break
    _announced(ctx, base, len(steps), 0)
    assert kept is not None  # noqa: S101 - max_step is at least 1, and the start is tried in the first step
    part, progress = kept.part(own.header, intercept=intercept)
    names = class_names(labels.classes)
    model = model_of(
        component.module, params, part, progress, intercept=intercept, losses=True, classes=labels.classes.tolist(),
        names=names, exposure=component.exposure(None) or "", steps=steps,
    )  # fmt: skip
    ctx.tracker.set_summary(
        summary_with_losses(part, progress, names) | {"stepwise": {"score": best, "steps": len(steps)}}
    )
    return Outputs([component.predictions(ctx, [("train", component.chosen(own, part))], part, labels.classes)], model)


def choose_as_host(component: VerticalLinear[Any], ctx: TaskContext, own: Data, base: Course) -> Outputs:
    """A host's part."""
    start = initial_weights(ctx, component.params.init_param, (len(own.header), 1))
    kept: Kept | None = None
    step = 0
    while (course := _next(ctx, base, step)) is not None:
        models = course.plan.models
        free = numbers_from_wire(ctx.guest.pull("free", step), (len(own.header), models))
        if not np.isin(free, (0.0, 1.0)).all():
            raise MessageRejected("The guest did not say which features are in which model.")
        learner = component.learner(ctx, course, own, np.tile(start, models), False, None, free=free)
        progress = train_host(ctx, course, learner, lambda weights: own.features @ weights)
        choice = ctx.guest.pull("choice", step)
        if type(choice) is not int or not KEPT <= choice < models or (choice == KEPT and kept is None):
            raise MessageRejected("The guest chose a model that was not trained.")
        kept = kept if choice == KEPT else _one(progress, free, choice)
        step += 1
    if kept is None:
        raise MessageRejected("The guest ended the choice before it began.")
    part, progress = kept.part(own.header, intercept=False)
    ctx.tracker.set_summary(summary_of(part, progress))
    component.send_scores(ctx, [("train", component.chosen(own, part))], part)
    return Outputs(model=model_of(component.module, component.params, part, progress, intercept=False, losses=False))


def serve_as_arbiter(component: VerticalLinear[Any], ctx: TaskContext, private: PrivateKey, plan: Plan) -> None:
    """The arbiter's part: one training after the other."""
    base = Course(component.params, plan, component.family, private.public, len(ctx.hosts))
    step = 0
    while (course := _next(ctx, base, step)) is not None:
        train_arbiter(ctx, course, private, _not_logged)
        step += 1


def _announced(ctx: TaskContext, base: Course, step: int, models: int) -> Course:
    """Tell the others how many models a step tries; 0 ends the choice."""
    ctx.hosts.push("tried", models, step)
    ctx.arbiter.push("tried", models, step)
    return base.with_models(models, step)


def _next(ctx: TaskContext, base: Course, step: int) -> Course | None:
    models = ctx.guest.pull("tried", step)
    if type(models) is not int or not 0 <= models <= 100_000:
        raise MessageRejected("The guest did not say how many models a step tries.")
    return base.with_models(models, step) if models else None


def _names(ctx: TaskContext, header: tuple[str, ...], counts: list[int], chosen: Choice) -> list[str]:
    names = list(header)
    for host, count in zip(ctx.hosts, counts[1:], strict=True):
        names += [f"host_{host.party.party_id}_{place}" for place in range(count)]
    return [names[feature] for feature in sorted(chosen)]


def _logged(
    ctx: TaskContext, step: int, best: float, scores: list[float], chosen: list[str]
) -> pb.StepwiseStep:  # fmt: skip
    log.info("step %d: %d models tried, the best scores %.6f with %s", step, len(scores), best, ", ".join(chosen))
    meta = {"metric_type": "STEPWISE", "name": f"stepwise_{step}", "best_score": best, "chosen": chosen}
    ctx.tracker.log_metric("train", f"stepwise_{step}", [(float(at), score) for at, score in enumerate(scores)], meta)
    return pb.StepwiseStep(step=step, best_score=best, scores=scores, chosen=chosen)


def _not_logged(iteration: int, verdict: Verdict) -> None:
    """Loss curves of all that is tried would tell nobody anything."""
