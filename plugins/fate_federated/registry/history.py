"""The tree of a model's versions: what leads to what, and its drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Edges = Mapping[str, tuple[str, ...]]
"""By version, what it comes from; an empty text stands for nothing."""


def leading_to(edges: Edges, version: str) -> set[str]:
    """A version and all that it comes from."""
    found, waiting = set[str](), [version]
    while waiting:
        now = waiting.pop()
        if now in edges and now not in found:
            found.add(now)
            waiting.extend(edges[now])
    return found


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line of the drawing: ``version`` is empty where it only joins lines."""

    graph: str
    version: str


def draw(versions: Sequence[str], edges: Edges) -> Iterator[DrawnLine]:
    """The tree as `git log --graph` draws it, newest first.

    Args:
        versions: newest first; each comes before all that it comes from.
    """
    shown = set(versions)
    lanes: list[str] = []  # what each column waits for
    for version in versions:
        if version not in lanes:
            lanes.append(version)
        column = lanes.index(version)
        yield DrawnLine(" ".join("*" if at == column else "|" for at in range(len(lanes))), version)
        origins = [origin for origin in dict.fromkeys(edges.get(version, ())) if origin in shown]
        # Other columns that wait for this version end here.
        doubles = [at for at, waits in enumerate(lanes) if waits == version and at != column]
        new = [origin for origin in origins if origin not in lanes]
        joined = [origin for origin in origins if origin in lanes]
        before = len(lanes)
        lanes = [waits for at, waits in enumerate(lanes) if at not in doubles]
        if new:
            lanes[column : column + 1] = [new[0]]
            lanes[column + 1 : column + 1] = new[1:]
        else:
            del lanes[column]
        if joined or len(lanes) != before:
            graph = _joint(column, before, len(lanes), has_new=bool(new))
            if graph:
                yield DrawnLine(graph, "")


def _joint(column: int, before: int, after: int, *, has_new: bool) -> str:
    left = ["|"] * column
    if after > before:
        return " ".join([*left, "|\\", *["\\"] * (before - column - 1)])
    if after < before and before > 1:
        right = ["/"] * (before - column - 1)
        if not right:
            return " ".join([*left[:-1], "|/"]) if left else ""
        return " ".join([*left, *(["|"] if has_new else []), *right]) if left or has_new else " " + " ".join(right)
    return ""
