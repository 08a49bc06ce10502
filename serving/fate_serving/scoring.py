"""What the parties compute of the columns that a model scores: a host its part of the answer, a guest the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fate_components.hetero_lr.model import probability
from fate_components.hetero_poisson.model import expected_count
from fate_components.linear.model import LinearPart, linear_part
from fate_components.local_baseline.model import Link, predicted
from fate_components.secureboost.model import forest_of, host_forest_of
from fate_components.secureboost.objective import objective_of
from fate_federated.errors import ModelError
from fate_federated.party import Party, Role
from fate_federated.pb.model import boosting_tree_pb2, linear_model_pb2, local_baseline_pb2
from fate_federated.task.model import Model
from fate_serving.codes import Code, ServingError
from fate_serving.forest import FlatForest, FlatSplits, host_splits
from fate_serving.frame import Floats, Frame, Layout
from fate_serving.steps import places

Answers = npt.NDArray[np.float64] | npt.NDArray[np.uint8]
"""A host's part, shape (rows, width): scores, or its nodes' decisions as bits, eight to a byte."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What rows are predicted to be.

    Attributes:
        values: chances, shape (rows, 1) of two classes and (rows, classes) of more; or numbers, shape (rows, 1).
        classes: the labels of a classifier, rising; empty where numbers are predicted.
        threshold: chance above which the second of two classes is predicted.
    """

    values: Floats
    classes: Floats
    threshold: float = 0.5

    @property
    def several(self) -> bool:
        """Whether there are more than two classes."""
        return len(self.classes) > 2

    def labels(self) -> list[float]:
        """The predicted label of each row; of numbers these themselves."""
        if not len(self.classes):
            numbers: list[float] = self.values[:, 0].tolist()
            return numbers
        chosen = self.values.argmax(axis=1) if self.several else (self.values[:, 0] > self.threshold).astype(np.int64)
        found: list[float] = self.classes[chosen].tolist()
        return found


class HostScorer(Protocol):
    """A host's part of one component's answer."""

    def answer(self, frame: Frame) -> Answers:
        """Of rows, shape (rows, width)."""
        ...

    def as_json(self, answer: Answers) -> dict[str, Any]:
        """One row's answer as FATE-Serving's hosts say it."""
        ...


class GuestScorer(Protocol):
    """What a guest, or a party that has all columns, predicts."""

    @property
    def hosts(self) -> tuple[Party, ...]:
        """The hosts that have a part in the answer."""
        ...

    def empty(self, host: Party, rows: int) -> Answers:
        """A place for a host's answers, of the shape and type that they must have."""
        ...

    def from_json(self, host: Party, said: Mapping[str, Any]) -> Answers:
        """One row's answer, shape (width,), of what FATE-Serving's hosts say.

        Raises:
            ServingError: RESPONSE or TREES; it is none.
        """
        ...

    def predict(self, frame: Frame, answers: Mapping[Party, Answers]) -> Predicted:
        """Of rows, with every host's answers."""
        ...


def finite(frame: Frame, at: Sequence[int], names: Sequence[str]) -> Floats:
    """Columns, shape (rows, columns), without missing values.

    Raises:
        ServingError: FEATURE, naming the columns.
    """
    features = frame.numbers[:, at]
    if not np.isfinite(features).all():
        bad = np.flatnonzero(~np.isfinite(features).all(axis=0)).tolist()
        raise ServingError(
            Code.FEATURE, f"Features are missing or infinite: {', '.join(names[place] for place in bad)}."
        )
    return features


class LinearHost:
    """A host's part of linear scores."""

    def __init__(self, model: Model, layout: Layout) -> None:
        self._part = _known_part(model)
        self._at = places(self._part.header, layout, "has weights for")

    def answer(self, frame: Frame) -> Answers:
        return self._part.score(finite(frame, self._at, self._part.header))

    def as_json(self, answer: Answers) -> dict[str, Any]:
        if len(answer) > 1:
            raise ServingError(Code.ROLE, "FATE-Serving's guests know no model of more than two classes.")
        return {"score": float(answer[0])}


