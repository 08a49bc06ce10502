"""From the texts of a dsl and a conf, in either dialect, to the canonical Pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fate_federated.catalog.discovery import find_module
from fate_federated.dsl.airflow_block import read_airflow
from fate_federated.dsl.components import ComponentText, read_components, write_component
from fate_federated.dsl.document import Document, members, read_json, shorten
from fate_federated.dsl.findings import Findings
from fate_federated.dsl.nodes import Catalog, NodeBuilder
from fate_federated.dsl.parties import read_initiator, read_parties
from fate_federated.dsl.pipeline import Mode, Pipeline
from fate_federated.dsl.predict import deployed_components, derive_components, is_prediction
from fate_federated.dsl.run_conf import check_params
from fate_federated.dsl.v1 import ConfV1
from fate_federated.dsl.v2 import ConfV2
from fate_federated.errors import DslError, DslProblem, suggest
from fate_federated.party import Party


def parse_job(
    dsl_text: str,
    conf_text: str,
    *,
    dsl_file: str = "",
    conf_file: str = "",
    catalog: Catalog = find_module,
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


def parse_documents(
    dsl: Document,
    conf: Document,
    *,
    catalog: Catalog = find_module,
    trained: Pipeline | None = None,
    to_run: bool = True,
) -> Pipeline:
    """Compile a job whose JSON has been read.

    Args:
        trained: the job whose models this one predicts with, where that is known: what the conf does not say of a
            component holds as it did there.
        to_run: it shall run with the components that are installed here; else what they lack is a warning.

    Raises:
        DslError: with everything that is wrong.
    """
    findings = Findings()
    findings.errors += [*dsl.repeated, *conf.repeated]
    components = read_components(dsl, findings)
    if not isinstance(conf.value, dict):
        findings.error(conf, (), "a conf is an object", 'Write {"dsl_version": 2, "initiator": …, "role": …}.')
        raise DslError(findings.errors)
    version = _version(conf, findings)
    parties, initiator = _takers(conf, findings, trained)
    of_airflow = Findings()
    options = read_airflow(conf, of_airflow)
    settings: ConfV1 | ConfV2
    if version == 1:
        settings = first = ConfV1(conf, parties, _to_run(components, conf, catalog), findings)
        builder = NodeBuilder(dsl, conf, first, first.components, parties, catalog, findings, trained)
        nodes = builder.build()
        first.check_sources(nodes)
    else:
        settings = ConfV2(conf, parties, components, findings)
        nodes = NodeBuilder(dsl, conf, settings, components, parties, catalog, findings, trained).build()
    pipeline = None
    if initiator is not None and not findings.errors:
        findings.warnings += of_airflow.warnings
        pipeline = Pipeline(
            dsl_version=version,
            initiator=initiator,
            parties=parties,
            nodes=nodes,
            mode=settings.mode,
            job_parameters=settings.job_parameters,
            airflow=options,
            warnings=tuple(_in_reading_order([*findings.not_installed, *findings.warnings], dsl)),
        )
        check_params(pipeline, conf, catalog, of_airflow)
    wrong = [*findings.errors, *of_airflow.errors]
    lacking = [*findings.not_installed, *of_airflow.not_installed]
    if wrong or pipeline is None or (lacking and to_run):
        raise DslError(_in_reading_order([*wrong, *lacking], dsl), _in_reading_order(findings.warnings, dsl))
    return pipeline


def check_conf(conf: Document) -> tuple[DslProblem, ...]:
    """Check a conf that has no dsl beside it: one of a job that predicts, which takes the dsl from its training.

    Returns:
        warnings.

    Raises:
        DslError: with everything that is wrong; also for any other conf, which is of no use without a dsl.
    """
    findings = Findings()
    findings.errors += conf.repeated
    if not isinstance(conf.value, dict):
        raise DslError([conf.problem((), "a conf is an object", 'Write {"dsl_version": 2, "initiator": …}.')])
    version = _version(conf, findings)
    parties, _ = _takers(conf, findings, None)
    read_airflow(conf, findings)
    settings = (ConfV1 if version == 1 else ConfV2)(conf, parties, {}, findings, dsl_known=False)
    if settings.mode is not Mode.PREDICT:
        findings.error(conf, (), "there is no dsl beside this conf", "Put <name>_dsl.json beside <name>_conf.json.")
    if findings.errors:
        raise DslError(findings.errors, findings.warnings)
    return tuple(findings.warnings)


def _takers(conf: Document, findings: Findings, trained: Pipeline | None) -> tuple[tuple[Party, ...], Party | None]:
    """The parties and the initiator."""
    parties, all_known = read_parties(conf, findings)
    for party in parties if trained else ():
        if trained and party not in trained.parties:
            index = [other for other in parties if other.role is party.role].index(party)
            message = f"{party} took no part in the training, so it has no part of the model"
            remedy = f"Those who did: {', '.join(map(str, trained.parties))}."
            findings.error(conf, ("role", str(party.role), index), message, remedy)
    return parties, read_initiator(conf, parties if all_known else None, findings)


def predict_dsl(
    dsl: Document, conf: Document, *, deployed: Sequence[str] | None = None, catalog: Catalog = find_module
) -> dict[str, Any]:
    """The dsl of a job that predicts with what this one trains, in the same dialect.

    Args:
        deployed: names of the components to keep; None for those that FATE keeps.

    Raises:
        DslError: with everything that is wrong; what only lacks an installed component is no hindrance.
    """
    findings = Findings()
    components = read_components(dsl, findings)
    parse_documents(dsl, conf, catalog=catalog, to_run=False)
    if is_prediction(components):
        raise DslError([dsl.problem((), "it applies models of an earlier job already", "Derive from the training's.")])
    version = _version(conf, findings)
    if deployed is None:
        deployed = deployed_components(components, catalog, version)
    for name in deployed:
        if name not in components:
            findings.error(
                dsl, ("components",), f"no component is named {shorten(name)}", partial(suggest, name, components)
            )
    if findings.errors:
        raise DslError(findings.errors)
    derived = derive_components(components, catalog, version, deployed)
    return {"components": {name: write_component(text) for name, text in derived.items()}}


def dialect(conf: Document) -> int:
    """The dsl version of a conf: 1 or 2."""
    return _version(conf, Findings()) if isinstance(conf.value, dict) else 2


def predicts(dsl: Document | None, conf: Document) -> bool:
    """Whether a job predicts with the models of an earlier one: its conf says so, or its dsl applies such models."""
    job = members(members(conf.value).get("job_parameters"))
    if dialect(conf) == 2:
        job = members(job.get("common"))
    return job.get("job_type") == Mode.PREDICT or (dsl is not None and is_prediction(read_components(dsl, Findings())))


def _to_run(components: Mapping[str, ComponentText], conf: Document, catalog: Catalog) -> Mapping[str, ComponentText]:
    """Those of a version 1 job: where it predicts and has the dsl of the training beside it, those derived from it."""
    job = members(conf.value.get("job_parameters"))
    if job.get("job_type") != Mode.PREDICT or is_prediction(components):
        return components
    return derive_components(components, catalog, 1, deployed_components(components, catalog, 1))


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
