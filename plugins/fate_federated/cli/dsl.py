"""``fate dsl``: job files, without a site."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fate_federated.cli.where import output
from fate_federated.errors import ConfigError, DslError, DslProblem

if TYPE_CHECKING:
    from fate_federated.dsl.check import Checked
    from fate_federated.dsl.job_files import JobTexts
    from fate_federated.dsl.pipeline import Pipeline
    from fate_federated.dsl.render import RenderedJob

app = typer.Typer(help="Check job files, show, derive and convert them.", no_args_is_help=True, rich_markup_mode=None)

DSL = Annotated[
    Path, typer.Argument(help="FATE's dsl, or a file that holds dsl and conf.", exists=True, dir_okay=False)
]
CONF = Annotated[
    Path | None,
    typer.Argument(help="Its conf; the one beside it if not given.", exists=True, dir_okay=False, show_default=False),
]
_STYLES = {"ok": "green", "not-installed": "yellow", "invalid": "bold red"}


class Picture(StrEnum):
    """What draws the graph."""

    MERMAID = "mermaid"
    GRAPHVIZ = "graphviz"


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.", exists=True)],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line and pair.")] = False,
) -> None:
    """Say of every dsl and its conf whether they are a job, and all that is wrong. Exits with 1 if any is invalid."""
    from fate_federated.dsl.check import Checker, Verdict
    from fate_federated.dsl.pairs import find_pairs

    checker = Checker()
    checked = [checker.check(pair) for pair in find_pairs(paths)]
    if json:
        for each in checked:
            typer.echo(_as_json(each))
    else:
        _print_verdicts(checked)
    if any(each.verdict is Verdict.INVALID for each in checked):
        raise typer.Exit(1)


@app.command()
def show(
    dsl: DSL,
    conf: CONF = None,
    picture: Annotated[Picture | None, typer.Option(help="The graph as text of Mermaid or Graphviz instead.")] = None,
) -> None:
    """Print a job in its canonical form: version 2, dsl and conf in one."""
    from fate_federated.dsl.picture import graphviz, mermaid
    from fate_federated.dsl.render import render

    pipeline = _compile(_load(dsl, conf))
    if picture is None:
        _print_job(render(pipeline))
    else:
        typer.echo((mermaid if picture is Picture.MERMAID else graphviz)(pipeline), nl=False)


@app.command()
def predict(
    dsl: DSL,
    conf: CONF = None,
    component: Annotated[
        list[str] | None, typer.Option(help="Keep this one; several times for several. FATE's choice if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write it to this file.", show_default=False)
    ] = None,
) -> None:
    """Print the dsl of a job that predicts with what this job trains."""
    from fate_federated.dsl.parse import predict_dsl

    texts = _load(dsl, conf)
    derived = _text(predict_dsl(texts.dsl, texts.conf, deployed=component or None))
    if out is None:
        typer.echo(derived, nl=False)
    else:
        _write({out: derived})


@app.command()
def upgrade(
    dsl: DSL,
    conf: CONF = None,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", file_okay=False, help="Write two files into this folder.", show_default=False),
    ] = None,
) -> None:
    """Convert a job of version 1 into one of version 2 that does the same."""
    from fate_federated.dsl.document import read_json
    from fate_federated.dsl.job_folder import conf_name
    from fate_federated.dsl.parse import parse_documents
    from fate_federated.dsl.render import render

    texts = _load(dsl, conf)
    job = render(_compile(texts))
    try:
        parse_documents(read_json(job.dsl_text, "the new dsl"), read_json(job.conf_text, "the new conf"), to_run=False)
    except DslError as error:
        raise ConfigError(f"Version 2 does not allow what this job does, so nothing was written. {error}") from error
    if out is None:
        _print_job(job)
        return
    name = conf_name(Path(texts.conf.file)) or "job"
    _write({out / f"{name}_dsl.json": job.dsl_text, out / f"{name}_conf.json": job.conf_text})


def _load(dsl: Path, conf: Path | None) -> JobTexts:
    from fate_federated.dsl.job_files import load_job
    from fate_federated.dsl.pairs import find_pairs

    if conf is None:
        confs = [str(pair.conf) for pair in find_pairs([dsl]) if pair.dsl == dsl and pair.conf]
        if len(confs) != 1:
            found = "none is beside it" if not confs else f"several are beside it: {', '.join(confs)}"
            raise typer.BadParameter(f"{dsl} needs a conf, and {found}. Name one.", param_hint="CONF")
        conf = Path(confs[0])
    return load_job(dsl, conf)


def _compile(texts: JobTexts) -> Pipeline:
    """The job, whether or not it could run here."""
    from fate_federated.dsl.parse import parse_documents

    pipeline = parse_documents(texts.dsl, texts.conf, to_run=False)
    for warning in pipeline.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    return pipeline


def _write(texts: Mapping[Path, str]) -> None:
    """Write new files, all or none."""
    for path in texts:
        if path.exists():
            raise ConfigError(f"There is a file {path} already. Remove it, or name another place.")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(path)


def _print_job(job: RenderedJob) -> None:
    typer.echo(_text({"dsl": job.dsl, "conf": job.conf}), nl=False)


def _text(value: Mapping[str, Any]) -> str:
    return json_module.dumps(value, indent=4, ensure_ascii=False) + "\n"


def _as_json(checked: Checked) -> str:
    pair = checked.pair
    content = {
        "dsl": str(pair.dsl) if pair.dsl else None,
        "conf": str(pair.conf) if pair.conf else None,
        "verdict": checked.verdict,
        "modules": checked.modules,
        "errors": [_problem(problem) for problem in checked.problems],
        "warnings": [_problem(problem) for problem in checked.warnings],
    }
    return json_module.dumps(content, ensure_ascii=False)


def _problem(problem: DslProblem) -> dict[str, str | int]:
    return {
        "file": problem.file,
        "pointer": problem.pointer,
        "line": problem.line,
        "message": problem.message,
        "remedy": problem.remedy,
    }


def _print_verdicts(checked: Sequence[Checked]) -> None:
    """A line for each pair, its errors below, and the sums."""
    from rich.text import Text

    console = output()
    for each in checked:
        files = dict.fromkeys(str(path) for path in (each.pair.dsl, each.pair.conf) if path)
        verdict = Text(f"{each.verdict:<13} ", style=_STYLES[each.verdict])
        console.print(Text.assemble(verdict, " + ".join(files)), soft_wrap=True)
        for problem in each.problems:
            console.print(Text(f"    {problem}"), soft_wrap=True)
        for warning in each.warnings:
            console.print(Text(f"    warning: {warning}", style="dim"), soft_wrap=True)
    sums = Counter(str(each.verdict) for each in checked)
    found = ", ".join(f"{sums[verdict]} {verdict}" for verdict in _STYLES if sums[verdict])
    jobs = "1 job" if len(checked) == 1 else f"{len(checked)} jobs"
    console.print(f"{jobs}: {found}." if checked else "There is no dsl and no conf.", highlight=False)
