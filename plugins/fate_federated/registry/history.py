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
        new = [origin for origin in origins if origin not in lanes]
        joined = [lanes.index(origin) for origin in origins if origin in lanes]
        graph = _joint(column, joined, len(lanes), len(new))
        if graph:
            yield DrawnLine(graph, "")
        lanes[column : column + 1] = new


def _joint(column: int, joined: Sequence[int], lanes: int, new: int) -> str:
    """The line under a version that shows where its lines go; empty where they go straight on, or end.

    Args:
        joined: columns of other lines that already lead to what the version comes from.
        new: how many lines go on in its own column.
    """
    right = lanes - column - 1
    if new > 1:
        return " ".join(["|"] * column + ["|\\"] + ["\\"] * right)
    if not joined:
        return " ".join(["|"] * column + ["/"] * right) if new == 0 and right else ""
    if new == 1:
        first = min(column, joined[0])
        return " ".join(["|"] * first + ["|\\" if joined[0] > column else "|/"] + ["|"] * (lanes - first - 2))
    first = column if joined[0] > column else column - 1
    return " ".join(["|"] * first + ["|/"] + ["/"] * (lanes - first - 2))
