"""Models as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fate_federated.cli.times import moment
from fate_federated.registry.history import draw, leading_to
from fate_federated.wire.model_records import Model, ModelOperation, ModelVersion, OperationState, VersionInProgress

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from fate_federated.wire.model_records import DiffLine

SHORT_DIGEST = 12
HEADLINES = ("auc", "rmse", "loss")


def pointers(model: Model, kind: str) -> str:
    """The branches or tags of a model."""
    return ", ".join(f"{ref.name} {ref.version}" for ref in model.refs if ref.kind == kind)


def history_lines(model: Model, versions: Sequence[ModelVersion]) -> Iterator[Text]:
    """The tree, a line or more for each version."""
    from rich.markup import escape
    from rich.text import Text

    names: dict[str, list[str]] = {}
    for ref in model.refs:
        style = "yellow" if ref.kind == "tag" else "green"
        names.setdefault(ref.version, []).append(f"[{style}]{'tag ' if ref.kind == 'tag' else ''}{ref.name}[/]")
    by_version = {version.version: version for version in versions}
    edges = {v.version: (v.about.parent, v.about.source) for v in versions}
    for name, (parent, source) in edges.items():
        if source in leading_to(edges, parent):  # as in git, what the parent comes from is no second parent
            edges[name] = (parent, "")
    for line in draw(list(by_version), edges):
        version = by_version.get(line.version)
        if version is None:
            yield Text(line.graph)
            continue
        pointing = f" ({', '.join(names[version.version])})" if version.version in names else ""
        marks = "".join(f" [red]{mark}[/]" for mark in ("pinned", "retired") if getattr(version, mark))
        title = version.message.splitlines()[0] if version.message else ""
        yield Text.from_markup(
            f"{line.graph} [bold]{version.version}[/]{pointing}{marks} {moment(version.created_at)} "
            f"{escape(version.author)}: {escape(title)}{escape(_headline(version))}"
        )


def progress_line(version: VersionInProgress) -> str:
    """A training that is no version yet, and the last step that each of this site's parties kept."""
    kept: dict[tuple[str, int, int], list[str]] = {}
    for each in version.checkpoints:
        kept.setdefault((each.component, each.step, each.attempt), []).append(str(each.party))
    steps = [
        f"step {step} of {component}{f', attempt {attempt}' if attempt > 1 else ''}, at {', '.join(parties)}"
        for (component, step, attempt), parties in kept.items()
    ]
    return (
        f"o {version.version} in progress: {version.status} (to {version.branch}) {moment(version.started_at)} "
        f"{version.author}: {version.message.partition(chr(10))[0]} [{'; '.join(steps)}]"
    )


def _headline(version: ModelVersion) -> str:
    """The metrics by which people tell versions apart."""
    found = dict(_figures(version.metrics))
    shown = []
    for path, value in found.items():
        name = path.rpartition("/")[2]
        shown += [f"{name} {value:.4f}"] if name in HEADLINES else []
    return f" [{', '.join(dict.fromkeys(shown))}]" if shown else ""


def _figures(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _figures(value, f"{path}/{name}")
        elif isinstance(value, int | float):
            yield f"{path}/{name}".strip("/"), value


def version_lines(model: Model, version: ModelVersion) -> Iterator[str]:
    """A version, a line for each thing to know."""
    about = version.about
    names = [f"{ref.kind} {ref.name}" for ref in model.refs if ref.version == version.version]
    yield f"version     {version.version}" + (f" ({', '.join(names)})" if names else "")
    yield f"model       {model.name}, {model.model_id}"
    yield f"kind        {about.kind}" + (f" from {about.source}" if about.source else "")
    yield f"parent      {about.parent or 'none'}"
    yield f"job         {about.job_id or 'none'} {version.job_name}"
    yield f"author      {version.author}, for {version.by}, {moment(version.created_at)}"
    yield f"message     {version.message}"
    yield f"code        fate-federated {version.code_version}"
    yield f"git commit  {version.commit}"
    for mark in ("pinned", "retired"):
        if getattr(version, mark):
            yield f"{mark}"
    for component in version.components:
        yield f"component   {component.component}.{component.alias} {component.module}"
    for part in version.parts:
        yield f"part        {part.party} sha256 {part.digest[:SHORT_DIGEST]}… {part.bytes} bytes"
    for table in version.data:
        place = f"{table['table']} at {table['party']}"
        rows = f", {table['rows']} rows, {table['columns']} columns" if "rows" in table else ", gone"
        snapshot = f", snapshot {table['snapshot'][:SHORT_DIGEST]}…" if table.get("snapshot") else ""
        yield f"data        {place}{rows}{snapshot}"
    for path, value in _figures(version.metrics):
        yield f"metric      {path} {value:.6g}"


def diff_table(old: ModelVersion, new: ModelVersion, lines: Sequence[DiffLine]) -> Table:
    """What differs, one line each; numbers with their difference."""
    from rich.table import Table

    table = Table()
    for column in ("of", "what", old.version, new.version, "change"):
        table.add_column(column)
    for line in lines:
        table.add_row(line.part, line.path, _shown(line.old), _shown(line.new), _change(line))
    return table


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"


def _change(line: DiffLine) -> str:
    try:
        old, new = json.loads(line.old or "null"), json.loads(line.new or "null")
    except ValueError:
        return ""
    both = isinstance(old, int | float) and isinstance(new, int | float)
    return f"{new - old:+.6g}" if both and not isinstance(old, bool) else ""


def operation_line(operation: ModelOperation) -> str:
    """What a change is, and how far."""
    change = operation.change
    what = [f"{move.kind} {move.name}: {move.old or 'none'} to {move.new or 'none'}" for move in change.moves]
    what += [f"{mark.version} {'' if mark.value else 'not '}{mark.mark}" for mark in change.marks]
    words = {
        OperationState.DONE: "done at all parties",
        OperationState.ABORTED: f"not made, nothing has changed: {operation.detail}",
        OperationState.PREPARING: f"pending: {operation.detail or 'waits for the parties'}",
        OperationState.COMMITTED: "decided, and not yet known at all parties",
        OperationState.ABORTING: f"given up, and not yet known at all parties: {operation.detail}",
    }
    made = f" version {change.version.version}," if change.version else ""
    return f"{change.action} of {change.name},{made} {'; '.join(what)}: {words[operation.state]} ({change.change_id})"


def model_json(model: Model) -> dict[str, Any]:
    return {**asdict(model), "initiator": str(model.initiator), "parties": list(map(str, model.parties))}


def version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        **asdict(version),
        "by": str(version.by),
        "parts": [{**asdict(part), "party": str(part.party)} for part in version.parts],
    }


def operation_json(operation: ModelOperation) -> dict[str, Any]:
    content = asdict(operation)
    change = operation.change
    names = {"initiator": str(change.initiator), "by": str(change.by), "parties": list(map(str, change.parties))}
    content["change"] |= names
    content["sites"] = [{**asdict(site), "parties": list(map(str, site.parties))} for site in operation.sites]
    return content
