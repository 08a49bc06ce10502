"""How good models over horizontally split rows are on FATE's data, where these are beside this repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from tests.homo.homo_parties import Floats, Pool

DATA = Path(__file__).parents[3] / "shared" / "fate-data"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="FATE's data are not beside this repository")


def read(name: str) -> Floats:
    """Without the ids."""
    rows: Floats = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1)
    return rows


def both(name: str) -> Pool:
    """The guest's rows, then the host's."""
    parts = [read(f"{name}_homo_{side}")[:, 1:] for side in ("guest", "host")]
    rows = np.concatenate(parts)
    return Pool(rows[:, 1:], rows[:, 0].astype(int), [len(part) for part in parts])


def credit() -> Pool:
    """Rows of default_credit, divided anew among two parties."""
    guest, host = (read(f"default_credit_hetero_{side}") for side in ("guest", "host"))
    guest, host = guest[np.argsort(guest[:, 0])], host[np.argsort(host[:, 0])]
    assert (guest[:, 0] == host[:, 0]).all()
    return Pool(np.hstack([guest[:, 2:], host[:, 1:]]), guest[:, 1].astype(int), [18_000, 12_000])


def predictions(rows: Pool, module: str, params: dict[str, Any], column: str = "predict_score") -> Floats:
    """Of all parties' training rows."""
    results = rows.run(module, params)
    return np.concatenate([results[party].data.data.column(column).to_numpy() for party in rows.parties])


LR: dict[str, Any] = {"optimizer": "rmsprop", "learning_rate": 0.15, "init_param": {"init_method": "zeros"}, "tol": 0}


def test_homo_lr_ranks_as_well_as_one_party_with_all_rows() -> None:
    breast, default = both("breast"), credit()
    score = predictions(breast, "HomoLR", {**LR, "alpha": 0.01, "max_iter": 30})
    assert roc_auc_score(breast.label, score) >= 0.996
    score = predictions(default, "HomoLR", {**LR, "alpha": 0.001, "max_iter": 40})
    assert roc_auc_score(default.label, score) >= 0.716


def test_homo_lr_tells_several_classes_apart() -> None:
    vehicle = both("vehicle_scale")
    params = {**LR, "optimizer": "adam", "learning_rate": 0.3, "alpha": 0.001, "max_iter": 20, "batch_size": 16}
    found = predictions(vehicle, "HomoLR", params, "predict_result")
    assert (found == vehicle.label).mean() >= 0.696


def test_homo_secureboost_is_as_good_as_boosting_of_all_rows() -> None:
    for rows, trees in ((both("breast"), 20), (credit(), 10)):
        score = predictions(rows, "HomoSecureBoost", {"num_trees": trees, "n_iter_no_change": False})
        pooled = HistGradientBoostingClassifier(
            max_iter=trees, learning_rate=0.3, max_depth=3, max_leaf_nodes=None, max_bins=32, min_samples_leaf=1,
            l2_regularization=0.1, early_stopping=False,
        ).fit(rows.features, rows.label)  # fmt: skip
        expected = roc_auc_score(rows.label, pooled.predict_proba(rows.features)[:, 1])
        assert roc_auc_score(rows.label, score) >= expected - 0.002


def test_homo_secureboost_tells_several_classes_apart() -> None:
    vehicle = both("vehicle_scale")
    found = predictions(vehicle, "HomoSecureBoost", {"num_trees": 20}, "predict_result")
    assert (found == vehicle.label).mean() >= 0.95
