"""FATE's upload configurations, as its versions write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fate_federated.errors import ConfigError
from fate_federated.site.csv_source import ColumnKind
from fate_federated.site.upload_conf import read_upload_conf

V1_0 = {
    "file": "data/rows.csv", "head": 1, "partition": 10, "work_mode": 0,
    "table_name": "breast_guest", "namespace": "experiment",
}  # fmt: skip
V1_11 = {
    "file": "data/rows.csv", "head": True, "id_delimiter": ",", "partition": 4, "name": "breast_guest",
    "namespace": "experiment", "drop": 1, "storage_engine": "EGGROLL", "use_local_data": 1, "with_meta": True,
    "meta": {"data_type": "float64", "with_label": True, "label_name": "y", "label_type": "int",
             "exclusive_data_type": {"city": "str", "age": "int64"}},
}  # fmt: skip


def _write(folder: Path, content: Any) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "rows.csv").write_text("id,x\na,1\n")
    path = folder / "upload_conf.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_oldest_form(tmp_path: Path) -> None:
    plan = read_upload_conf(_write(tmp_path, V1_0))
    assert (plan.namespace, plan.name, plan.replace) == ("experiment", "breast_guest", False)
    assert plan.file == tmp_path / "data" / "rows.csv"
    assert plan.form.head
    assert plan.form.kind is ColumnKind.NUMBER


def test_the_newest_form(tmp_path: Path) -> None:
    plan = read_upload_conf(_write(tmp_path, V1_11))
    assert plan.replace
    assert plan.form.kinds == {"city": ColumnKind.TEXT, "age": ColumnKind.INTEGER}


def test_the_file_is_also_sought_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = _write(tmp_path, V1_0).rename(tmp_path / "elsewhere" / "conf.json")
    with pytest.raises(ConfigError, match="neither in"):
        read_upload_conf(path)
    monkeypatch.chdir(tmp_path)
    assert read_upload_conf(path).file.samefile(tmp_path / "data" / "rows.csv")


@pytest.mark.parametrize(("drop", "replaces"), [(0, False), (1, True), (2, True)])
def test_any_positive_drop_replaces(tmp_path: Path, drop: int, replaces: bool) -> None:
    assert read_upload_conf(_write(tmp_path, {**V1_0, "drop": drop})).replace is replaces


@pytest.mark.parametrize("input_format", ["tag", "sparse"])
def test_rows_of_tags_and_pairs_are_kept_whole(tmp_path: Path, input_format: str) -> None:
    conf = {**V1_0, "head": 0, "meta": {"input_format": input_format, "delimiter": ";", "tag_with_value": True}}
    form = read_upload_conf(_write(tmp_path, conf)).form
    assert (form.head, form.lines, form.delimiter) == (False, True, ",")


def test_a_match_id_is_text(tmp_path: Path) -> None:
    conf = {**V1_0, "meta": {"with_match_id": True, "id_list": ["phone"]}}
    assert read_upload_conf(_write(tmp_path, conf)).form.kinds == {"phone": ColumnKind.TEXT}


def test_delimiters(tmp_path: Path) -> None:
    assert read_upload_conf(_write(tmp_path, {**V1_0, "id_delimiter": "\t"})).form.delimiter == "\t"
    assert read_upload_conf(_write(tmp_path, {**V1_0, "meta": {"delimiter": ";"}})).form.delimiter == ";"
    with pytest.raises(ConfigError, match="one character"):
        read_upload_conf(_write(tmp_path, {**V1_0, "id_delimiter": ", "}))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read"),
        ("[]", "dictionary"),
        ({**V1_0, "hed": 1}, "/hed"),
        ({key: value for key, value in V1_0.items() if key != "namespace"}, "/namespace"),
        ({**V1_0, "meta": {"label": "y"}}, "/meta/label"),
        ({**V1_0, "meta": {"data_type": "complex"}}, "Known: str"),
        ({**V1_0, "extend_sid": True}, "generated ids"),
    ],
)
def test_what_no_version_knows_is_named(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_upload_conf(_write(tmp_path, content))
