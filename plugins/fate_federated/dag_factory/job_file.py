"""What generated DAG files call: such a file holds literals and one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from airflow.sdk import DAG, get_parsing_context

from fate_federated.dag_factory.job_dag import build_dag, dag_id
from fate_federated.dsl.job_files import JobTexts, load_job
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.errors import DslError, DslProblem
from fate_federated.party import Party


def job_dags(
    generated: str,
    *,
    name: str,
    copies: Sequence[str],
    files: Sequence[str],
    parties: Sequence[str],
    received: bool,
    paused: bool,
) -> dict[str, DAG]:
    """The DAGs of one job at this site, by id; where Airflow runs a task, only the one that the task is of.

    Args:
        generated: path of the generated file.
        copies: names of the job's files beside it: dsl and conf, or the one that holds both.
        files: where the user keeps those files, for messages.
        parties: that this site hosts.
        received: whether the job came from another organisation.
        paused: whether the DAGs wait to be unpaused.

    Raises:
        DslError: the job cannot be compiled, or none of the parties takes part in it.
    """
    folder = Path(generated).parent
    texts = load_job(folder / copies[0], folder / copies[-1], dsl_file=files[0], conf_file=files[-1])
    try:
        return _build(texts, name, tuple(map(Party.parse, parties)), received=received, paused=paused)
    except DslError as error:
        problems = [problem if problem.file else _located(problem, texts) for problem in error.problems]
        raise DslError(problems) from None


def kept_dag(generated: str, *, dag_id: str, copies: Sequence[str], received: bool) -> dict[str, DAG]:
    """A DAG that goes on, without its schedule, until its runs have ended; see :mod:`.kept`.

    Args:
        generated: path of the generated file.
        copies: names of the job's files beside it: dsl and conf, or the one that holds both.
        received: whether the job came from another organisation.

    Raises:
        DslError: the job cannot be compiled any more, such as after an upgrade.
    """
    folder = Path(generated).parent
    texts = load_job(folder / copies[0], folder / copies[-1])
    pipeline = texts.compile()
    pipeline = replace(pipeline, airflow=replace(pipeline.airflow, schedule=None))
    if received:
        pipeline = _as_received(pipeline)
    name, _, party = dag_id.rpartition(".")
    dag = build_dag(
        pipeline, name=name, party=Party.parse(party), dsl_text=texts.dsl_text, conf_text=texts.conf_text, kept=True
    )
    return {dag_id: dag}


def broken_job(problems: Sequence[tuple[str, str, str, str, int]]) -> NoReturn:
    """Say what is wrong with a file that makes no job, as an import error of its own.

    Args:
        problems: pointer, message, remedy, file and line of each.

    Raises:
        DslError: always.
    """
    raise DslError([DslProblem(*problem) for problem in problems])


def _build(texts: JobTexts, name: str, hosted: tuple[Party, ...], *, received: bool, paused: bool) -> dict[str, DAG]:
    pipeline = texts.compile()
    if received:
        pipeline = _as_received(pipeline)
    taking_part = [party for party in pipeline.parties if party in hosted]
    if not taking_part:
        message = f"none of this site's parties ({', '.join(map(str, hosted))}) takes part in the job"
        raise DslError.at("/role", message, "Drop the files at a site that hosts one of the job's parties.")
    asked = get_parsing_context().dag_id
    dsl_text, conf_text = texts.dsl_text, texts.conf_text
    return {
        dag_id(name, party): build_dag(
            pipeline, name=name, party=party, dsl_text=dsl_text, conf_text=conf_text, paused=paused
        )
        for party in [party for party in taking_part if dag_id(name, party) == asked] or taking_part
    }


def _as_received(pipeline: Pipeline) -> Pipeline:
    """Another organisation's job without what it has no say in here.

    Which image, volumes or pool a task gets is for the site that runs it to say. Nobody fills its form here, and a
    pattern in a schema may keep whoever matches it busy for ever.
    """
    params = {name: replace(param, schema={}) for name, param in pipeline.airflow.params.items()}
    return replace(pipeline, airflow=replace(pipeline.airflow, pool=None, executor_config={}, params=params))


def _located(problem: DslProblem, texts: JobTexts) -> DslProblem:
    """The same problem with its line in the conf, which is where the options of a DAG stand."""
    path = tuple(problem.pointer.split("/")[1:])
    return texts.conf.problem(path, problem.message, problem.remedy)