class LinearGuest:
    """Linear scores, and what they stand for.

    Args:
        hosts: that add to the score; none where one party has all columns.
    """

    def __init__(self, model: Model, layout: Layout, hosts: tuple[Party, ...]) -> None:
        self._part, self._hosts, self._module = linear_part(model, model.module), hosts, model.module
        meta, param = model.meta, model.param
        assert isinstance(param, linear_model_pb2.LRModelParam)  # noqa: S101 - linear_part has checked it
        if param.HasField("encrypted_weight_key"):
            raise ModelError("the host's weights are encrypted, which is not served")
        self._at = places(self._part.header, layout, "has weights for")
        self._link, self._threshold, self._exposure = "", 0.5, -1
        self._exposure_name = ""
        if isinstance(meta, local_baseline_pb2.LocalBaselineMeta):
            self._link, self._threshold = meta.link, meta.threshold
        elif isinstance(meta, linear_model_pb2.LRModelMeta):
            self._threshold = meta.threshold or 0.5
            if meta.exposure_colname and meta.exposure_colname in layout.names:
                self._exposure_name = meta.exposure_colname
                self._exposure = places([meta.exposure_colname], layout, "counts by")[0]
        self._classes = self._classes_of(param)

    @property
    def hosts(self) -> tuple[Party, ...]:
        return self._hosts

    def empty(self, host: Party, rows: int) -> Answers:
        return np.zeros((rows, self._part.weights.shape[1]))

    def from_json(self, host: Party, said: Mapping[str, Any]) -> Answers:
        score = said.get("score", said.get("prob"))
        if type(score) not in (int, float) or not np.isfinite(score):
            raise ServingError(Code.RESPONSE, f"{host} sent no score.")
        return np.array([score], np.float64)

    def predict(self, frame: Frame, answers: Mapping[Party, Answers]) -> Predicted:
        score = self._part.score(finite(frame, self._at, self._part.header)) + self._offset(frame)
        for host in self._hosts:
            score = score + answers[host]
        return Predicted(self._meant(score), self._classes, self._threshold)

    def _offset(self, frame: Frame) -> Floats | float:
        if self._exposure < 0:
            return 0.0
        exposure = frame.numbers[:, self._exposure]
        if not (np.isfinite(exposure).all() and (exposure > 0).all()):
            raise ServingError(Code.FEATURE, f"The exposure {self._exposure_name!r} is missing or not greater than 0.")
        offset: Floats = np.log(exposure)[:, None]
        return offset

    def _meant(self, score: Floats) -> Floats:
        if self._link:
            return predicted(Link(self._link), score)
        if self._module == "HeteroPoisson":
            return expected_count(score)
        return score if self._module in ("HeteroLinR", "HeteroSSHELinR") else probability(score)

    def _classes_of(self, param: linear_model_pb2.LRModelParam) -> Floats:
        if self._module in ("HeteroLinR", "HeteroSSHELinR", "HeteroPoisson"):
            return np.empty(0)
        if self._link in (Link.IDENTITY, Link.LOG):
            return np.empty(0)
        models = self._part.weights.shape[1]
        if param.classes:
            classes = np.array(param.classes)
        elif models == 1:
            classes = np.array([0.0, 1.0])
        else:
            classes = _numbers(param.one_vs_rest_result.one_vs_rest_classes)
        if len(classes) != (2 if models == 1 else models):
            raise ModelError("the model does not say which classes it is of")
        return classes


class TreesHost:
    """A host's decisions at its nodes."""

    def __init__(self, model: Model, layout: Layout) -> None:
        forest = host_forest_of(model)
        self._columns = _TreeColumns(model, forest.header, layout)
        self._splits = host_splits(forest)
        self._nodes = [
            (str(tree), str(node)) for tree, splits in enumerate(forest.trees) for node in splits.nodes.tolist()
        ]

    def answer(self, frame: Frame) -> Answers:
        return np.packbits(self._splits.goes_left(self._columns.of(frame)), axis=1)

    def as_json(self, answer: Answers) -> dict[str, Any]:
        bits = np.unpackbits(answer.astype(np.uint8), count=len(self._nodes)).astype(np.bool_).tolist()
        said: dict[str, dict[str, bool]] = {}
        for (tree, node), left in zip(self._nodes, bits, strict=True):
            said.setdefault(tree, {})[node] = left
        return said


