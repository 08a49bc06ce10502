"""A pipeline's graph as text that Mermaid or Graphviz draws: components, what flows between them, models applied."""

from __future__ import annotations

from collections.abc import Iterator

from fate_federated.dsl.pipeline import Edge, EdgeKind, Node, Pipeline
from fate_federated.dsl.predict import TRAINED

_ARROWS = {EdgeKind.DATA: "-->", EdgeKind.MODEL: "-.->", EdgeKind.ISOMETRIC_MODEL: "==>", EdgeKind.CACHE: "--o"}
_STYLES = {
    EdgeKind.DATA: "style=solid",
    EdgeKind.MODEL: "style=dashed",
    EdgeKind.ISOMETRIC_MODEL: "style=bold",
    EdgeKind.CACHE: "style=dotted, arrowhead=odot",
}
_MERMAID_CODES = {ord(sign): f"#{ord(sign)};" for sign in '"#&<>|`\\'}


def mermaid(pipeline: Pipeline) -> str:
    """A flowchart of Mermaid's: data are plain arrows, models dotted, isometric models thick, caches end round."""
    return "\n".join(_mermaid(pipeline)) + "\n"


def graphviz(pipeline: Pipeline) -> str:
    """A digraph of Graphviz's: data are plain arrows, models dashed, isometric models bold, caches dotted."""
    return "\n".join(_graphviz(pipeline)) + "\n"


def _mermaid(pipeline: Pipeline) -> Iterator[str]:
    # A name such as "end" is a word of Mermaid's own: nodes get numbers.
    ids = {node.name: f"n{index}" for index, node in enumerate(pipeline.nodes)}
    trained = {source: f"t{index}" for index, source in enumerate(_trained(pipeline))}
    yield "flowchart TD"
    for source, name in trained.items():
        yield f'    {name}[("{_in_mermaid(f"{TRAINED}.{source}")}")]'
    for node in pipeline.nodes:
        yield f'    {ids[node.name]}["{"<br/>".join(map(_in_mermaid, _label(node)))}"]'
    for node, edge, label in _edges(pipeline):
        source = (trained if edge.trained else ids)[edge.source]
        yield f'    {source} {_ARROWS[edge.kind]}|"{_in_mermaid(label)}"| {ids[node.name]}'


def _graphviz(pipeline: Pipeline) -> Iterator[str]:
    yield "digraph pipeline {"
    yield "    node [shape=box];"
    for source in _trained(pipeline):
        yield f"    {_quoted(f'{TRAINED}.{source}')} [shape=cylinder];"
    for node in pipeline.nodes:
        label = "\\n".join(map(_escaped, _label(node)))
        yield f'    {_quoted(node.name)} [label="{label}"];'
    for node, edge, label in _edges(pipeline):
        source = f"{TRAINED}.{edge.source}" if edge.trained else edge.source
        yield f"    {_quoted(source)} -> {_quoted(node.name)} [label={_quoted(label)}, {_STYLES[edge.kind]}];"
    yield "}"


def _label(node: Node) -> tuple[str, ...]:
    roles = dict.fromkeys(str(party.role) for party in node.participants)
    return (node.name, node.module, ", ".join(roles))


def _edges(pipeline: Pipeline) -> Iterator[tuple[Node, Edge, str]]:
    """Every edge with the node it leads to and what stands on it: what it is for, and which output where that tells."""
    outputs = {node.name: len(node.data_outputs) for node in pipeline.nodes}
    for node in pipeline.nodes:
        for edge in node.inputs:
            one_of_many = edge.kind is EdgeKind.DATA and outputs.get(edge.source, 0) > 1
            yield node, edge, f"{edge.output} as {edge.port}" if one_of_many else edge.port


def _trained(pipeline: Pipeline) -> tuple[str, ...]:
    return tuple(dict.fromkeys(edge.source for node in pipeline.nodes for edge in node.inputs if edge.trained))


def _in_mermaid(text: str) -> str:
    return _printable(text).translate(_MERMAID_CODES)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
