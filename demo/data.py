"""The demo's data: scikit-learn's breast-cancer set, split between two organisations.

The guest holds the diagnosis and the ten mean features, the host the twenty others. Each side misses some patients,
so that the intersection is a real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer

GUEST_FEATURES = 10
GUEST_MISSES, HOST_MISSES = 30, 40


@dataclass(frozen=True, slots=True)
class Split:
    """Both sides of the data.

    Attributes:
        ids: of all patients, shape (569,).
        features: shape (569, 30); the first ten columns are the guest's.
        names: of the features.
        label: 1 benign, 0 malignant, shape (569,).
        at_guest, at_host: which patients each side has, shape (569,).
    """

    ids: tuple[str, ...]
    features: npt.NDArray[np.float64]
    names: tuple[str, ...]
    label: npt.NDArray[np.int64]
    at_guest: npt.NDArray[np.bool_]
    at_host: npt.NDArray[np.bool_]


def split_breast_cancer() -> Split:
    """The same split every time."""
    data = load_breast_cancer()
    rows = len(data.target)
    order = np.random.default_rng(7).permutation(rows)
    at_guest, at_host = np.ones(rows, bool), np.ones(rows, bool)
    at_guest[order[:GUEST_MISSES]] = False
    at_host[order[GUEST_MISSES : GUEST_MISSES + HOST_MISSES]] = False
    return Split(
        ids=tuple(f"patient-{number:04d}" for number in range(rows)),
        features=data.data,
        names=tuple(name.replace(" ", "_") for name in data.feature_names),
        label=data.target,
        at_guest=at_guest,
        at_host=at_host,
    )


def write_csv(folder: Path) -> tuple[Path, Path]:
    """Write ``breast_cancer_guest.csv`` and ``breast_cancer_host.csv``; returns both paths."""
    split = split_breast_cancer()
    shuffle = np.random.default_rng(11)
    folder.mkdir(parents=True, exist_ok=True)
    guest, host = folder / "breast_cancer_guest.csv", folder / "breast_cancer_host.csv"
    sides = [
        (guest, split.at_guest, slice(0, GUEST_FEATURES), ["y"]),
        (host, split.at_host, slice(GUEST_FEATURES, None), []),
    ]
    for path, present, columns, label in sides:
        lines = [",".join(["id", *label, *split.names[columns]])]
        for row in shuffle.permutation(np.flatnonzero(present)):
            values = [str(split.label[row])] if label else []
            values += [repr(float(value)) for value in split.features[row, columns]]
            lines.append(",".join([split.ids[row], *values]))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return guest, host


if __name__ == "__main__":
    for path in write_csv(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        print(path)
