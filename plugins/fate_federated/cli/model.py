"""``fate model``."""

from __future__ import annotations

import getpass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json
from fate_federated.registry.names import DEFAULT_BRANCH, DEPLOY_BRANCH, split_ref
from fate_federated.wire.model_records import Action

if TYPE_CHECKING:
    from fate_federated.wire.model_records import ModelOperation

app = typer.Typer(help="Models: versions, branches, tags.", no_args_is_help=True, rich_markup_mode=None)


class Target(StrEnum):
    """What a model can be converted to."""

    SKLEARN = "sklearn"
    PMML = "pmml"
    LIGHTGBM = "lightgbm"
    ONNX = "onnx"


MODEL = Annotated[str, typer.Argument(help="A model's name or model_id. See `fate model list`.")]
REF = Annotated[str, typer.Argument(help="A version's digits, or <model>@<branch or tag>.")]
MESSAGE = Annotated[str, typer.Option("--message", "-m", help="Why, for the log.")]
PARTY = Annotated[str, typer.Option(help="The party of this site that asks; its first one if not given.")]
WAIT = Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for the other parties.")]
EXPECTED = Annotated[str, typer.Option(help="Refuse if the branch is not at this version any more.")]


@app.command("list")
def list_models(site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show the models there are, with their branches and tags."""
    from rich.table import Table

    from fate_federated.cli.model_view import model_json, pointers
    from fate_federated.cli.times import moment
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        models = gateway.models.list()
    if json:
        print_json([model_json(model) for model in models])
        return
    table = Table()
    for column in ("model", "versions", "branches", "tags", "parties", "since"):
        table.add_column(column)
    for model in models:
        table.add_row(
            model.name,
            str(model.versions),
            pointers(model, "branch"),
            pointers(model, "tag"),
            ", ".join(map(str, model.parties)),
            moment(model.created_at),
        )
    output().print(table if models else "There are no models. A job that trains makes one when it succeeds.")


@app.command()
def log(
    model: Annotated[str, typer.Argument(help="A model, or <model>@<branch, tag or version> for what leads to that.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 30,
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Draw a model's history as a tree, newest first, under what is on the way to a version and has checkpoints."""
    from fate_federated.cli.model_view import history_lines, progress_line, version_json
    from fate_federated.errors import ModelNotFound
    from fate_federated.site.site import Site

    name, ref = split_ref(model)
    if not name:
        name, ref = ref, ""
    with Site(site).gateway() as gateway:
        in_progress = () if ref else gateway.models.in_progress(name)
        try:
            found, versions = gateway.models.versions(name, ref, limit)
            pending = gateway.models.operations(found.model_id, only_open=True)
        except ModelNotFound:
            if not in_progress:
                raise
            found, versions, pending = None, (), ()
    if json:
        print_json([version_json(version) for version in versions])
        return
    console = output()
    for training in in_progress:
        console.print(progress_line(training), style="yellow", highlight=False, markup=False)
    for line in history_lines(found, versions) if found is not None else ():
        console.print(line, highlight=False)
    for operation in pending:
        console.print(_told(operation), style="yellow", highlight=False, markup=False)


@app.command()
def show(ref: REF, site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show a version: where it comes from, its parts at all parties, its metrics and data at this site."""
    from fate_federated.cli.model_view import version_json, version_lines
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        version = gateway.models.version(ref)
        (model,) = gateway.models.list(version.model_id)
    if json:
        print_json(version_json(version))
        return
    console = output()
    for line in version_lines(model, version):
        console.print(line, highlight=False, markup=False)


@app.command()
def diff(old: REF, new: REF, site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Compare two versions at this site: parameters, metrics, data, and what the components learnt."""
    from dataclasses import asdict

    from fate_federated.cli.model_view import diff_table
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        before, after, lines = gateway.models.diff(old, new)
    if json:
        print_json([asdict(line) for line in lines])
        return
    if lines:
        output().print(diff_table(before, after, lines))
    else:
        output().print(f"{before.version} and {after.version} are the same at this site.", highlight=False)


@app.command()
def branch(
    model: MODEL,
    name: Annotated[str, typer.Argument(help="The branch to make or move.")],
    ref: Annotated[str, typer.Argument(help="Where to; the newest version if not given.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Remove the branch; its versions stay.")] = False,
    expected: EXPECTED = "",
    message: MESSAGE = "",
    party: PARTY = "",
    wait: WAIT = 30.0,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Make, move or remove a branch at all parties."""
    action = Action.DELETE_BRANCH if delete else Action.BRANCH
    _change(site, action, model, party, wait, ref=ref, name=name, expected=expected, message=message)


@app.command()
def tag(
    model: MODEL,
    name: Annotated[str, typer.Argument(help="The tag.")],
    ref: Annotated[str, typer.Argument(help="What it names; the newest version if not given.")] = "",
    delete: Annotated[bool, typer.Option("--delete", help="Remove the tag; its version stays.")] = False,
    message: MESSAGE = "",
    party: PARTY = "",
    wait: WAIT = 30.0,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Give a version a name that does not move, at all parties."""
    action = Action.DELETE_TAG if delete else Action.TAG
    _change(site, action, model, party, wait, ref=ref, name=name, message=message)


@app.command()
def deploy(
    ref: REF,
    component: Annotated[
        list[str] | None, typer.Option(help="A component to keep, repeatable; those that FATE keeps if none is given.")
    ] = None,
    branch: Annotated[str, typer.Option(help="The branch that the deployed version goes to.")] = DEPLOY_BRANCH,
    expected: EXPECTED = "",
    message: MESSAGE = "",
    party: PARTY = "",
    wait: WAIT = 30.0,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Make a version that predicts with chosen components of another, at all parties."""
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        model = gateway.models.version(ref).model_id
    _change(
        site, Action.DEPLOY, model, party, wait,
        ref=ref, branch=branch, components=tuple(component or ()), expected=expected, message=message,
    )  # fmt: skip


@app.command()
def rollback(
    model: MODEL,
    to: Annotated[str, typer.Option(help="A version, branch or tag; the branch's version before this one.")] = "",
    branch: Annotated[str, typer.Option(help="The branch to roll back.")] = DEFAULT_BRANCH,
    expected: EXPECTED = "",
    message: MESSAGE = "",
    party: PARTY = "",
    wait: WAIT = 30.0,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Add a version to a branch that is an older one again, at all parties. Nothing is erased."""
    _change(site, Action.ROLLBACK, model, party, wait, ref=to, branch=branch, expected=expected, message=message)


def _mark(action: Action, what: str) -> None:
    def command(ref: REF, party: PARTY = "", wait: WAIT = 30.0, site: SiteOption = DEFAULT_SITE) -> None:
        from fate_federated.site.site import Site

        with Site(site).gateway() as gateway:
            version = gateway.models.version(ref)
        _change(site, action, version.model_id, party, wait, ref=version.version)

    command.__doc__ = what
    app.command(action.value)(command)


_mark(Action.PIN, "Protect a version from being retired.")
_mark(Action.UNPIN, "Let a version be retired again.")
_mark(Action.RETIRE, "Take a version out of use at all parties. It stays in the history.")
_mark(Action.UNRETIRE, "Let a version be used again.")


@app.command()
def commit(
    job_id: Annotated[str, typer.Argument(help="A job that trained and succeeded.")],
    wait: WAIT = 30.0,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Try again to make a version of a job, where it was given up: a full remote, for example."""
    _change(site, Action.COMMIT, "", "", wait, ref=job_id)


@app.command()
def pending(site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show the changes that wait for a party."""
    from fate_federated.cli.model_view import operation_json
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        found = gateway.models.operations(limit=1000, only_open=True)
    if json:
        print_json([operation_json(operation) for operation in found])
        return
    for operation in found:
        output().print(_told(operation), highlight=False, markup=False)
    if not found:
        output().print("Nothing waits.")


@app.command()
def cancel(
    change_id: Annotated[str, typer.Argument(help="See `fate model pending`.")], site: SiteOption = DEFAULT_SITE
) -> None:
    """Give up a change that waits for a party and is not decided."""
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        _print(gateway.models.cancel(change_id))


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="A model; all of them if not given.")] = "",
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Compare every file with its hash, git and DVC with the registry, and all parties with each other. Exits with 1
    where something is left that is wrong.
    """
    from dataclasses import asdict

    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        report = gateway.models.check(model, repair=repair)
    if json:
        print_json(asdict(report))
    else:
        from rich.filesize import decimal

        console = output()
        for found in report.findings:
            of = f"{found.model} {found.version}".strip()
            console.print(f"{of}: {found.what}. {found.remedy}", highlight=False, markup=False)
        wrong = len(report.findings) - sum(found.repaired for found in report.findings)
        console.print(
            f"{report.versions} versions, {report.files} files, {decimal(report.bytes)}: "
            + (f"{wrong} things are wrong." if wrong else "all is as it should be."),
            highlight=False,
        )
    if any(not found.repaired for found in report.findings):
        raise typer.Exit(1)


@app.command()
def export(
    ref: REF,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where the file goes.")] = Path(),
    party: Annotated[str, typer.Option(help="Whose part; the first party of this site if not given.")] = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Write one party's part of a version as a zip in FATE 1.x's layout."""
    from rich.filesize import decimal

    from fate_federated.party import Party
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        file = gateway.models.export(ref, folder, Party.parse(party) if party else None)
    output().print(f"{file}, {decimal(file.stat().st_size)}", highlight=False, markup=False)


@app.command()
def convert(
    ref: REF,
    component: Annotated[str, typer.Argument(help="A component that trains on horizontally split data.")],
    file: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    to: Annotated[Target, typer.Option("--to", help="sklearn, for joblib.load; onnx; pmml 4.4; lightgbm's text.")],
    party: Annotated[str, typer.Option(help="Whose part; the first party of this site if not given.")] = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Write one component's model for another tool, where every party has the whole of it: HomoLR, HomoSecureBoost."""
    from fate_components.homo.conversion import as_lightgbm, as_pmml, as_sklearn
    from fate_components.homo.onnx_graph import as_onnx
    from fate_federated.errors import ModelError
    from fate_federated.party import Party
    from fate_federated.site.site import Site
    from fate_federated.task_store import KeptModels

    target = Site(site)
    owner = Party.parse(party) if party else target.settings.hosted[0]
    with target.gateway() as gateway:
        version = gateway.models.version(ref)
        aliases = [each.alias for each in version.components if each.component == component]
        kept = KeptModels(gateway, owner, target.settings.storage_url)
        model = kept.read(version.version, component, aliases[0]) if aliases else None
    if model is None:
        known = ", ".join(each.component for each in version.components)
        raise ModelError(f"Version {version.version} has no model of {component} at {owner}. It has {known or 'none'}.")
    if to is Target.PMML:
        file.write_bytes(as_pmml(model))
    elif to is Target.ONNX:
        file.write_bytes(as_onnx(model))
    elif to is Target.LIGHTGBM:
        file.write_text(as_lightgbm(model), encoding="utf-8")
    else:
        import joblib  # type: ignore[import-untyped]

        joblib.dump(as_sklearn(model), file)
    output().print(f"{file}: {component} of {version.version}", highlight=False, markup=False)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A zip that `fate model export`, or FATE, has made.", exists=True)],
    party: Annotated[str, typer.Option(help="Whose part it is; the first party of this site if not given.")] = "",
    branch: Annotated[str, typer.Option(help="The branch that the version goes to.")] = DEFAULT_BRANCH,
    message: MESSAGE = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Hand in one party's part of a version. The version is made when every party has done so at its site."""
    from fate_federated.party import Party
    from fate_federated.site.site import Site

    target = Site(site)
    by = Party.parse(party) if party else target.settings.hosted[0]
    with target.gateway() as gateway:
        author = f"{getpass.getuser()} at {target.name}"
        _print(gateway.models.import_part(file, by, branch=branch, message=message, author=author))


def _change(
    site: Path,
    action: Action,
    model: str,
    party: str,
    wait: float,
    *,
    ref: str = "",
    name: str = "",
    branch: str = "",
    components: tuple[str, ...] = (),
    expected: str = "",
    message: str = "",
) -> None:
    """Ask for a change; exits with 1 where it is not made, and with 3 where it waits."""
    from fate_federated.party import Party
    from fate_federated.site.site import Site
    from fate_federated.wire.model_records import ModelRequest, OperationState

    target = Site(site)
    by = Party.parse(party) if party else target.settings.hosted[0]
    request = ModelRequest(
        action, model, by,
        ref=ref, name=name, branch=branch, components=components, expected=expected, message=message,
        author=f"{getpass.getuser()} at {target.name}", wait_seconds=wait,
    )  # fmt: skip
    with target.gateway() as gateway:
        operation = gateway.models.change(request)
    _print(operation)
    if operation.state is not OperationState.DONE:
        raise typer.Exit(1 if operation.state.ended else 3)


def _print(operation: ModelOperation) -> None:
    output().print(_told(operation), highlight=False, markup=False)


def _told(operation: ModelOperation) -> str:
    from fate_federated.cli.model_view import operation_line

    return operation_line(operation)
