"""The tree of versions, and its drawing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fate_federated.registry.history import draw, leading_to

Edges = dict[str, tuple[str, ...]]


@st.composite
def histories(draw_: st.DrawFn) -> Edges:
    """Versions v0, v1, …, each from up to two earlier ones, as parent and source are."""
    edges: Edges = {}
    for number in range(draw_(st.integers(1, 12))):
        origins = draw_(st.lists(st.integers(-1, number - 1), min_size=2, max_size=2))
        edges[f"v{number}"] = tuple(f"v{origin}" if origin >= 0 else "" for origin in origins)
    return edges


def test_what_leads_to_a_version() -> None:
    edges: Edges = {"a": ("", ""), "b": ("a", ""), "c": ("a", ""), "d": ("b", "c"), "e": ("c", "gone")}
    assert leading_to(edges, "d") == {"a", "b", "c", "d"}
    assert leading_to(edges, "e") == {"a", "c", "e"}
    assert leading_to(edges, "unknown") == set()


def test_a_line_is_drawn_straight() -> None:
    edges: Edges = {"c": ("b", ""), "b": ("a", ""), "a": ("", "")}
    assert [(line.graph, line.version) for line in draw("cba", edges)] == [("*", "c"), ("*", "b"), ("*", "a")]


def test_a_branch_and_its_return_are_drawn_as_git_does() -> None:
    edges: Edges = {"d": ("b", "c"), "c": ("a", ""), "b": ("a", ""), "a": ("", "")}
    lines = [(line.graph, line.version) for line in draw("dcba", edges)]
    assert lines == [("*", "d"), ("|\\", ""), ("| *", "c"), ("* |", "b"), ("|/", ""), ("*", "a")]


@given(histories())
def test_every_version_is_drawn_once_with_a_star_of_its_own(edges: Edges) -> None:
    versions = sorted(edges, key=lambda name: int(name[1:]), reverse=True)
    lines = list(draw(versions, edges))
    assert [line.version for line in lines if line.version] == versions
    for line in lines:
        assert line.graph.count("*") == bool(line.version)
        assert line.graph == line.graph.strip()
