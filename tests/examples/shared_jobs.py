"""FATE's example jobs, run in one process on FATE's data, where both are beside this repository."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fate_federated.dsl.document import Document, read_json
from fate_federated.dsl.parse import parse_documents
from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.errors import DslError
from fate_federated.federation import Federation, PartyResult
from fate_federated.party import Party, Role
from fate_federated.site.csv_source import CsvFormat
from fate_federated.site.csv_table import csv_to_parquet
from fate_federated.task.table import Table

SHARED = Path(__file__).parents[3] / "shared"
EXAMPLES, DATA = SHARED / "fate-examples", SHARED / "fate-data"

needs_shared = pytest.mark.skipif(
    not (EXAMPLES.exists() and DATA.exists()), reason="FATE's examples and data are not beside this repository"
)

PartyResults = dict[Party, PartyResult]
Results = dict[str, dict[Role, PartyResult]]
"""What each component did at the first party of each role."""

FILES = {
    "breast_hetero_guest_sid": "breast_hetero_guest_sample_id",
    "breast_hetero_host_sid": "breast_hetero_host_sample_id",
    "homo_breast_guest": "breast_homo_guest",
    "homo_breast_host": "breast_homo_host",
    "homo_breast_test": "breast_homo_test",
    "hetero_breast_a": "breast_hetero_host",
    "hetero_breast_b": "breast_hetero_guest",
    "breast_a": "breast_hetero_host",
    "breast_b": "breast_hetero_guest",
    "vehicle_scale_a": "vehicle_scale_hetero_host",
    "vehicle_scale_b": "vehicle_scale_hetero_guest",
    "hetero_vehicle_a": "vehicle_scale_hetero_host",
    "hetero_vehicle_b": "vehicle_scale_hetero_guest",
    "dvisits_a": "dvisits_hetero_host",
    "dvisits_b": "dvisits_hetero_guest",
    "motor_mini_a": "motor_hetero_host",
    "motor_mini_b": "motor_hetero_guest",
    "motor_hetero_mini_guest": "motor_hetero_guest",
    "motor_hetero_mini_host": "motor_hetero_host",
    "1ca0d9eea77e11e9a84f5254005e961b": "breast_hetero_guest",
    "3de22bdaa77e11e99c5d5254005e961b": "breast_hetero_host",
    # FATE's own are not among its data, or made up in its tests; these are of their kind.
    "anony_breast_hetero_guest": "breast_hetero_guest",
    "ionosphere_scale_hetero_guest": "breast_label",
    "ionosphere_scale_hetero_host": "breast_hetero_host",
    "default_credit_guest": "breast_homo_guest",
    **dict.fromkeys(("default_credit_host1", "default_credit_host2"), "breast_homo_host"),
    "default_credit_test": "breast_homo_test",
    **dict.fromkeys(("homo_student_guest", "homo_student_host", "homo_student_test"), "student_hetero_guest"),
    "expect": "breast_homo_guest",
    "actual": "breast_homo_host",
    "mock_string": "vehicle_scale_homo_guest",
    **dict.fromkeys(("tag_value_1000_140", "tag_value_1", "tag_value_2", "tag_value_3"), "breast_tags_commas"),
}
"""File by table, where they are called otherwise."""

LINEAR = {
    "max_iter": 2,
    "encrypt_param": {"key_length": 1024},
    "cv_param": {"n_splits": 2},
    "stepwise_param": {"max_step": 1},
}
CHEAPER: dict[str, dict[str, Any]] = {
    "Intersection": {"rsa_params": {"key_length": 1024}, "dh_params": {"key_length": 1024}},
    "HeteroLR": LINEAR,
    "HeteroLinR": LINEAR,
    "HeteroPoisson": LINEAR,
    "HeteroSecureBoost": {"num_trees": 2, "encrypt_param": {"key_length": 1024}, "cv_param": {"n_splits": 2}},
    "HomoSecureBoost": {"num_trees": 2, "cv_param": {"n_splits": 2}},
    "HeteroFeatureBinning": {"encrypt_param": {"key_length": 1024}},
}
"""By module: what is written over a conf, so that its job is the same with smaller keys and fewer rounds."""


class NoSuchData(Exception):
    """FATE's data, as they are here, do not have a table."""


