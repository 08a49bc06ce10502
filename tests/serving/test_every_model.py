"""Online scores are those of a prediction job, for every model that can be served."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from serving_models import ARBITER, GUEST, HOST, SECOND_HOST, Trained, features, rows, start, step, train

from fate_federated.party import Party
from fate_federated.task.table import Table
from fate_serving.compiling import Compiled, compile_part
from fate_serving.inference import Outcome
from fate_serving.parts import read_part, unpack

FAST = {"encrypt_param": {"key_length": 1024}}
LINEAR = {"max_iter": 3, "learning_rate": 0.1, **FAST}
TREES = {"num_trees": 4, "tree_param": {"max_depth": 3}, "bin_num": 8, "encrypt_param": {"key_length": 1024}}
COUNT = 48


def compiled(trained: Trained, folder: Path) -> dict[Party, Compiled]:
    found = {}
    for party, file in trained.zips(folder / "zips").items():
        if party != GUEST and any(node.module == "LocalBaseline" for node in trained.pipeline.nodes):
            continue  # it is the guest's alone
        unpack(file, folder / str(party))
        found[party] = compile_part(read_part(folder / str(party), party))
    return found


def online(parts: Mapping[Party, Compiled], tables: Mapping[Party, Table], party: Party = GUEST) -> list[Outcome]:
    """The data of each row, without a network between."""
    guest = parts[party].guest
    assert guest is not None
    answers = {}
    for host in guest.scorer.hosts:
        theirs = [as_said(features(tables[host], row)) for row in range(len(tables[host]))]
        answers[host] = parts[host].host[guest.component].answer(theirs)
    own = [as_said(features(tables[party], row)) for row in range(len(tables[party]))]
    return guest.data(guest.scorer.predict(guest.chain.frame(own), answers))


def vertical(module: str, params: dict[str, Any], **more: Any) -> Callable[[], tuple[Trained, str]]:
    def make() -> tuple[Trained, str]:
        tables = more.pop("tables", None) or rows(COUNT)
        components = {**start(), "model_0": step(module, "train_data", "intersection_0.data")}
        return train(components, {"model_0": params}, tables, **more), "model_0"

    return make


def behind(module: str, params: dict[str, Any], **more: Any) -> Callable[[], tuple[Trained, str]]:
    """HeteroLR behind a transformation."""

    def make() -> tuple[Trained, str]:
        components = {
            **start(),
            "before_0": step(module, "data", "intersection_0.data"),
            "model_0": step("HeteroLR", "train_data", "before_0.data"),
        }
        tables = more.pop("tables", None) or rows(COUNT)
        return train(components, {"before_0": params, "model_0": LINEAR}, tables, **more), "model_0"

    return make


def with_gaps(tables: dict[Party, Table]) -> dict[Party, Table]:
    """Some values missing."""
    found = {}
    for party, table in tables.items():
        data = table.data
        for name in data.column_names[-2:]:
            column = data.column(name).to_numpy().copy()
            column[::5] = np.nan
            data = data.set_column(data.column_names.index(name), name, pa.array(column, from_pandas=True))
        found[party] = replace(table, data=data)
    return found


def several_hosts() -> tuple[Trained, str]:
    parties = (GUEST, HOST, SECOND_HOST, ARBITER)
    components = {**start(), "model_0": step("HeteroLR", "train_data", "intersection_0.data")}
    return train(components, {"model_0": LINEAR}, rows(COUNT, hosts=(HOST, SECOND_HOST)), parties=parties), "model_0"


def trees_of_several_hosts() -> tuple[Trained, str]:
    parties = (GUEST, HOST, SECOND_HOST)
    components = {**start(), "model_0": step("HeteroSecureBoost", "train_data", "intersection_0.data")}
    return train(components, {"model_0": TREES}, rows(COUNT, hosts=(HOST, SECOND_HOST)), parties=parties), "model_0"


def with_words() -> tuple[Trained, str]:
    """Texts at the guest, outliers and words for what is missing."""
    tables = rows(COUNT)
    data = tables[GUEST].data
    values = data.column("g1").to_pylist()
    texts = ["unknown" if row % 7 == 0 else f"{value:.6f}" for row, value in enumerate(values)]
    data = data.set_column(data.column_names.index("g1"), "g1", pa.array(texts))
    color = pa.array(["red" if row % 3 else "blue" for row in range(COUNT)])
    tables[GUEST] = replace(tables[GUEST], data=data.append_column("color", color))
    components = {
        **start(),
        "one_hot_0": step("OneHotEncoder", "data", "intersection_0.data"),
        "model_0": step("HeteroLR", "train_data", "one_hot_0.data"),
    }
    own = {
        "data_transform_0": {
            "with_label": True, "missing_fill": True, "missing_fill_method": "designated", "default_value": 0,
            "missing_impute": ["unknown"],
            "exclusive_data_type": {"color": "str"}, "outlier_replace": True, "outlier_impute": [3],
            "outlier_replace_method": "designated", "outlier_replace_value": 1,
        },
        "one_hot_0": {"transform_col_indexes": [], "transform_col_names": ["color", "g0"]},
    }  # fmt: skip
    one_hot = {"transform_col_indexes": [], "transform_col_names": ["h0"]}
    return train(components, {"model_0": LINEAR, "one_hot_0": one_hot}, tables, of_guest=own), "model_0"


def scorecard() -> tuple[Trained, str]:
    components = {
        **start(),
        "model_0": step("HeteroLR", "train_data", "intersection_0.data"),
        "card_0": step("Scorecard", "data", "model_0.data", model=False),
    }
    return train(components, {"model_0": LINEAR, "card_0": {"offset": 600, "factor": 30}}, rows(COUNT)), "card_0"


def relabelled() -> tuple[Trained, str]:
    components = {
        **start(),
        "label_transform_0": step("LabelTransform", "data", "intersection_0.data"),
        "model_0": step("HeteroLR", "train_data", "label_transform_0.data"),
    }
    params = {"model_0": LINEAR, "label_transform_0": {"label_encoder": {"0": 1, "1": 0}}}
    return train(components, params, rows(COUNT)), "model_0"


def relabelled_and_back() -> tuple[Trained, str]:
    """Labels -5 and 7, which the model knows as 0 and 1."""
    tables = rows(COUNT)
    label = pa.array([7 if each else -5 for each in tables[GUEST].data.column("y").to_pylist()])
    data = tables[GUEST].data
    tables[GUEST] = replace(tables[GUEST], data=data.set_column(data.column_names.index("y"), "y", label))
    back = step("LabelTransform", "data", "model_0.data", model=False)
    back["input"]["model"] = ["label_transform_0.model"]
    components = {
        **start(),
        "label_transform_0": step("LabelTransform", "data", "intersection_0.data"),
        "model_0": step("HeteroLR", "train_data", "label_transform_0.data"),
        "label_transform_1": back,
    }
    return train(components, {"model_0": LINEAR}, tables), "label_transform_1"


def lines(form: str, params: dict[str, Any]) -> Callable[[], tuple[Trained, str]]:
    """Rows that are one text each."""

    def make() -> tuple[Trained, str]:
        tables = rows(COUNT)
        found = {}
        for party, table in tables.items():
            names = [name for name in table.feature_names if name != "y"]
            texts = []
            for row in range(COUNT):
                items = [
                    f"{place if form == 'sparse' else name}:{table.data.column(name)[row].as_py()}"
                    for place, name in enumerate(names)
                    if (row + place) % 4
                ]
                label = [str(table.data.column("y")[row].as_py())] if party == GUEST else []
                texts.append(",".join(label + items))
            found[party] = Table(pa.table({"id": table.ids, "line": texts}), "id")
        said = {"input_format": form, "delimitor": ",", "tag_value_delimitor": ":", "with_label": False, **params}
        components = {**start(), "model_0": step("HeteroLR", "train_data", "intersection_0.data")}
        own = {"data_transform_0": {**said, "with_label": True}}
        trained = train(components, {"model_0": LINEAR, "data_transform_0": said}, found, of_guest=own)
        return trained, "model_0"

    return make


def as_said(row: dict[str, Any]) -> dict[str, Any]:
    """A row's features; of a row that is a line its items."""
    if set(row) != {"line"}:
        return row
    items = [item.rpartition(":") for item in row["line"].split(",")]
    return {name: float(value) for name, colon, value in items if colon}


