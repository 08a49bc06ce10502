"""Uploads into a real site: all of a file, or nothing of it."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from tests.site.new_site import new_site

from fate_federated.errors import DataError, GatewayUnavailable, TableNotFound
from fate_federated.site.csv_source import CsvFormat
from fate_federated.site.site import Site
from fate_federated.site.upload import delete_table, upload_table
from fate_federated.site.upload_conf import UploadPlan
from fate_federated.task_store import read_parquet


def _files(site: Site) -> set[str]:
    filesystem, path = fsspec.url_to_fs(site.settings.storage_url)
    return set(filesystem.find(path))


def _csv(folder: Path, content: str) -> Path:
    file = folder / "rows.csv"
    file.write_text(content)
    return file


def test_a_table_can_be_found_read_and_deleted(gateway_site: Site, tmp_path: Path) -> None:
    before = _files(gateway_site)
    told: list[tuple[int, int]] = []
    file = _csv(tmp_path, "x,key\n1,a\n2.5,b\n")
    plan = UploadPlan(file, "test", "a/strange name", CsvFormat(id_column="key"))
    record = upload_table(gateway_site, plan, lambda done, total: told.append((done, total)))
    assert told[-1] == (file.stat().st_size, file.stat().st_size)
    with gateway_site.gateway() as gateway:
        found = gateway.get_table("test", "a/strange name")
    assert found == record
    assert (found.rows, found.id_column, [column.name for column in found.columns]) == (2, "key", ["x"])
    table = read_parquet(found.location)
    assert table.ids.to_pylist() == ["a", "b"]
    assert table.features.tolist() == [[1.0], [2.5]]
    delete_table(gateway_site, "test", "a/strange name")
    assert _files(gateway_site) == before
    with pytest.raises(TableNotFound):
        delete_table(gateway_site, "test", "a/strange name")


def test_a_file_with_a_bad_row_stores_nothing(gateway_site: Site, tmp_path: Path) -> None:
    before = _files(gateway_site)
    with pytest.raises(DataError, match="line 3"):
        upload_table(gateway_site, UploadPlan(_csv(tmp_path, "id,x\na,1\na,2\n"), "test", "bad"))
    assert _files(gateway_site) == before
    with gateway_site.gateway() as gateway, pytest.raises(TableNotFound):
        gateway.get_table("test", "bad")


def test_an_existing_table_is_kept_unless_it_is_to_be_replaced(gateway_site: Site, tmp_path: Path) -> None:
    first = upload_table(gateway_site, UploadPlan(_csv(tmp_path, "id,x\na,1\n"), "test", "kept"))
    again = _csv(tmp_path, "id,x\na,1\nb,2\n")
    with pytest.raises(DataError, match=r"already, with 1 rows\. Replace it with --replace"):
        upload_table(gateway_site, UploadPlan(again, "test", "kept"))
    assert len(read_parquet(first.location)) == 1
    with pytest.raises(DataError, match="line 2"):
        upload_table(gateway_site, UploadPlan(_csv(tmp_path, "id,x\na,?\n"), "test", "kept", replace=True))
    assert len(read_parquet(first.location)) == 1
    _csv(tmp_path, "id,x\na,1\nb,2\n")
    second = upload_table(gateway_site, UploadPlan(again, "test", "kept", replace=True))
    assert second.rows == len(read_parquet(second.location)) == 2
    with pytest.raises(DataError):
        read_parquet(first.location)


def test_without_a_gateway_nothing_is_stored(tmp_path: Path) -> None:
    site = new_site(tmp_path / "down")
    with pytest.raises(GatewayUnavailable, match="fate site status"):
        upload_table(site, UploadPlan(_csv(tmp_path, "id,x\na,1\n"), "test", "table"))
    assert _files(site) == set()