class ExampleTables:
    """FATE's data, each file uploaded once.

    Args:
        folder: for what the uploads write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uploaded: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        """The table that a conf calls so.

        Raises:
            NoSuchData: there is no file for it.
        """
        file = FILES.get(name, name)
        if file not in self._uploaded:
            self._uploaded[file] = self._upload(file)
        return self._uploaded[file]

    def source(self, name: str) -> tuple[Path, CsvFormat]:
        """The file of the table that a conf calls so.

        Raises:
            NoSuchData: there is none.
        """
        file = FILES.get(name, name)
        head, path = True, DATA / f"{file}.csv"
        if file == "breast_hetero_host_tag_value":
            head = False
        elif file == "breast_tags_commas":
            head, path = False, self._folder / f"{file}.csv"
            path.write_text((DATA / "breast_hetero_host_tag_value.csv").read_text().replace(";", ","))
        elif file == "breast_label":
            path = self._folder / f"{file}.csv"
            path.write_text((DATA / "breast_hetero_guest.csv").read_text().replace("id,y,", "id,label,", 1))
        if not path.exists():
            raise NoSuchData(file)
        return path, CsvFormat(head=head)

    def _upload(self, name: str) -> Table:
        path, form = self.source(name)
        target = self._folder / f"{name}.parquet"
        csv_to_parquet(path, lambda: target.open("wb"), form)
        return Table.from_arrow(pq.read_table(target))


@dataclass(frozen=True, slots=True)
class Example:
    """One job of the folder.

    Attributes:
        dsl: None for a prediction, whose dsl comes from its training.
        modules: those of the dsl.
    """

    dsl: Path | None
    conf: Path
    modules: frozenset[str]

    def __str__(self) -> str:
        return str(self.conf.relative_to(EXAMPLES)).removesuffix(".json").removesuffix("_conf")

    def pipeline(self) -> Pipeline:
        """The job, whether or not all of its components are installed."""
        return parse_documents(document(self.dsl), document(self.conf), to_run=False)

    def compiles(self) -> bool:
        """Whether the components that are installed here do all that it asks for."""
        try:
            parse_documents(document(self.dsl), document(self.conf))
        except DslError:
            return False
        return True


def document(file: Path | None) -> Document:
    """A file that is read."""
    assert file is not None
    return read_json(file.read_text(encoding="utf-8"), str(file))


@cache
def examples() -> Mapping[str, Example]:
    """All, by the conf's path in the folder without its ending; none where the folder is not there."""
    index = EXAMPLES / "index.tsv"
    if not index.exists():
        return {}
    with index.open(encoding="utf-8") as file:
        found = [
            Example(
                None if row["dsl"] == "-" else EXAMPLES / row["tag"] / row["dsl"],
                EXAMPLES / row["tag"] / row["conf"],
                frozenset(row["modules"].split(",")),
            )
            for row in csv.DictReader(file, delimiter="\t")
        ]
    return {str(example): example for example in found}


def run_example(name: str, tables: ExampleTables, modules: Collection[str] | None = None) -> Results:
    """Run an example with smaller keys and fewer rounds.

    Args:
        modules: those whose components are run; None for all.
    """
    pipeline = examples()[name].pipeline()
    nodes = tuple(node for node in pipeline.nodes if modules is None or node.module in modules)
    return by_role(run_cheaply(replace(pipeline, nodes=nodes), tables))


def run_cheaply(pipeline: Pipeline, tables: ExampleTables, **of_earlier_jobs: Any) -> dict[str, PartyResults]:
    """Run a job with smaller keys and fewer rounds. See :func:`run_as_it_is`."""
    nodes = tuple(_cheaper(node) for node in pipeline.nodes)
    return run_as_it_is(replace(pipeline, nodes=nodes), tables, **of_earlier_jobs)


def run_as_it_is(pipeline: Pipeline, tables: ExampleTables, **of_earlier_jobs: Any) -> dict[str, PartyResults]:
    """Run a job.

    Args:
        of_earlier_jobs: as :meth:`Federation.run_pipeline` takes it.
    """
    catalogues = {
        party: {table: tables[table[1]] for at, table in tables_read(pipeline) if at == party}
        for party in pipeline.parties
    }
    federation = Federation(pipeline.parties, seed=0, deadline_seconds=120)
    return federation.run_pipeline(pipeline, catalogues, **of_earlier_jobs)


def tables_read(pipeline: Pipeline) -> list[tuple[Party, tuple[str, str]]]:
    """Namespace and name of the tables that a job reads, with who reads it."""
    return [
        (party, (table["namespace"], table["name"]))
        for node in pipeline.nodes
        if node.module == "Reader"
        for party, given in node.parameters.items()
        if (table := given.get("table"))
    ]


def by_role(results: Mapping[str, PartyResults]) -> Results:
    return {
        name: {party.role: result for party, result in reversed(list(outcome.items()))}
        for name, outcome in results.items()
    }


def _cheaper(node: Node) -> Node:
    over = CHEAPER.get(node.module, {})
    return replace(node, parameters={party: _merged(given, over) for party, given in node.parameters.items()})


def _merged(given: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Objects key by key; of anything else that stands in both, what is written over."""
    return {**given} | {
        key: _merged(given.get(key) or {}, value) if isinstance(value, Mapping) else value
        for key, value in over.items()
    }
