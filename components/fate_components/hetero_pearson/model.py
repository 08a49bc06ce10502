"""Correlation of columns, and how far each follows from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from fate_federated.errors import ModelError
from fate_federated.party import Party
from fate_federated.pb.model import pearson_pb2 as pb
from fate_federated.task.model import Model

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

SMALLEST_EIGENVALUE = 1e-10
"""Below it, columns make each other up: a sum of them is constant."""


def standardise(values: Floats) -> Floats:
    """Each column with mean 0 and variance 1 (divided by the number of rows); one that is constant becomes 0.

    Args:
        values: shape (rows, columns), finite, at least one row.
    """
    varies = values.max(axis=0) > values.min(axis=0)
    # Scaled first: the square of a large number may be too large for a float.
    scale = np.where(varies, np.abs(values).max(axis=0), 1.0)
    centred = values / scale
    centred = centred - centred.mean(axis=0)
    deviation = np.sqrt((centred * centred).mean(axis=0))
    varies &= deviation > 0
    standard: Floats = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
    return standard


def constant_columns(standard: Floats) -> Bits:
    """Which standardised columns are of one value, shape (columns,)."""
    constant: Bits = np.abs(standard).max(axis=0, initial=0.0) == 0
    return constant


def correlate(sums: Floats, rows: int, left: Bits, right: Bits) -> Floats:
    """Correlation coefficients from the sums of products of standardised columns; NaN of a constant one.

    Args:
        sums: over so many rows, shape (columns, other columns).
        left, right: whether each of the columns, and of the others, is constant.
    """
    return np.where(np.logical_or.outer(left, right), np.nan, np.clip(sums / rows, -1, 1))


def local_correlation(standard: Floats) -> Floats:
    """Of standardised columns with each other, shape (columns, columns); NaN of a constant one."""
    constant = constant_columns(standard)
    found = correlate(standard.T @ standard, len(standard), constant, constant)
    np.fill_diagonal(found, np.where(constant, np.nan, 1.0))
    return found


def variance_inflation(correlation: Floats) -> Floats:
    """Variance inflation factor of each column, shape (columns,): 1 / (1 - R^2) of its regression on the others.

    They are the diagonal of the inverse of the correlation matrix, here by its eigenvalues and eigenvectors (Belsley,
    Kuh, Welsch 1980, "Regression diagnostics", section 3.2): infinite for a column that others make up, NaN for one
    that is constant, which the others do without.
    """
    factors = np.full(len(correlation), np.nan)
    varies = ~np.isnan(correlation.diagonal())
    values, vectors = np.linalg.eigh(correlation[np.ix_(varies, varies)])
    shares = vectors * vectors
    tiny = values < SMALLEST_EIGENVALUE
    finite = (shares[:, ~tiny] / values[~tiny]).sum(axis=1)
    made_up = shares[:, tiny].sum(axis=1) > SMALLEST_EIGENVALUE
    factors[varies] = np.where(made_up, np.inf, finite)
    return factors


def party_text(party: Party) -> str:
    """A party as FATE's models write it."""
    return f"('{party.role}', {party.party_id})"


@dataclass(frozen=True, slots=True)
class Correlations:
    """What a model says.

    Attributes:
        names: of this party's columns.
        local: of them with each other, shape (columns, columns).
        vif: shape (columns,); None where it was not asked for.
        cross: by the other party's :func:`party_text`, at the guest of its columns with that host's, at a host of the
            guest's columns with its own; shape (guest's columns, host's columns).
    """

    names: tuple[str, ...]
    local: Floats
    vif: Floats | None
    cross: Mapping[str, Floats] = field(default_factory=dict)


def correlations_of(model: Model) -> Correlations:
    """What the model of a party says.

    Raises:
        ModelError: it is a model of something else.
    """
    param = model.param
    if not isinstance(param, pb.PearsonModelParam):
        raise ModelError(f"A model of {model.module} has no correlations.")
    columns = len(param.names)
    cross = {}
    if param.parties:
        guest, *hosts = param.shapes
        borders = accumulate((guest * host for host in hosts), initial=0)
        blocks = [np.array(param.corr[start:end]).reshape(guest, -1) for start, end in pairwise(borders)]
        cross = dict(zip((party for party in param.parties if party != param.party), blocks, strict=False))
    return Correlations(
        tuple(param.names),
        np.array(param.local_corr).reshape(columns, columns),
        np.array(param.local_vif) if param.local_vif else None,
        cross,
    )
