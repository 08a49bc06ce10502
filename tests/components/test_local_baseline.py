from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from fate_federated.errors import DataError, DslError, ModelError
from fate_federated.federation import Federation, PartyResult, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.model import Model
from fate_federated.task.table import Table

SHARED = Path(__file__).parents[3] / "shared" / "fate-data"
COLUMNS = ["x0", "x1", "x2"]
OF_CURRENT_VERSION = {"l2": {}, "l1": {"l1_ratio": 1.0}, "elasticnet": {"l1_ratio": 0.3}, None: {"C": np.inf}}


def rows(classes: int = 2, count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, shape (rows, 3), and labels 0, 1 ..."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3))
    scores = features @ rng.normal(size=(3, classes)) + rng.gumbel(size=(count, classes))
    return features, scores.argmax(axis=1)


def table_of(features: np.ndarray, label: Any, **columns: Any) -> Table:
    named = dict(zip(COLUMNS, features.T, strict=True))
    return make_table(range(len(features)), named | columns, label)


def run(guest: Party, params: dict[str, Any], inputs: Inputs | Table) -> PartyResult:
    return Federation([guest]).run("LocalBaseline", params, {guest: inputs})[guest]


def column(result: PartyResult, name: str) -> np.ndarray:
    return result.data.data[name].to_numpy()


def chances(result: PartyResult) -> np.ndarray:
    return np.array([list(json.loads(text).values()) for text in result.data.data["predict_detail"].to_pylist()])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"penalty": "l1", "solver": "liblinear", "C": 0.3, "random_state": 1},
        {"penalty": "elasticnet", "solver": "saga", "l1_ratio": 0.3, "random_state": 1, "max_iter": 500},
        {"penalty": None, "solver": "newton-cg"},
        {"penalty": "None", "fit_intercept": False},
        {"class_weight": "balanced", "solver": "newton-cholesky"},
    ],
)
def test_two_classes_are_predicted_as_by_scikit_learn(guest: Party, options: dict[str, Any]) -> None:
    features, label = rows()
    label = np.where(label == 1, 1, -1)
    result = run(guest, {"model_opts": options}, table_of(features, label))
    penalty = None if options.get("penalty") == "None" else options.get("penalty", "l2")
    others = {name: value for name, value in options.items() if name != "penalty"}
    expected = LogisticRegression(**others | OF_CURRENT_VERSION[penalty]).fit(features, label)
    chance = expected.predict_proba(features)
    np.testing.assert_allclose(column(result, "predict_score"), chance[:, 1], atol=1e-12)
    np.testing.assert_allclose(chances(result), chance, atol=1e-12)
    np.testing.assert_array_equal(column(result, "predict_result"), expected.predict(features))
    np.testing.assert_array_equal(column(result, "label"), label)
    assert result.data.data.column_names[1:] == ["label", "predict_result", "predict_score", "predict_detail", "type"]
    assert json.loads(result.data.data["predict_detail"][0].as_py()).keys() == {"-1", "1"}
    assert result.summary["coef"] == pytest.approx(dict(zip(COLUMNS, expected.coef_[0], strict=True)))
    assert result.summary["intercept"] == pytest.approx(float(np.ravel(expected.intercept_)[0]))
    assert result.summary["iters"] == expected.n_iter_.max()
    assert (result.summary["is_converged"], result.summary["one_vs_rest"]) == (True, False)
    assert result.traffic.sent == 0


