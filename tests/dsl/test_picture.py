"""Pictures of a pipeline."""

from __future__ import annotations

import re
from dataclasses import replace

from dsl_jobs import Job, parse

from fate_federated.dsl.picture import graphviz, mermaid
from fate_federated.dsl.pipeline import Edge, EdgeKind


def test_mermaid_shows_every_component_and_edge(dsl: Job, conf: Job) -> None:
    lines = mermaid(parse(dsl, conf)).splitlines()
    assert lines[0] == "flowchart TD"
    assert '    n2["hetero_lr_0<br/>HeteroLR<br/>guest, host, arbiter"]' in lines
    assert '    n1 -->|"train_data"| n2' in lines
    assert len(lines) == 1 + 4 + 3


def test_graphviz_shows_every_component_and_edge(dsl: Job, conf: Job) -> None:
    lines = graphviz(parse(dsl, conf)).splitlines()
    assert lines[0] == "digraph pipeline {"
    assert lines[-1] == "}"
    assert '    "hetero_lr_0" [label="hetero_lr_0\\nHeteroLR\\nguest, host, arbiter"];' in lines
    assert '    "data_io_0" -> "hetero_lr_0" [label="train_data", style=solid];' in lines
    assert len(lines) == 3 + 4 + 3


def test_kinds_of_edges_and_models_of_a_training_are_told_apart(dsl: Job, conf: Job) -> None:
    pipeline = parse(dsl, conf)
    *others, last = pipeline.nodes
    edges = tuple(Edge(kind, str(kind), "reader_0", "x") for kind in EdgeKind)
    trained = Edge(EdgeKind.MODEL, "model", "reader_0", "x", trained=True)
    pipeline = replace(pipeline, nodes=(*others, replace(last, inputs=(*edges, trained))))
    text = mermaid(pipeline)
    assert re.findall(r'n0 (\S+)\|"\w+"\| n3', text) == ["-->", "-.->", "==>", "--o"]
    assert 't0[("pipeline.reader_0")]' in text
    assert 't0 -.->|"model"| n3' in text
    text = graphviz(pipeline)
    styles = re.findall(r'"reader_0" -> "evaluation_0" \[label="\w+", (.*)\];', text)
    assert len(set(styles)) == len(EdgeKind)
    assert '"pipeline.reader_0" [shape=cylinder];' in text
    assert '"pipeline.reader_0" -> "evaluation_0" [label="model", style=dashed];' in text


def test_which_of_several_outputs_is_written_on_the_edge(dsl: Job, conf: Job) -> None:
    pipeline = parse(dsl, conf)
    reader, *others = pipeline.nodes
    pipeline = replace(pipeline, nodes=(replace(reader, data_outputs=("data", "rest")), *others))
    assert 'n0 -->|"data as data"| n1' in mermaid(pipeline)


def test_whatever_an_output_is_called_stays_inside_its_label(dsl: Job, conf: Job) -> None:
    name = 'a"]\n|}; end --> <b>\\"x'
    pipeline = parse(dsl, conf)
    *others, last = pipeline.nodes
    pipeline = replace(pipeline, nodes=(*others, replace(last, inputs=(Edge(EdgeKind.DATA, name, "reader_0", "d"),))))
    (line,) = (line for line in mermaid(pipeline).splitlines() if "--> " not in line and "end" in line)
    assert re.fullmatch(r'    n0 -->\|"[^"|<>\\]*"\| n3', line)
    (line,) = (line for line in graphviz(pipeline).splitlines() if "; end" in line)
    assert re.fullmatch(r'    "reader_0" -> "evaluation_0" \[label="(?:[^"\\]|\\.)*", style=solid\];', line)