def data_io() -> tuple[Trained, str]:
    components = {**start(), "model_0": step("HeteroLR", "train_data", "intersection_0.data")}
    components["data_transform_0"]["module"] = "DataIO"
    return train(components, {"model_0": LINEAR}, rows(COUNT)), "model_0"


def homo_behind(module: str, params: dict[str, Any]) -> Callable[[], tuple[Trained, str]]:
    def make() -> tuple[Trained, str]:
        everyone = rows(2 * COUNT, columns=4)[GUEST]
        half = np.arange(COUNT)
        tables = {GUEST: everyone.take(half), HOST: everyone.take(half + COUNT)}
        components = {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            "data_transform_0": step("DataTransform", "data", "reader_0.data"),
            "before_0": step(module, "data", "data_transform_0.data"),
            "model_0": step("HomoLR", "train_data", "before_0.data"),
        }
        labelled = {"data_transform_0": {"with_label": True}}
        return train(components, {"before_0": params, "model_0": {"max_iter": 2}}, tables, of_host=labelled), "model_0"

    return make


def baseline(params: dict[str, Any], classes: int = 2) -> Callable[[], tuple[Trained, str]]:
    def make() -> tuple[Trained, str]:
        components = {**start(), "model_0": step("LocalBaseline", "train_data", "intersection_0.data")}
        nothing = {"model_0": {"need_run": False}}
        tables = rows(COUNT, classes=classes)
        return train(components, {"model_0": params}, tables, parties=(GUEST, HOST), of_host=nothing), "model_0"

    return make


