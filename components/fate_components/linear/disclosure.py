"""When a host's part of the scores, which the guest is sent, would show one of the host's columns.

X_h w_h of a single column is that column, up to a factor. Columns count that move the scores: those that differ between
the rows and whose coefficient is not 0, which the penalty L1 makes it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fate_components.linear.model import Floats
from fate_federated.errors import DataError
from fate_federated.task.context import TaskContext

_ALIKE = 1 - 1e-9
"""Squared correlation from which on scores are a column."""


def varying(features: Floats) -> npt.NDArray[np.bool_]:
    """Which columns differ between rows, shape (features,), of (rows, features)."""
    different: npt.NDArray[np.bool_] = (features != features[:1]).any(axis=0)
    return different


def shows_a_column(features: Floats, weights: Floats) -> bool:
    """Whether any model's scores are one of the columns, up to a factor and a constant.

    Scores that are the same in all rows, as of a single row, show none. Those of two rows are like any column that
    differs between them, and only show one that is alone in it.

    Args:
        features: shape (rows, features).
        weights: shape (features, models).
    """
    differs = varying(features)
    moves = (weights != 0) & differs[:, None]
    if (moves.sum(axis=0) == 1).any():
        return True
    if len(features) < 3:
        return False
    centred = features[:, differs] - features[:, differs].mean(axis=0)
    centred /= np.sqrt((centred**2).sum(axis=0))
    scores = features[:, differs] @ weights[differs]
    scores = scores - scores.mean(axis=0)
    size = (scores**2).sum(axis=0)
    alike = (centred.T @ scores) ** 2 >= _ALIKE * size
    return bool((alike & moves.any(axis=0)).any())


def refuse_single_column(ctx: TaskContext, columns: int) -> None:
    """Of a host's columns, which differ between rows.

    Raises:
        DataError: there is one.
    """
    if columns == 1:
        raise DataError(
            f"{ctx.party} has one feature only in {ctx.component} that its scores depend on. The guest needs these "
            "scores, which would show it that column up to a factor. Give the host two features at least that differ "
            "between rows and from one another; the penalty L1 leaves it more of them with a smaller alpha."
        )


def refuse_single_feature(ctx: TaskContext, features: Floats, weights: Floats) -> None:
    """Before scores are sent, see :func:`shows_a_column`.

    Raises:
        DataError: they show a column.
    """
    if shows_a_column(features, weights):
        refuse_single_column(ctx, 1)
