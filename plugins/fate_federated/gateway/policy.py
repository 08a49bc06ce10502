"""What this site accepts from other sites' initiators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from fate_federated.dsl.job_folder import JOB_NAME
from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.dsl.run_conf import resolve_run_conf, run_parameters
from fate_federated.errors import AccessDenied, DslError, JobError
from fate_federated.party import Party
from fate_federated.settings import SiteSettings
from fate_federated.wire.records import JobFiles, JobOrder

MAX_FILES_BYTES = 16 << 20
READER = "Reader"
JOB_ID = "job_id"


def check_order(order: JobOrder, site: SiteSettings) -> Pipeline:
    """Whether this site takes part in a job. Compiles its dsl, which may take a moment.

    Returns:
        the job, of which at least one party is hosted here.

    Raises:
        AccessDenied: the site's policy does not allow it.
        JobError: it makes no sense.
    """
    _check_initiator(order.initiator, site)
    check_files(order.files)
    pipeline = compile_job(order.files, site)
    hosted = [party for party in pipeline.parties if party in site.hosted]
    if pipeline.initiator != order.initiator:
        raise JobError(f"The conf says that {pipeline.initiator} is the initiator, not {order.initiator}.")
    if not hosted:
        raise JobError(f"None of the parties of {site.name} takes part in {order.files.name}.")
    _check_modules(pipeline, site)
    _check_tables(pipeline, hosted, read_overrides(order.files), site)
    return pipeline


def compile_job(files: JobFiles, site: SiteSettings) -> Pipeline:
    """The job of these files, which may take a moment.

    Raises:
        JobError: it makes no sense here.
    """
    try:
        return parse_job(files.dsl, files.conf, dsl_file=f"{files.name}_dsl.json", conf_file=f"{files.name}_conf.json")
    except DslError as error:
        raise JobError(f"{site.name} cannot compile {files.name}: {error}") from error


def named_tables(
    pipeline: Pipeline, hosted: Sequence[Party], overrides: Mapping[str, object]
) -> Iterator[tuple[Node, Party, str, str]]:
    """Each table that a Reader reads at a hosted party in one run: node, party, namespace and name.

    Raises:
        JobError: what the run was triggered with has not the shape of parameters.
    """
    for node, party, named in _read_at(pipeline, hosted, overrides):
        if JOB_ID not in named:
            yield node, party, str(named.get("namespace")), str(named.get("name"))


def _read_at(
    pipeline: Pipeline, hosted: Sequence[Party], overrides: Mapping[str, object]
) -> Iterator[tuple[Node, Party, Mapping[str, object]]]:
    """What Readers read at hosted parties: a table by its name, or what another job left by the job's id."""
    for node in pipeline.nodes:
        for party in hosted:
            if node.module != READER or party not in node.participants:
                continue
            try:
                # An initiator resolves the params of its form before it asks; this site's tasks do so in any case.
                run_conf = resolve_run_conf(pipeline.airflow.params, overrides)
                table = run_parameters(node, party, run_conf).get("table")
            except DslError as error:
                raise JobError(str(error)) from error
            yield node, party, table if isinstance(table, dict) else {}


def check_files(files: JobFiles) -> None:
    """Sizes and name, before anything else looks at the texts.

    Raises:
        JobError: they cannot be a job's.
    """
    if not JOB_NAME.fullmatch(files.name):
        raise JobError(f"{files.name!r} cannot name a job: use up to 128 letters, digits, _, - and dots.")
    size = sum(len(text.encode()) for text in (files.dsl, files.conf, files.overrides))
    if size > MAX_FILES_BYTES:
        raise JobError(f"The files of {files.name} have {size} bytes together; {MAX_FILES_BYTES} is the most.")


def read_overrides(files: JobFiles) -> dict[str, object]:
    """What a run was triggered with.

    Raises:
        JobError: it is not a JSON object.
    """
    try:
        overrides = json.loads(files.overrides or "{}")
    except (ValueError, RecursionError) as error:
        raise JobError(f"What {files.name} was triggered with is not JSON: {error}") from error
    if not isinstance(overrides, dict):
        raise JobError(f"What {files.name} was triggered with is not a JSON object.")
    return overrides


def _check_initiator(initiator: Party, site: SiteSettings) -> None:
    allowed = site.policy.initiators
    if allowed == "peers":
        allowed = tuple(party for peer in site.peers for party in peer.parties)
    if str(initiator) not in allowed:
        raise AccessDenied(f"{site.name} takes no jobs from {initiator}: its policy.initiators does not name it.")


def _check_modules(pipeline: Pipeline, site: SiteSettings) -> None:
    if site.policy.modules == "installed":
        return  # which is what it takes to compile
    for node in pipeline.nodes:
        if node.module not in site.policy.modules:
            raise AccessDenied(
                f"{site.name} does not run {node.module} ({node.name}): its policy.modules does not name it."
            )


def _check_tables(pipeline: Pipeline, hosted: list[Party], overrides: dict[str, object], site: SiteSettings) -> None:
    if site.policy.tables == "any":
        return
    for node, party, named in _read_at(pipeline, hosted, overrides):
        if JOB_ID in named:
            raise AccessDenied(
                f"{node.name} may not read what another job left at {party}: "
                f"policy.tables of {site.name} names the tables that may be read."
            )
    for node, party, namespace, name in named_tables(pipeline, hosted, overrides):
        if f"{namespace}.{name}" not in site.policy.tables and f"{namespace}.*" not in site.policy.tables:
            raise AccessDenied(
                f"{node.name} may not read the table {namespace}.{name} at {party}: "
                f"policy.tables of {site.name} does not name it."
            )
