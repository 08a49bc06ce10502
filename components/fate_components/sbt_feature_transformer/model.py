"""Rows' leaves as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fate_components.secureboost.model import Bits, Floats, Forest, Tree
from fate_federated.errors import ModelError
from fate_federated.pb.model import boosting_tree_pb2 as pb
from fate_federated.task.model import Model

MODULE = "SBTFeatureTransformer"
BOOSTED = ("HeteroSecureBoost", "HeteroFastSecureBoost")


def leaf_names(forest: Forest) -> list[str]:
    """The columns: of each leaf of each tree."""
    return [_name(number, leaf) for number, tree in enumerate(forest.trees) for leaf in _leaves(tree)]


def leaf_features(forest: Forest, features: Floats, answers: Mapping[int, Sequence[Bits]]) -> dict[str, Bits]:
    """For each leaf of each tree, by its column's name, whether rows end there.

    Args:
        features: the guest's.
        answers: by site and tree, what hosts say, see :meth:`fate_components.secureboost.model.Tree.leaves`.
    """
    columns: dict[str, Bits] = {}
    for number, tree in enumerate(forest.trees):
        ends = tree.leaves(features, {site: bits[number] for site, bits in answers.items()})
        columns |= {_name(number, leaf): ends == leaf for leaf in _leaves(tree)}
    return columns


def _leaves(tree: Tree) -> list[int]:
    return np.flatnonzero(tree.owner < 0).tolist()


def _name(tree: int, leaf: int) -> str:
    return f"sbt_tree_{tree}_leaf_{leaf}"


def transformer_model(boosted: Model, *, dense: bool) -> Model:
    """A party's part of a transformer by its part of boosted trees.

    Raises:
        ModelError: these are none, or trees that parties do not share.
    """
    meta, param = boosted.meta, boosted.param
    if (
        boosted.module not in BOOSTED
        or not isinstance(meta, pb.BoostingTreeModelMeta)
        or not isinstance(param, pb.BoostingTreeModelParam)
    ):
        raise ModelError(f"{MODULE} takes a model of {' or '.join(BOOSTED)}, and this is one of {boosted.module}.")
    return Model(
        MODULE,
        pb.TransformerMeta(tree_meta=meta, dense_format=dense),
        pb.TransformerParam(tree_param=param, model_name=boosted.module),
    )


def boosted_model(transformer: Model) -> Model:
    """The trees of a transformer.

    Raises:
        ModelError: it is a model of something else.
    """
    meta, param = transformer.meta, transformer.param
    if not isinstance(meta, pb.TransformerMeta) or not isinstance(param, pb.TransformerParam):
        raise ModelError(f"A model of {transformer.module} is none of {MODULE}.")
    return Model(param.model_name, meta.tree_meta, param.tree_param)


def is_dense(transformer: Model) -> bool:
    """Whether its columns are double numbers."""
    assert isinstance(transformer.meta, pb.TransformerMeta)  # noqa: S101 - boosted_model has checked it
    return transformer.meta.dense_format
