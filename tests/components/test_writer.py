from __future__ import annotations

import pytest

from fate_components.writer.spec import DOWNLOAD, WRITER, DownloadParams
from fate_federated.errors import DataError, DslError, TableIsUploaded
from fate_federated.federation import Federation, MemoryTables, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.table import Table


@pytest.fixture
def table() -> Table:
    return make_table(["a", "b"], {"x": [1.0, 2.0]}, label=[1, 0])


def test_each_party_writes_its_own_rows(guest: Party, host: Party, table: Table) -> None:
    theirs = make_table(["a"], {"z": [1.0]})
    catalogues = {party: MemoryTables({}, party) for party in (guest, host)}
    inputs = {
        party: Inputs(data={"data": [rows]}, tables=catalogues[party])
        for party, rows in ((guest, table), (host, theirs))
    }
    results = Federation([guest, host]).run(WRITER, {"output_namespace": "out", "output_name": "rows"}, inputs)
    assert catalogues[guest].written == {("out", "rows"): table}
    assert catalogues[host].written == {("out", "rows"): theirs}
    assert catalogues[guest].read("out", "rows") is results[guest].data
    assert results[guest].summary == {"namespace": "out", "table_name": "rows", "count": 2}


def test_a_table_is_named_for_its_job_and_component_unless_it_has_a_name(guest: Party, table: Table) -> None:
    catalogue = MemoryTables({}, guest)
    Federation([guest]).run(WRITER, {}, {guest: Inputs(data={"data": [table]}, tables=catalogue)})
    assert list(catalogue.written) == [("in-process", "Writer")]


def test_a_table_that_was_uploaded_is_kept(guest: Party, table: Table) -> None:
    catalogue = MemoryTables({("experiment", "breast"): table}, guest)
    with pytest.raises(TableIsUploaded, match=r"experiment\.breast was uploaded"):
        Federation([guest]).run(
            WRITER,
            {"output_namespace": "experiment", "output_name": "breast"},
            {guest: Inputs(data={"data": [table]}, tables=catalogue)},
        )
    assert not catalogue.written


@pytest.mark.parametrize(("params", "path"), [({}, "Download.csv"), ({"output_path": "a/b.csv"}, "a/b.csv")])
def test_a_download_is_a_file(params: dict[str, str], path: str, guest: Party, table: Table) -> None:
    catalogue = MemoryTables({}, guest)
    inputs = Inputs(data={"data": [table]}, tables=catalogue)
    result = Federation([guest]).run(DOWNLOAD, params, {guest: inputs})[guest]
    assert catalogue.exported == {path: table}
    assert result.summary == {"location": path, "count": 2}
    assert result.tracker.meta["download", "data_access"]["metric_type"] == "DOWNLOAD"


@pytest.mark.parametrize(
    ("params", "separator"),
    [({}, ","), ({"delimiter": ";"}, ";"), ({"delimitor": "|"}, "|"), ({"delimitor": "|", "delimiter": ";"}, ";")],
)
def test_the_delimiter_has_two_names(params: dict[str, str], separator: str) -> None:
    assert DownloadParams(**params).separator == separator


def test_there_must_be_data(guest: Party) -> None:
    for spec in (WRITER, DOWNLOAD):
        with pytest.raises(DataError, match="has no input data at guest-9999"):
            Federation([guest]).run(spec, {}, {guest: Inputs(tables=MemoryTables({}, guest))})


@pytest.mark.parametrize(
    ("module", "params", "pointer"),
    [
        ("Writer", {"namespace": "a", "name": "b"}, "/Writer/namespace"),
        ("Writer", {"storage_engine": "MYSQL"}, "/Writer/storage_engine"),
        ("Writer", {"output_name": ""}, "/Writer/output_name"),
        ("Download", {"table_name": "b"}, "/Download/table_name"),
        ("Download", {"output_path": "../secret.csv"}, "/Download/output_path"),
        ("Download", {"output_path": "/etc/passwd"}, "/Download/output_path"),
        ("Download", {"delimiter": "::"}, "/Download/delimiter"),
    ],
)
def test_what_is_not_done_is_refused(module: str, params: dict[str, str], pointer: str, guest: Party) -> None:
    with pytest.raises(DslError) as caught:
        Federation([guest]).run({"Writer": WRITER, "Download": DOWNLOAD}[module], params)
    assert pointer in [problem.pointer for problem in caught.value.problems]
