from __future__ import annotations

import pytest

from fate_federated.errors import DslError, OutputNotFound, TableNotFound
from fate_federated.federation import Federation, MemoryTables, make_table
from fate_federated.party import Party
from fate_federated.task.component import Inputs

READ = {"table": {"namespace": "experiment", "name": "breast"}}


def test_each_party_reads_its_own_table(guest: Party, host: Party) -> None:
    tables = {
        party: make_table([str(party)], {"x": [1.0]}, label=[1] if party == guest else None) for party in (guest, host)
    }
    inputs = {
        party: Inputs(tables=MemoryTables({("experiment", "breast"): table}, party)) for party, table in tables.items()
    }
    results = Federation([guest, host]).run("Reader", READ, inputs)
    assert results[guest].data is tables[guest]
    assert results[host].data is tables[host]
    assert results[guest].tracker.meta["reader_namespace", "reader_name"]["values"] == {
        "namespace": "experiment",
        "table_name": "breast",
        "count": 1,
        "columns": 2,
    }
    assert results[guest].summary["header"] == ["y", "x"]


def test_a_party_that_works_alone_reads_too() -> None:
    local = Party.parse("local-0")
    table = make_table(["a"], {"x": [1.0]})
    inputs = {local: Inputs(tables=MemoryTables({("experiment", "breast"): table}))}
    assert Federation([local]).run("Reader", READ, inputs)[local].data is table


def test_a_table_that_is_not_there_is_named_with_the_party(guest: Party) -> None:
    with pytest.raises(TableNotFound, match=r"no table experiment\.breast at guest-9999"):
        Federation([guest]).run("Reader", READ, {guest: Inputs(tables=MemoryTables({}, guest))})


@pytest.mark.parametrize("job_id", ["20261121", 20261121])
def test_what_another_job_left_is_read_by_job_component_and_name(job_id: object, guest: Party) -> None:
    table = make_table(["a"], {"x": [1.0]}, label=[1])
    tables = MemoryTables({}, guest, outputs={("20261121", "intersection_0", "data"): table})
    source = {"job_id": job_id, "component_name": "intersection_0", "data_name": "data"}
    result = Federation([guest]).run("Reader", {"table": source}, {guest: Inputs(tables=tables)})[guest]
    assert result.data is table
    assert result.summary == {
        "job_id": "20261121", "component_name": "intersection_0", "data_name": "data",
        "count": 1, "columns": 2, "header": ["y", "x"], "sid": "id",
    }  # fmt: skip
    with pytest.raises(OutputNotFound, match="intersection_1 of job 20261121 left no data output 'data'"):
        Federation([guest]).run(
            "Reader", {"table": {**source, "component_name": "intersection_1"}}, {guest: Inputs(tables=tables)}
        )


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({}, "/Reader/table"),
        ({"table": {"name": "x"}}, "/Reader/table/namespace"),
        ({"table": {"job_id": "1"}}, "/Reader/table/component_name"),
        ({"table": {"job_id": "1", "component_name": "c", "name": "x"}}, "/Reader/table"),
        ({"table": {"job_id": "../1", "component_name": "c"}}, "/Reader/table/job_id"),
        ({"table": {"namespace": "a\0", "name": "x"}}, "/Reader/table/namespace"),
    ],
)
def test_the_table_must_be_named(params: dict[str, object], pointer: str, guest: Party) -> None:
    with pytest.raises(DslError) as caught:
        Federation([guest]).run("Reader", params)
    assert [problem.pointer for problem in caught.value.problems] == [pointer]
