"""What Airflow's UI says of a job's DAG: its description, tags and documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fate_federated.dsl.job_files import job_digest
from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.party import Party

MAX_SHOWN_CHARACTERS = 100_000
"""Of one text in the documentation, which Airflow keeps in its database with every version of the DAG."""


def description(pipeline: Pipeline, dsl_text: str, conf_text: str, *, kept: bool = False) -> str:
    """One line that tells versions of a job apart: it ends with the digest that all parties share."""
    parties = ", ".join(map(str, pipeline.parties))
    what = f"{len(pipeline.nodes)} components at {parties}, started by {pipeline.initiator}"
    if kept:
        what = "For runs that have begun, until they end: the files that made it are gone, or others by now"
    return f"{what}; dsl {job_digest(dsl_text, conf_text)}"


def tags(pipeline: Pipeline, party: Party) -> set[str]:
    """For filtering in the list of DAGs."""
    return {"fate", party.role.value, f"initiator {pipeline.initiator}", *pipeline.airflow.tags}


def documentation(pipeline: Pipeline, party: Party, dsl_text: str, conf_text: str) -> str:
    """Markdown: who takes part, the parameters of each component, and the files."""
    return "\n".join(_lines(pipeline, party, dsl_text, conf_text))


def _lines(pipeline: Pipeline, party: Party, dsl_text: str, conf_text: str) -> Iterator[str]:
    yield f"This is the part of **{party}** in a federated job. It is started by {pipeline.initiator}."
    yield ""
    yield "| role | parties |"
    yield "| --- | --- |"
    for role in dict.fromkeys(member.role for member in pipeline.parties):
        yield f"| {role} | {', '.join(member.party_id for member in pipeline.of_role(role))} |"
    if pipeline.warnings:
        yield "\n#### What the files say and this job passes over"
        yield _fenced("\n".join(map(str, pipeline.warnings)), "text")
    yield "\n#### Components"
    for node in pipeline.nodes:
        yield f"\n**{node.name}** ({node.module}) at {', '.join(map(str, node.participants))}"
        yield from _parameters(node)
    yield f"\n#### DSL (version {pipeline.dsl_version})"
    yield _fenced(dsl_text, "json")
    yield "\n#### Conf"
    yield _fenced(conf_text, "json")


def _parameters(node: Node) -> Iterator[str]:
    same = {json.dumps(values, sort_keys=True) for values in node.parameters.values()}
    if len(same) == 1 and len(node.parameters) > 1:
        shown: Mapping[Any, Any] = next(iter(node.parameters.values()))
    else:
        shown = {str(party): values for party, values in node.parameters.items() if values}
    if shown:
        yield _fenced(json.dumps(shown, indent=2, ensure_ascii=False), "json")


def _fenced(text: str, language: str) -> str:
    """A block that nothing in the text can end early."""
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = f"{text[:MAX_SHOWN_CHARACTERS]}\n… {len(text) - MAX_SHOWN_CHARACTERS} more characters"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.strip()}\n{fence}"