def test_the_threshold_decides(guest: Party) -> None:
    features, label = rows()
    result = run(guest, {"predict_param": {"threshold": 0.8}}, table_of(features, label))
    np.testing.assert_array_equal(column(result, "predict_result"), column(result, "predict_score") > 0.8)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, LogisticRegression()),
        ({"multi_class": "multinomial", "penalty": None}, LogisticRegression(C=np.inf)),
        ({"multi_class": "ovr"}, OneVsRestClassifier(LogisticRegression())),
        ({"multi_class": "ovr", "fit_intercept": False}, OneVsRestClassifier(LogisticRegression(fit_intercept=False))),
        ({"solver": "liblinear"}, OneVsRestClassifier(LogisticRegression(solver="liblinear"))),
    ],
)
def test_several_classes_are_predicted_as_by_scikit_learn(guest: Party, options: dict[str, Any], expected: Any) -> None:
    features, label = rows(classes=4)
    result = run(guest, {"model_opts": options}, table_of(features, label))
    chance = expected.fit(features, label).predict_proba(features)
    np.testing.assert_allclose(chances(result), chance, atol=1e-9)
    np.testing.assert_allclose(column(result, "predict_score"), chance.max(axis=1), atol=1e-9)
    np.testing.assert_array_equal(column(result, "predict_result"), expected.predict(features))
    assert result.summary["one_vs_rest"] is True
    assert result.summary.keys() == {"0", "1", "2", "3", "one_vs_rest"}
    assert result.summary["2"].keys() == {"coef", "intercept", "is_converged", "iters"}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("LinearRegression", {}, LinearRegression()),
        ("linearregression", {"positive": True, "fit_intercept": False},
         LinearRegression(positive=True, fit_intercept=False)),
        ("Ridge", {"alpha": 3.0, "solver": "cholesky"}, Ridge(alpha=3.0, solver="cholesky")),
        ("PoissonRegressor", {"alpha": 0.1, "max_iter": 300}, PoissonRegressor(alpha=0.1, max_iter=300)),
    ],
)  # fmt: skip
def test_numbers_are_predicted_as_by_scikit_learn(
    guest: Party, name: str, options: dict[str, Any], expected: Any
) -> None:
    features, _ = rows()
    label = np.random.default_rng(1).poisson(np.exp(features @ [0.5, -0.2, 0.1]))
    result = run(guest, {"model_name": name, "model_opts": options}, table_of(features, label))
    value = expected.fit(features, label).predict(features)
    np.testing.assert_allclose(column(result, "predict_score"), value, rtol=1e-12)
    np.testing.assert_allclose(column(result, "predict_result"), value, rtol=1e-12)
    assert result.summary["is_converged"]


@pytest.mark.parametrize("class_weight", [None, {"0": 2.0, "1": 0.5}])
def test_rows_count_by_their_weight_and_their_labels(guest: Party, class_weight: dict[str, float] | None) -> None:
    features, label = rows()
    weight = np.random.default_rng(2).integers(0, 4, 300) / 2
    table = table_of(features, label, weight=weight)
    weighted = Table(table.data, "id", "y", weight_column="weight")
    result = run(guest, {"model_opts": {"class_weight": class_weight}}, weighted)
    by_number = None if class_weight is None else {int(name): value for name, value in class_weight.items()}
    expected = LogisticRegression(class_weight=by_number).fit(features, label, weight)
    np.testing.assert_allclose(column(result, "predict_score"), expected.predict_proba(features)[:, 1], atol=1e-9)


@pytest.mark.parametrize(("classes", "options"), [(2, {}), (3, {}), (3, {"multi_class": "ovr"})])
def test_a_model_predicts_other_rows_as_it_did_when_it_was_fitted(
    guest: Party, classes: int, options: dict[str, Any]
) -> None:
    features, label = rows(classes)
    other, other_label = rows(classes, seed=5)
    inputs = Inputs(data={"train_data": [table_of(features, label)], "validate_data": [table_of(other, other_label)]})
    fitted = run(guest, {"model_opts": options}, inputs)
    assert column(fitted, "type").tolist() == ["train"] * 300 + ["validate"] * 300
    kept = fitted.model
    assert kept is not None
    assert kept.module == "LocalBaseline"
    read = Model(
        kept.module,
        type(kept.meta).FromString(kept.meta.SerializeToString()),
        type(kept.param).FromString(kept.param.SerializeToString()),
    )
    turned = make_table(range(300), dict(zip(reversed(COLUMNS), other.T[::-1], strict=True)) | {"more": other[:, 0]})
    predicted = run(guest, {"model_opts": options}, Inputs(data={"test_data": [turned]}, model=read))
    np.testing.assert_allclose(chances(predicted), chances(fitted)[300:], atol=1e-12)
    np.testing.assert_array_equal(column(predicted, "predict_result"), column(fitted, "predict_result")[300:])
    assert set(column(predicted, "type")) == {"predict"}
    assert predicted.data.data["label"].null_count == 300
    assert predicted.model is read


