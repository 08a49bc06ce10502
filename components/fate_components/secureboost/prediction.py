"""From trees to FATE's table of predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from fate_components.linear.prediction import classified, estimated
from fate_components.secureboost.messages import Step
from fate_components.secureboost.model import Bits, Floats, Forest, HostForest, unpacked_answers
from fate_components.secureboost.objective import Objective, objective_of
from fate_components.secureboost.spec import TreeTrainingParams
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.context import Peer, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

BATCH = 1 << 16
"""Rows whose answers are sent at once."""


def features_of(table: Table, names: tuple[str, ...], params: TreeTrainingParams) -> Floats:
    """Some columns to train on, shape (rows, len(names)), missing values as NaN.

    Raises:
        DataError: values are infinite, or missing where that is not permitted. Other parties read the message: it
            names no column.
    """
    remedy = "Set use_missing, or fill them, as with DataTransform's missing_fill."
    return _features(table, names, params.knows_missing, params.zero_is_missing, remedy)


def features_for(table: Table, header: tuple[str, ...], model: Model) -> Floats:
    """The columns of a model; what is missing is said by it, as when it is served.

    Raises:
        DataError: see :func:`features_of`.
        ModelError: the table has not all of them.
    """
    assert isinstance(model.meta, pb.BoostingTreeModelMeta)  # noqa: S101 - forest_of has checked it
    if absent := sorted(set(header) - set(table.feature_names)):
        log.error("columns that the model knows are not in the data: %s", ", ".join(absent))
        raise ModelError(f"The data have not all features of the model: {len(absent)} are absent.")
    tree = model.meta.tree_meta
    remedy = "The model was trained without use_missing: fill them, as with DataTransform's missing_fill."
    return _features(table, header, tree.use_missing, tree.use_missing and tree.zero_as_missing, remedy)


def _features(table: Table, names: tuple[str, ...], knows_missing: bool, zero_is_missing: bool, remedy: str) -> Floats:
    features = table.numbers(names)
    if np.isinf(features).any():
        log.error("values are infinite in %s", _named(names, np.isinf(features)))
        raise DataError("Values are infinite in a feature. The log of the party that failed names it.", public=True)
    if zero_is_missing:
        features[features == 0] = np.nan
    missing = np.isnan(features)
    if missing.any() and not knows_missing:
        log.error("values are missing in %s", _named(names, missing))
        raise DataError(
            f"Values are missing in a feature, which the log of the party that failed names. {remedy}", public=True
        )
    return features


def _named(names: tuple[str, ...], wrong: Bits) -> str:
    return ", ".join(names[place] for place in np.flatnonzero(wrong.any(axis=0)))


def push_answers(ctx: TaskContext, forest: HostForest, features: Floats, tag: str, step: Step = ()) -> None:
    """Tell the guest where each row goes at all nodes of this party: a message per batch, and no question."""
    counts = np.array([len(tree.nodes) for tree in forest.trees], dtype=np.int64)
    for number, start in enumerate(range(0, len(features), BATCH)):
        answers = forest.answers(features[start : start + BATCH])
        ctx.guest.push(tag, {"nodes": counts, "answers": answers}, (*step, number))


def pull_answers(
    ctx: TaskContext, forest: Forest, rows: int, tag: str, step: Step = ()
) -> Iterator[tuple[slice, dict[int, list[Bits]]]]:
    """What hosts answer, by site and tree, for some rows after the other.

    Raises:
        ModelError: a host has other nodes than the guest knows of it.
        MessageRejected: a host sent something else.
    """
    by_name = {f"{host.party.role}:{host.party.party_id}": host for host in ctx.hosts}
    if unknown := [site for site in forest.sites[1:] if site not in by_name]:
        raise ModelError(f"The model needs {', '.join(unknown)}, which takes no part.")
    places = {name: forest.sites.index(name) if name in forest.sites[1:] else -2 for name in by_name}
    counts = {place: [len(tree.nodes_of(place)) for tree in forest.trees] for place in places.values()}
    for number, start in enumerate(range(0, rows, BATCH)):
        size = min(BATCH, rows - start)
        found = {}
        for name, host in by_name.items():
            place = places[name]
            answers = _answers(host, host.pull(tag, (*step, number)), counts[place], size)
            if place > 0:
                found[place] = answers
        yield slice(start, start + size), found


def _answers(host: Peer, message: object, counts: list[int], rows: int) -> list[Bits]:
    match message:
        case {"nodes": np.ndarray() as nodes, "answers": np.ndarray() as answers}:
            if nodes.tolist() != counts:
                raise ModelError(f"The model of {host.party} does not belong to the guest's.")
            if answers.dtype == np.uint8 and answers.shape == (rows, -(-sum(counts) // 8)):
                return unpacked_answers(answers, counts)
    raise MessageRejected(f"{host.party} sent something else than where its rows go.")


def scores_with_hosts(ctx: TaskContext, forest: Forest, features: Floats, tag: str, step: Step = ()) -> Floats:
    """The guest's scores, shape (rows, dimensions), with what hosts answer; see :func:`pull_answers`."""
    scores = np.empty((len(features), forest.dimensions))
    for rows, answers in pull_answers(ctx, forest, len(features), tag, step):
        scores[rows] = forest.scores(features[rows], answers)
    return scores


def check_goes_on(before: Model, old: tuple[str, ...], header: tuple[str, ...], params: TreeTrainingParams) -> None:
    """Whether a party's model with columns ``old`` can be gone on from with these columns and parameters.

    Raises:
        ModelError: columns or missing values are others.
    """
    assert isinstance(before.meta, pb.BoostingTreeModelMeta)  # noqa: S101 - forest_of has checked it
    if old != header:
        raise ModelError("The model to go on from has other columns than the training data.")
    tree = before.meta.tree_meta
    trained = tree.use_missing, tree.use_missing and tree.zero_as_missing
    if trained != (params.knows_missing, params.zero_is_missing):
        raise ModelError(
            f"The model to go on from was trained with use_missing {trained[0]} and zero_as_missing {trained[1]}. "
            "Give the same: a model sees the same values as missing in all its trees."
        )


def objective_of_model(model: Model) -> Objective:
    """The loss that a model was trained for."""
    assert isinstance(model.meta, pb.BoostingTreeModelMeta)  # noqa: S101 - forest_of has checked it
    objective = model.meta.objective_meta
    return objective_of(objective.objective, list(objective.param))


def prediction_table(
    table: Table, scores: Floats, classes: Floats, model: Model, params: TreeTrainingParams, kind: str
) -> Table:
    """FATE's columns for the rows of a table, from scores of shape (rows, dimensions)."""
    predicted = objective_of_model(model).predicted(scores)
    if len(classes):
        return classified(table, predicted, classes, params.predict_param.threshold, kind)
    return estimated(table, predicted[:, 0], kind)