def woe_then_selection_then_scale() -> tuple[Trained, str]:
    components = {
        **start(),
        "binning_0": step("HeteroFeatureBinning", "data", "intersection_0.data"),
        "selection_0": step("HeteroFeatureSelection", "data", "binning_0.data"),
        "scale_0": step("FeatureScale", "data", "selection_0.data"),
        "model_0": step("HeteroLR", "train_data", "scale_0.data"),
    }
    params = {
        "binning_0": {"bin_num": 4, "transform_param": {"transform_cols": -1, "transform_type": "woe"}, **FAST},
        "selection_0": {
            "filter_methods": ["manually", "unique_value"], "manually_param": {"filter_out_indexes": [0]},
        },
        "model_0": LINEAR,
    }  # fmt: skip
    return train(components, params, rows(COUNT)), "model_0"


def homo(module: str, params: dict[str, Any]) -> Callable[[], tuple[Trained, str]]:
    def make() -> tuple[Trained, str]:
        everyone = rows(2 * COUNT, columns=4)[GUEST]
        half = np.arange(COUNT)
        tables = {GUEST: everyone.take(half), HOST: everyone.take(half + COUNT)}
        components = {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            "data_transform_0": step("DataTransform", "data", "reader_0.data"),
            "model_0": step(module, "train_data", "data_transform_0.data"),
        }
        labelled = {"data_transform_0": {"with_label": True}}
        return train(components, {"model_0": params}, tables, of_host=labelled), "model_0"

    return make


