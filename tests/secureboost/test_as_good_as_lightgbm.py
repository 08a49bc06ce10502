"""What parties learn together predicts as well as LightGBM on the joined columns, on FATE's data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from boosting_parties import GUEST, HOSTS, learn, split_tables
from sklearn.metrics import roc_auc_score

from fate_components.secureboost.bins import Binned

DATA = Path(__file__).parents[3] / "shared" / "fate-data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="FATE's example data are not beside this clone")
BINS = 32
PARTIES = ("guest", "host")
Floats = npt.NDArray[np.float64]


def joined(name: str, label: str) -> tuple[Floats, Floats, int]:
    """Columns of guest and host, the label, and how many columns are the guest's."""
    guest, host = (np.genfromtxt(DATA / f"{name}_hetero_{role}.csv", delimiter=",", names=True) for role in PARTIES)
    (ids, _, *own), (key, *theirs) = guest.dtype.names, host.dtype.names
    _, at, of_host = np.intersect1d(guest[ids], host[key], return_indices=True)
    columns = [guest[column][at] for column in own] + [host[column][of_host] for column in theirs]
    return np.column_stack(columns), guest[label][at], len(own)


def learnt(features: Floats, label: Floats, own: int, params: dict[str, Any]) -> Floats:
    """Predictions for the training rows, shape (rows,), or (rows, classes)."""
    columns = range(features.shape[1])
    tables = split_tables(features, label, {GUEST: columns[:own], HOSTS[0]: columns[own:]})
    table = learn(params, tables)[GUEST].data.data
    if len(np.unique(label)) in (3, 4):
        return np.array([list(json.loads(text).values()) for text in table.column("predict_detail").to_pylist()])
    return table.column("predict_score").to_numpy()


def reference(features: Floats, label: Floats, rounds: int, **options: Any) -> Floats:
    """What LightGBM predicts, grown to the same depth with the same bins, rate, rounds and penalty."""
    given = {
        "learning_rate": 0.3, "max_depth": 3, "num_leaves": 8, "min_data_in_bin": 1, "lambda_l2": 0.1,
        "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0, "min_gain_to_split": 1e-3, "boost_from_average": False,
        "verbosity": -1, "num_threads": 1, "feature_pre_filter": False, **options,
    }  # fmt: skip
    in_bins = Binned.of(features, BINS).numbers
    return lightgbm.train(given, lightgbm.Dataset(in_bins, label), rounds).predict(in_bins)


@pytest.mark.parametrize(("name", "rows", "rounds"), [("breast", 569, 5), ("default_credit", 2000, 5)])
def test_two_classes_are_told_apart_as_well(name: str, rows: int, rounds: int) -> None:
    features, label, own = joined(name, "y")
    features, label = features[:rows], label[:rows]
    found = learnt(features, label, own, {"num_trees": rounds, "bin_num": BINS})
    expected = reference(features, label, rounds, objective="binary")
    assert abs(roc_auc_score(label, found) - roc_auc_score(label, expected)) <= 0.002


def test_several_classes_are_told_apart_as_well() -> None:
    features, label, own = joined("vehicle_scale", "y")
    found = learnt(features, label, own, {"num_trees": 3, "bin_num": BINS})
    expected = reference(features, label, 3, objective="multiclass", num_class=4)
    of_found, of_expected = (roc_auc_score(label, some, multi_class="ovr") for some in (found, expected))
    # LightGBM's second derivatives of several classes are 4/3 of these, so that its steps are smaller.
    assert of_found >= of_expected - 0.002


@pytest.mark.parametrize(("name", "of"), [("motor", "motor_speed"), ("student", "y")])
def test_numbers_are_predicted_as_well(name: str, of: str) -> None:
    features, label, own = joined(name, of)
    params = {"task_type": "regression", "objective_param": {"objective": "lse"}, "num_trees": 10, "bin_num": BINS}
    found = learnt(features, label, own, params)
    # LightGBM's derivatives of the squared error are half of FATE's, so that its penalty counts twice.
    expected = reference(features, label, 10, objective="l2", lambda_l2=0.05, boost_from_average=True)
    error, of_reference = (np.sqrt(np.mean((some - label) ** 2)) for some in (found, expected))
    assert error == pytest.approx(of_reference, rel=0.01)
