"""Tables and models as files of the site's storage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fate_federated.errors import DataError, ModelError
from fate_federated.federation import make_table
from fate_federated.pb import jobs_pb2
from fate_federated.pb.model import feature_scale_pb2 as pb
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.task_store import GatewayOutputStore, read_model, read_parquet, write_model, write_parquet

MODEL = Model(
    "FeatureScale",
    pb.ScaleMeta(method="min_max_scale", scale_cols=["x0"], with_mean=True),
    pb.ScaleParam(header=["x0", "x1"], col_scale_param={"x0": pb.ColumnScaleParam(mean=0.5, std=2.0)}),
)


def url(path: Path) -> str:
    return f"file://{path}"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), unique=True, max_size=20),
    labelled=st.booleans(),
    seed=st.integers(0, 100),
)
def test_a_table_comes_back_as_it_was(tmp_path: Path, ids: list[str], labelled: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, len(ids)) if labelled else None
    table = make_table(ids, {"x1": rng.normal(size=len(ids)), "x0": rng.normal(size=len(ids))}, label)
    location = url(tmp_path / "deep" / "table.parquet")
    write_parquet(location, table)
    back = read_parquet(location)
    assert back.data.equals(table.data)
    assert (back.id_column, back.label_column) == (table.id_column, table.label_column)
    assert back.feature_names == ("x1", "x0")


def test_a_file_that_no_upload_wrote_is_refused(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing PAR1")
    for name in ("other.parquet", "broken.parquet", "missing.parquet"):
        with pytest.raises(DataError):
            read_parquet(url(tmp_path / name))


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    location = url(tmp_path / "jobs" / "model.model.json")
    write_model(location, MODEL)
    assert read_model(location) == MODEL


@pytest.mark.parametrize(
    "named",
    [
        {"module": "FeatureScale", "meta": "fate_federated.v1.JobFiles", "param": "fate_federated.v1.model.ScaleParam"},
        {"module": "FeatureScale", "meta": "google.protobuf.Struct", "param": "fate_federated.v1.model.ScaleParam"},
        {"module": "FeatureScale", "meta": "fate_federated.v1.model.No", "param": "fate_federated.v1.model.ScaleParam"},
        {"module": "os", "meta": "fate_federated.v1.model.ScaleMeta", "param": "fate_federated.v1.model.ScaleParam"},
        {"module": "FeatureScale"},
        [],
    ],
)
def test_only_messages_of_installed_components_are_read(tmp_path: Path, named: object) -> None:
    location = url(tmp_path / "model.model.json")
    write_model(location, Model("FeatureScale", jobs_pb2.JobFiles(name="x"), MODEL.param))
    (tmp_path / "model.model.json").write_text(json.dumps(named))
    with pytest.raises(ModelError):
        read_model(location)


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    location = url(tmp_path / "model.model.json")
    write_model(location, MODEL)
    (tmp_path / "model.model.meta.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelError, match=r"model\.model\.json"):
        read_model(location)


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", ".", ""])
def test_a_name_from_a_dsl_cannot_leave_the_storage(tmp_path: Path, name: str) -> None:
    store = GatewayOutputStore(client=None, job_id="1", attempt=1, party="guest-9999", storage_url=url(tmp_path))  # type: ignore[arg-type]
    try:
        location = store._location(name, "x.parquet")
    except DataError:
        return
    path = Path(location.removeprefix("file://")).resolve()
    assert path.is_relative_to(tmp_path / "jobs" / "1")
    assert path.name == "x.parquet"
    assert len(path.relative_to(tmp_path).parts) == 6


def test_a_table_without_rows_is_one(tmp_path: Path) -> None:
    empty = Table(pa.table({"id": pa.array([], pa.string()), "x": pa.array([], pa.float64())}), "id")
    write_parquet(url(tmp_path / "empty.parquet"), empty)
    assert len(read_parquet(url(tmp_path / "empty.parquet"))) == 0
