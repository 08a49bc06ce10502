"""FATE's example jobs and data, where they are beside this repository."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Role
from fate_federated.site.csv_source import CsvFormat
from fate_federated.site.csv_table import csv_to_parquet
from fate_federated.task.table import Table

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES, DATA = SHARED / "fate-examples", SHARED / "fate-data"


def uploaded(file: Path, folder: Path, *, head: bool = True) -> Table:
    """The table that an upload makes of a file."""
    target = folder / f"{file.stem}.parquet"
    csv_to_parquet(file, lambda: target.open("wb"), CsvFormat(head=head))
    return Table.from_arrow(pq.read_table(target))


def run_example(conf: str, tables: Mapping[str, Table], modules: Collection[str]) -> dict[str, dict[Role, PartyResult]]:
    """Run an example's components of some modules; ids meet in ristretto255, which is faster than what it names.

    Returns:
        what each component did at the first party of each role.
    """
    with (EXAMPLES / "index.tsv").open(encoding="utf-8") as index:
        rows = csv.DictReader(index, delimiter="\t")
        row = next(row for row in rows if f"{row['tag']}/{row['conf']}" == f"{conf}_conf.json")
    dsl_file, conf_file = (EXAMPLES / row["tag"] / row[kind] for kind in ("dsl", "conf"))
    documents = (read_json(file.read_text(encoding="utf-8"), str(file)) for file in (dsl_file, conf_file))
    pipeline = parse_documents(*documents, to_run=False)
    kept = [node for node in pipeline.nodes if node.module in modules]
    nodes = tuple(
        replace(
            node, parameters={party: {**given, "intersect_method": "ecdh"} for party, given in node.parameters.items()}
        )
        if node.module == "Intersection"
        else node
        for node in kept
    )
    catalogues = {
        party: {
            (table["namespace"], table["name"]): tables[table["name"]]
            for node in kept
            if node.module == "Reader" and (table := node.parameters.get(party, {}).get("table"))
        }
        for party in pipeline.parties
    }
    results = Federation(pipeline.parties, seed=0).run_pipeline(replace(pipeline, nodes=nodes), catalogues)
    return {
        name: {party.role: result for party, result in reversed(list(outcome.items()))}
        for name, outcome in results.items()
    }
