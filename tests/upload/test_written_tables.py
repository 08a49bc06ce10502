"""Tables and files that jobs make at a real site."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from fate_federated.errors import OutputNotFound, TableIsUploaded
from fate_federated.federation import make_table
from fate_federated.party import Party
from fate_federated.site.site import Site
from fate_federated.site.upload import upload_table
from fate_federated.site.upload_conf import UploadPlan
from fate_federated.task_store import GatewayCatalogue

GUEST = Party.parse("guest-9999")
ROWS = make_table(["a", "b"], {"x": [1.0, 2.5]}, label=[1, 0])
FEWER = make_table(["a"], {"x": [1.0]}, label=[1])


def _stored(site: Site, folder: str) -> list[str]:
    filesystem, path = fsspec.url_to_fs(site.settings.storage_url)
    return sorted(filesystem.find(f"{path}/{folder}"))


def test_a_table_that_a_job_wrote_can_be_read_and_written_anew(gateway_site: Site) -> None:
    with gateway_site.gateway() as client:
        catalogue = GatewayCatalogue(client, "1", GUEST, gateway_site.settings.storage_url)
        catalogue.write("out", "my/rows", ROWS)
        read = catalogue.read("out", "my/rows")
        assert read.label_column == "y"
        assert read.data.equals(ROWS.to_arrow())
        record = client.get_table("out", "my/rows")
        assert (record.rows, record.id_column, [column.name for column in record.columns]) == (2, "id", ["y", "x"])
        catalogue.write("out", "my/rows", FEWER)
        assert len(catalogue.read("out", "my/rows")) == 1
        assert len(_stored(gateway_site, "written")) == 1


def test_a_job_does_not_write_over_an_uploaded_table(gateway_site: Site, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,x\na,1\n")
    upload_table(gateway_site, UploadPlan(file, "experiment", "customers"))
    before = _stored(gateway_site, "written")
    with gateway_site.gateway() as client:
        catalogue = GatewayCatalogue(client, "1", GUEST, gateway_site.settings.storage_url)
        with pytest.raises(TableIsUploaded):
            catalogue.write("experiment", "customers", ROWS)
        assert catalogue.read("experiment", "customers").feature_names == ("x",)
    assert _stored(gateway_site, "written") == before


def test_a_file_is_written_apart_for_each_job_and_party(gateway_site: Site) -> None:
    with gateway_site.gateway() as client:
        catalogue = GatewayCatalogue(client, "7", GUEST, gateway_site.settings.storage_url)
        location = catalogue.export("scores/all.csv", ROWS, ";")
    assert location.endswith("/downloads/7/guest-9999/scores/all.csv")
    with fsspec.open(location, "r") as file:
        assert file.read() == '"id";"y";"x"\n"a";1;1\n"b";0;2.5\n'


def test_an_output_that_no_job_left_is_said(gateway_site: Site) -> None:
    with gateway_site.gateway() as client:
        catalogue = GatewayCatalogue(client, "7", GUEST, gateway_site.settings.storage_url)
        with pytest.raises(OutputNotFound, match="intersection_0 of job 1 left no data output 'data'"):
            catalogue.read_output("1", "intersection_0", "data")