MODELS: dict[str, Callable[[], tuple[Trained, str]]] = {
    "HeteroLR": vertical("HeteroLR", LINEAR),
    "HeteroLR, one against the rest": vertical("HeteroLR", LINEAR, tables=rows(COUNT, classes=3)),
    "HeteroLR, several hosts": several_hosts,
    "HeteroLinR": vertical("HeteroLinR", LINEAR),
    "HeteroPoisson": vertical("HeteroPoisson", {**LINEAR, "learning_rate": 0.01}),
    "HeteroPoisson with an exposure": vertical(
        "HeteroPoisson", {**LINEAR, "learning_rate": 0.01, "exposure_colname": "e"},
        tables={
            **rows(COUNT),
            GUEST: replace(
                (guest := rows(COUNT)[GUEST]), data=guest.data.append_column("e", pa.array(np.linspace(0.5, 2, COUNT)))
            ),
        },
    ),
    "HeteroSSHELR": vertical("HeteroSSHELR", LINEAR, parties=(GUEST, HOST)),
    "HeteroSecureBoost": vertical("HeteroSecureBoost", TREES, parties=(GUEST, HOST)),
    "HeteroSecureBoost, three classes": vertical(
        "HeteroSecureBoost", TREES, parties=(GUEST, HOST), tables=rows(COUNT, classes=3)
    ),
    "HeteroSecureBoost, missing values": vertical(
        "HeteroSecureBoost", {**TREES, "use_missing": True}, parties=(GUEST, HOST), tables=with_gaps(rows(COUNT))
    ),
    "HeteroSecureBoost, zero is missing": vertical(
        "HeteroSecureBoost", {**TREES, "use_missing": True, "zero_as_missing": True}, parties=(GUEST, HOST)
    ),
    "HeteroSecureBoost, regression": vertical(
        "HeteroSecureBoost",
        {**TREES, "task_type": "regression", "objective_param": {"objective": "lse"}}, parties=(GUEST, HOST),
    ),
    "HeteroSecureBoost, several hosts": trees_of_several_hosts,
    "HeteroFastSecureBoost, mix": vertical(
        "HeteroFastSecureBoost", {**TREES, "work_mode": "mix", "tree_num_per_party": 1}, parties=(GUEST, HOST)
    ),
    "HeteroFastSecureBoost, layered": vertical(
        "HeteroFastSecureBoost", {**TREES, "work_mode": "layered", "guest_depth": 1, "host_depth": 2},
        parties=(GUEST, HOST),
    ),
    "FeatureScale, min-max": behind("FeatureScale", {"method": "min_max_scale"}),
    "FeatureScale, some columns": behind(
        "FeatureScale", {"scale_col_indexes": [1], "feat_upper": 0.5, "mode": "normal"}
    ),
    "FeatureImputation": behind(
        "FeatureImputation", {"missing_fill_method": "mean"}, tables=with_gaps(rows(COUNT))
    ),
    "HeteroFeatureBinning, bin numbers": behind(
        "HeteroFeatureBinning",
        {"bin_num": 4, "transform_param": {"transform_cols": -1, "transform_type": "bin_num"}, **FAST},
    ),
    "WOE, selection and scale": woe_then_selection_then_scale,
    "ColumnExpand": behind("ColumnExpand", {"append_header": ["more"], "fill_value": [2]}),
    "OneHotEncoder, texts and outliers": with_words,
    "Scorecard": scorecard,
    "LabelTransform before": relabelled,
    "LabelTransform before and after": relabelled_and_back,
    "DataTransform of sparse lines": lines("sparse", {}),
    "DataTransform of tags with values": lines("tag", {"tag_with_value": True, "missing_fill": False}),
    "DataTransform of tags with values, filled": lines(
        "tag",
        {
            "tag_with_value": True, "missing_fill": True, "missing_fill_method": "designated", "default_value": 3,
        },
    ),
    "DataIO": data_io,
    "HeteroSSHELinR": vertical("HeteroSSHELinR", LINEAR, parties=(GUEST, HOST)),
    "LocalBaseline": baseline({"model_name": "LogisticRegression"}),
    "LocalBaseline, three classes": baseline({"model_name": "LogisticRegression"}, classes=3),
    "HomoFeatureBinning": homo_behind(
        "HomoFeatureBinning", {"bin_num": 4, "transform_param": {"transform_cols": -1, "transform_type": "bin_num"}}
    ),
    "HomoOneHotEncoder": homo_behind(
        "HomoOneHotEncoder", {"transform_col_indexes": [], "transform_col_names": ["g0"]}
    ),
    "HomoLR": homo("HomoLR", {"max_iter": 2}),
    "HomoSecureBoost": homo("HomoSecureBoost", {"num_trees": 2, "tree_param": {"max_depth": 2}}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_online_equals_offline(name: str, tmp_path: Path) -> None:
    trained, component = MODELS[name]()
    tables = {party: table.take(np.arange(COUNT)[::-1].copy()) for party, table in trained.tables.items()}
    parts = compiled(trained, tmp_path)
    offline = trained.predicted(tables, component).data
    found = online(parts, tables)
    ids = tables[GUEST].ids.to_pylist()
    _same(dict(zip(ids, found, strict=True)), offline, component)
    if name.startswith("Homo"):
        theirs = dict(zip(tables[HOST].ids.to_pylist(), online(parts, tables, HOST), strict=True))
        _same(theirs, trained.predicted(tables, component, HOST).data, component)


def _same(found: dict[str, Outcome], offline: pa.Table, component: str) -> None:
    assert len(found) == COUNT
    for row in offline.to_pylist():
        data = found[row["id"]]
        assert isinstance(data, Mapping)
        if isinstance(data["score"], list):
            detail = json.loads(row["predict_detail"])
            assert data["score"] == pytest.approx(list(detail.values()), abs=1e-9)
            assert data["label"] == row["predict_result"]
        else:
            assert data["score"] == pytest.approx(row["predict_score"], abs=1e-9)
        if component.startswith("label_transform"):
            assert data["label"] == row["predict_result"]
        if "credit_score" in row:
            assert data["credit_score"] == pytest.approx(row["credit_score"], abs=1e-9)
    scores = [row["predict_score"] for row in offline.to_pylist()]
    assert len(set(scores)) > 1


def test_every_module_that_is_served_is_tested() -> None:
    from fate_serving.compiling import AFTERWARDS, INTAKE, SCORING
    from fate_serving.steps import STEPS

    tested = {module for name in MODELS for module in (name.partition(",")[0].split(" ")[0],)}
    elsewhere = {"HeteroFeatureSelection", "HomoSecureboost"}  # in a chain, and HomoSecureBoost by its old name
    assert {*SCORING, *STEPS, *AFTERWARDS, *INTAKE} - tested <= elsewhere
