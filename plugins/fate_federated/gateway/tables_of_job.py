"""The tables that a job's Readers name at this site: whether they are there before anything of the job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.dsl.run_conf import override_pointer
from fate_federated.errors import DslError, DslProblem, JobError, TableNotFound
from fate_federated.gateway.policy import named_tables, read_overrides
from fate_federated.gateway.tables import Tables
from fate_federated.party import Party
from fate_federated.wire.records import JobFiles


async def check_tables_exist(files: JobFiles, pipeline: Pipeline, hosted: Sequence[Party], tables: Tables) -> None:
    """Look every table of the hosted parties up in the site's catalogue.

    Raises:
        JobError: some are not there; it says which, and where the conf, or the run's conf, names them.
    """
    overrides = read_overrides(files)
    problems: list[DslProblem] = []
    for node, party, namespace, name in named_tables(pipeline, hosted, overrides):
        try:
            await tables.get(namespace, name)
        except TableNotFound as missing:
            file, pointer = _place(node, party, overrides, files)
            message = f"{node.name} at {party}: {TableNotFound(missing.namespace, missing.name, party)}"
            problems.append(DslProblem(pointer, message.removesuffix("."), file=file))
    if problems:
        raise JobError(str(DslError(problems)))


def _place(node: Node, party: Party, overrides: Mapping[str, Any], files: JobFiles) -> tuple[str, str]:
    """File and JSON pointer of the table that a Reader reads at a party."""
    pointer = override_pointer(node, party, overrides, "table")
    if pointer:
        return "the run's conf", pointer
    return f"{files.name}_conf.json", node.written[party].get("table", "")