class TreesGuest:
    """Sums of leaves, and what they stand for."""

    def __init__(self, model: Model, layout: Layout, threshold: float) -> None:
        forest = forest_of(model)
        meta, param = model.meta, model.param
        assert isinstance(meta, boosting_tree_pb2.BoostingTreeModelMeta)  # noqa: S101 - forest_of has checked both
        assert isinstance(param, boosting_tree_pb2.BoostingTreeModelParam)  # noqa: S101
        self._columns = _TreeColumns(model, forest.header, layout)
        self._own = FlatSplits.of(tuple(tree.own for tree in forest.trees))
        self._forest = FlatForest.of(forest)
        self._objective = objective_of(meta.objective_meta.objective, list(meta.objective_meta.param))
        self._threshold = threshold
        self._sites = {_party_of(name): place for place, name in enumerate(forest.sites) if place}
        self._nodes = {
            host: [
                (str(number), str(node))
                for number, tree in enumerate(forest.trees)
                for node in tree.nodes_of(site).tolist()
            ]
            for host, site in self._sites.items()
        }
        self._classes = forest.classes
        if param.num_classes >= 2 and not len(forest.classes):
            self._classes = _numbers(param.classes_)

    @property
    def hosts(self) -> tuple[Party, ...]:
        return tuple(self._sites)

    def empty(self, host: Party, rows: int) -> Answers:
        return np.zeros((rows, -(-len(self._nodes[host]) // 8)), np.uint8)

    def from_json(self, host: Party, said: Mapping[str, Any]) -> Answers:
        bits = np.zeros(len(self._nodes[host]), np.bool_)
        for place, (tree, node) in enumerate(self._nodes[host]):
            nodes = said.get(tree)
            left = nodes.get(node) if isinstance(nodes, Mapping) else None
            if not isinstance(left, bool):
                raise ServingError(Code.TREES, f"{host} did not say where the row goes at node {node} of tree {tree}.")
            bits[place] = left
        return np.packbits(bits)

    def predict(self, frame: Frame, answers: Mapping[Party, Answers]) -> Predicted:
        features = self._columns.of(frame)
        decisions = {0: self._own.goes_left(features)}
        for host, site in self._sites.items():
            bits = np.unpackbits(answers[host].astype(np.uint8), axis=1, count=len(self._nodes[host]))
            decisions[site] = bits.astype(np.bool_)
        scores = self._forest.scores(decisions, len(features))
        values = self._objective.predicted(scores)
        return Predicted(values, self._classes, self._threshold)


class _TreeColumns:
    """The columns of trees, with FATE's two ways of saying what is missing."""

    def __init__(self, model: Model, header: tuple[str, ...], layout: Layout) -> None:
        assert isinstance(model.meta, boosting_tree_pb2.BoostingTreeModelMeta)  # noqa: S101 - forest_of has checked it
        self._header, self._at = header, places(header, layout, "asks for")
        self._knows_missing = model.meta.tree_meta.use_missing
        self._zero_is_missing = self._knows_missing and model.meta.tree_meta.zero_as_missing

    def of(self, frame: Frame) -> Floats:
        features = frame.numbers[:, self._at]
        if self._zero_is_missing:
            features[features == 0] = np.nan
        unfit = np.isinf(features) if self._knows_missing else ~np.isfinite(features)
        if unfit.any():
            bad = np.flatnonzero(unfit.any(axis=0)).tolist()
            named = ", ".join(self._header[place] for place in bad)
            raise ServingError(Code.FEATURE, f"Features are missing or infinite: {named}.")
        return features


def _known_part(model: Model) -> LinearPart:
    param = model.param
    if isinstance(param, linear_model_pb2.LRModelParam) and param.HasField("encrypted_weight"):
        raise ModelError("the host's weights are encrypted, which is not served")
    return linear_part(model, model.module)


def _party_of(site: str) -> Party:
    role, _, party_id = site.partition(":")
    return Party(Role(role), party_id)


def _numbers(texts: Sequence[str]) -> Floats:
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        raise ModelError("the model's classes are no numbers") from None