def test_an_evaluation_compares_it_with_others(guest: Party) -> None:
    features, label = rows(classes=3)
    predictions = run(guest, {"model_opts": {"multi_class": "ovr"}}, table_of(features, label)).data
    inputs = Inputs(data={"data": [predictions]}, sources={"data": ["local_baseline_0"]})
    params = {"eval_type": "multi", "unfold_multi_result": True}
    result = Federation([guest]).run("Evaluation", params, {guest: inputs})[guest]
    scores = result.summary["local_baseline_0"]["train"]
    assert scores["accuracy"] == pytest.approx((column_of(predictions, "predict_result") == label).mean())
    assert all(scores["ovr"][name]["auc"] > 0.6 for name in "012")


def column_of(table: Table, name: str) -> np.ndarray:
    return table.data[name].to_numpy()


def test_a_host_with_a_label_has_a_baseline_of_its_own(guest: Party, host: Party) -> None:
    first, second = (table_of(*rows(seed=seed)) for seed in (1, 2))
    results = Federation([guest, host]).run("LocalBaseline", inputs={guest: first, host: second})
    assert results[guest].summary["coef"] != results[host].summary["coef"]
    features = make_table(range(300), {"x0": np.zeros(300)})
    with pytest.raises(DataError, match="data of host-10000 has none"):
        Federation([guest, host]).run("LocalBaseline", inputs={guest: first, host: features})
    party_params = {host: {"need_run": False}}
    passed = Federation([guest, host]).run(
        "LocalBaseline", inputs={guest: first, host: features}, party_params=party_params
    )
    assert passed[host].data is features


def test_too_few_iterations_are_said(guest: Party, caplog: pytest.LogCaptureFixture) -> None:
    features, label = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(guest, {"model_opts": {"max_iter": 2}}, table_of(features, label))
    assert (result.summary["is_converged"], result.summary["iters"]) == (False, 2)
    assert "LogisticRegression did not converge in 2 iterations" in caplog.text


