"""docs/components.md says what the components say."""

from __future__ import annotations

from docs.components import PAGE, inputs, page
from tests.examples.shared_jobs import examples, needs_shared

from fate_federated.catalog.discovery import component_names, find_component, load_component


def test_the_page_is_what_the_components_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/components.md is out of date: run make docs"


@needs_shared
def test_the_page_names_every_input_that_an_example_wires() -> None:
    specs = (find_component(module) for module in component_names())
    named = {spec.module: inputs(load_component(spec)).replace("`", "").split(", ") for spec in specs if spec}
    for name, example in examples().items():
        for node in example.pipeline().nodes if example.dsl else ():
            wired = {str(edge.port) for edge in node.inputs}
            assert wired <= set(named.get(node.module, wired)), f"{name}: {node.name}"
