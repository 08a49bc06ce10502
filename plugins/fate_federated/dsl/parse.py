"""From the texts of a dsl and a conf, in either dialect, to the canonical Pipeline."""

from __future__ import annotations

from fate_federated.catalog.discovery import find_component
from fate_federated.dsl.airflow_block import read_airflow
from fate_federated.dsl.components import read_components
from fate_federated.dsl.document import Document, read_json, shorten
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.nodes import Catalog, NodeBuilder
from fate_federated.dsl.parties import read_initiator, read_parties
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.v1 import ConfV1
from fate_federated.dsl.v2 import ConfV2
from fate_federated.errors import DslError, DslProblem


def parse_job(
    dsl_text: str,
    conf_text: str,
    *,
    dsl_file: str = "",
    conf_file: str = "",
    catalog: Catalog = find_component,
) -> Pipeline:
    """Compile a job.

    Args:
        dsl_text, conf_text: JSON.
        dsl_file, conf_file: their paths as the user knows them, for messages.
        catalog: finds the spec of a module.

    Raises:
        DslError: with everything that is wrong with both files.
    """
    problems: list[DslProblem] = []
    documents: list[Document] = []
    for text, file in ((dsl_text, dsl_file), (conf_text, conf_file)):
        try:
            documents.append(read_json(text, file))
        except DslError as error:
            problems += error.problems
    if problems:
        raise DslError(problems)
    return parse_documents(*documents, catalog=catalog)


def parse_documents(dsl: Document, conf: Document, *, catalog: Catalog = find_component) -> Pipeline:
    """Compile a job whose JSON has been read.

    Raises:
        DslError: with everything that is wrong.
    """
    findings = Findings()
    components = read_components(dsl, findings)
    if not isinstance(conf.value, dict):
        findings.error(conf, (), "a conf is an object", 'Write {"dsl_version": 2, "initiator": …, "role": …}.')
        raise DslError(findings.errors)
    version = _version(conf, findings)
    errors_before = len(findings.errors)
    parties = read_parties(conf, findings)
    all_known = len(findings.errors) == errors_before
    initiator = read_initiator(conf, parties if all_known else None, findings)
    options = read_airflow(conf, findings)
    if version == 1:
        first = ConfV1(conf, parties, components, findings)
        settings: ConfV1 | ConfV2 = first
        nodes = NodeBuilder(dsl, conf, first, first.components, parties, catalog, findings).build()
        first.check_sources(nodes)
    else:
        settings = ConfV2(conf, parties, components, findings)
        nodes = NodeBuilder(dsl, conf, settings, components, parties, catalog, findings).build()
    if findings.errors or initiator is None:
        raise DslError(_in_reading_order(findings.errors, dsl))
    return Pipeline(
        dsl_version=version,
        initiator=initiator,
        parties=parties,
        nodes=nodes,
        job_parameters=settings.job_parameters,
        airflow=options,
        warnings=tuple(_in_reading_order(findings.warnings, dsl)),
    )


def _in_reading_order(problems: list[DslProblem], dsl: Document) -> list[DslProblem]:
    return sorted(problems, key=lambda problem: (problem.file != dsl.file, problem.line))


def _version(conf: Document, findings: Findings) -> int:
    written = conf.value.get("dsl_version", 1)
    if "dsl_version" not in conf.value and "component_parameters" in conf.value:
        message = "component_parameters belong to a conf of version 2, and this one does not say that it is one"
        findings.error(conf, ("component_parameters",), message, 'Add "dsl_version": 2.')
        return 2
    if isinstance(written, bool) or str(written) not in ("1", "2"):
        findings.error(conf, ("dsl_version",), f"there is no dsl version {shorten(written)}", "Write 2, or 1.")
        return 2 if "component_parameters" in conf.value else 1
    return int(written)
