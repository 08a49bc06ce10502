"""Quality on FATE's own data, with the settings of its benchmark."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score, roc_curve, root_mean_squared_error

from fate_federated.party import Party
from linear.parties import GUEST, HOSTS, Case

DATA = Path(__file__).parents[3] / "shared" / "fate-data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"FATE's data are not in {DATA}")

Floats = npt.NDArray[np.float64]


def read(module: str, name: str, label: str, rows: int | None = None) -> Case:
    """A guest's and a host's file, rows matched by id."""
    columns: dict[Party, dict[str, list[float]]] = {}
    header: dict[Party, list[str]] = {}
    for party, side in ((GUEST, "guest"), (HOSTS[0], "host")):
        with (DATA / f"{name}_hetero_{side}.csv").open() as file:
            lines = csv.reader(file)
            header[party] = next(lines)[1:]
            columns[party] = {line[0]: [float(value) for value in line[1:]] for line in lines}
    ids = [row for row in columns[GUEST] if row in columns[HOSTS[0]]][:rows]
    guest, host = (np.array([columns[party][row] for row in ids]) for party in (GUEST, HOSTS[0]))
    place = header[GUEST].index(label)
    own = np.delete(guest, place, axis=1)
    parts = {GUEST: slice(0, own.shape[1]), HOSTS[0]: slice(own.shape[1], own.shape[1] + host.shape[1])}
    return Case(module, np.column_stack([own, host]), guest[:, place], parts)


def predicted(data: Case, **params: Any) -> Floats:
    """The predict_score of the training rows."""
    return np.array(data.fit(params)[GUEST].data.data.column("predict_score").to_numpy())


def test_breast_is_ranked() -> None:
    data = read("HeteroLR", "breast", "y")
    sqn = {"update_interval_L": 2, "memory_M": 3}
    score = predicted(data, optimizer="sqn", learning_rate=2.0, alpha=0.001, max_iter=60, sqn_param=sqn)
    assert roc_auc_score(data.label, score) >= 0.996


def test_motor_is_fitted() -> None:
    data = read("HeteroLinR", "motor", "motor_speed")
    score = predicted(data, optimizer="sgd", learning_rate=0.13, alpha=0.01, max_iter=6, batch_size=100)
    assert r2_score(data.label, score) >= 0.90


def test_some_visits_to_doctors_are_counted() -> None:
    data = read("HeteroPoisson", "dvisits", "doctorco", rows=600)
    score = predicted(data, optimizer="adam", learning_rate=0.1, alpha=0.001, max_iter=6, batch_size=200)
    assert root_mean_squared_error(data.label, score) <= 0.94 * data.label.std()


def test_vehicles_are_told_apart() -> None:
    data = read("HeteroLR", "vehicle_scale", "y")
    params = {"optimizer": "adam", "learning_rate": 0.3, "alpha": 1e-5, "max_iter": 8, "batch_size": 128}
    chosen = data.fit(params)[GUEST].data.data.column("predict_result").to_numpy()
    assert accuracy_score(data.label, chosen) >= 0.72


def test_some_credit_is_ranked() -> None:
    data = read("HeteroLR", "default_credit", "y", rows=4000)
    score = predicted(data, optimizer="rmsprop", learning_rate=0.15, alpha=0.001, max_iter=5, batch_size=3200)
    false, true, _ = roc_curve(data.label, score)
    assert roc_auc_score(data.label, score) >= 0.716
    assert (true - false).max() >= 0.37