def test_the_log_says_what_was_fitted(guest: Party, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(guest, {}, table_of(*rows()))
    assert "fitted LogisticRegression to 300 rows and 3 columns" in caplog.text


@pytest.mark.parametrize(
    ("params", "label", "text"),
    [
        ({}, [1, 1, 1], "labels of one class only"),
        ({}, [0, None, 1], "label of 1 training rows is missing, the first that of row 2"),
        ({}, ["a", "b", "a"], "The labels in column 'y' are texts, not numbers"),
        ({"model_opts": {"multi_class": "multinomial"}}, [0, 1, 1], "two classes only: multi_class is auto or ovr"),
        ({"model_opts": {"class_weight": {"7": 1.0}}}, [0, 1, 1], "class_weight names 7, which is no label"),
        ({"model_name": "PoissonRegressor"}, [-1, 1, 1], "PoissonRegressor of scikit-learn cannot be fitted"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(
    guest: Party, params: dict[str, Any], label: list[Any], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        run(guest, params, table_of(np.eye(3), label))


def test_rows_that_cannot_be_learnt_from_are_refused(guest: Party) -> None:
    with pytest.raises(DataError, match="missing or infinite in x1"):
        run(guest, {}, table_of(np.array([[1.0, np.nan, 2.0], [1, 2, 3]]), [0, 1]))
    with pytest.raises(DataError, match="training data has no rows"):
        run(guest, {}, table_of(np.empty((0, 3)), pa.array([], pa.int64())))
    with pytest.raises(DataError, match="at least one feature column"):
        run(guest, {}, make_table(range(2), {}, [0, 1]))
    with pytest.raises(DataError, match="no input data"):
        run(guest, {}, Inputs())
    with pytest.raises(ModelError, match="neither training data nor a model"):
        run(guest, {}, Inputs(data={"test_data": [table_of(*rows())]}))


def test_a_model_of_other_columns_or_another_module_is_refused(guest: Party) -> None:
    model = run(guest, {}, table_of(*rows())).model
    assert model is not None
    lacking = make_table(range(2), {"x0": [1.0, 2.0], "x2": [1.0, 2.0]})
    with pytest.raises(ModelError, match="columns that the table lacks: x1"):
        run(guest, {}, Inputs(data={"test_data": [lacking]}, model=model))
    with pytest.raises(ModelError, match="LocalBaseline cannot apply a model of HeteroLR"):
        run(guest, {}, Inputs(data={"test_data": [lacking]}, model=Model("HeteroLR", model.param, model.param)))
    with pytest.raises(ModelError, match="does not say how its scores become predictions"):
        run(guest, {}, Inputs(data={"test_data": [lacking]}, model=Model("LocalBaseline", model.param, model.param)))


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"model_name": "RandomForestClassifier"}, "/LocalBaseline/model_name"),
        ({"model_name": "os.system"}, "/LocalBaseline/model_name"),
        (
            {"model_opts": {"c": 1.0}},
            "/LocalBaseline/model_opts: model_opts: the model LogisticRegression has no option c",
        ),
        ({"model_opts": {"C": 0}}, "option C of LogisticRegression: Input should be greater than 0"),
        (
            {"model_opts": {"max_iter": "many"}},
            "option max_iter of LogisticRegression: Input should be a valid integer",
        ),
        ({"model_opts": {"penalty": "l1"}}, "the solver lbfgs has no penalty l1"),
        ({"model_opts": {"penalty": "elasticnet", "solver": "saga"}}, "needs l1_ratio"),
        ({"model_opts": {"dual": True}}, "dual needs the solver liblinear"),
        ({"model_opts": {"solver": "liblinear", "multi_class": "multinomial"}}, "has no multi_class multinomial"),
        ({"model_opts": {"class_weight": {"bus": 1.0}}}, "labels are numbers, and 'bus' is none"),
        ({"model_name": "Ridge", "model_opts": {"C": 1.0}}, "the model Ridge has no option C"),
    ],
)
def test_options_that_the_model_has_not_are_refused(guest: Party, params: dict[str, Any], text: str) -> None:
    with pytest.raises(DslError) as caught:
        run(guest, params, table_of(*rows()))
    assert text in str(caught.value)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
def test_the_options_of_fates_example_fit_its_vehicles(guest: Party) -> None:
    options = {"penalty": "l2", "tol": 0.0001, "C": 1.0, "fit_intercept": True, "solver": "lbfgs", "max_iter": 5,
               "multi_class": "ovr"}  # fmt: skip
    data = pv.read_csv(SHARED / "vehicle_scale_hetero_guest.csv")
    names = [name for name in data.column_names if name not in ("id", "y")]
    features = StandardScaler().fit_transform(np.column_stack([data[name].to_numpy() for name in names]))
    label = data["y"].to_numpy()
    table = make_table(data["id"].to_pylist(), dict(zip(names, features.T, strict=True)), label)
    result = run(guest, {"model_opts": options}, Inputs(data={"train_data": [table]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = OneVsRestClassifier(LogisticRegression(max_iter=5)).fit(features, label)
    np.testing.assert_allclose(chances(result), expected.predict_proba(features), atol=1e-9)
    assert (column(result, "predict_result") == label).mean() > 0.5
