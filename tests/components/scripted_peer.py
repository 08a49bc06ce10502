"""A component's part at one party against a peer that sends what a test tells it to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fate_federated.catalog.discovery import load_component
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Party
from fate_federated.task.component import Inputs, Outputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.run import build_params
from fate_federated.transport.memory import MemoryHub, Message
from fate_federated.wire.payload import Wire, decode


def run_against(
    spec: ComponentSpec, params: Mapping[str, Any], party: Party, inputs: Inputs, peer: Party, sent: Mapping[str, Wire]
) -> Outputs:
    """Run one party's part after its only peer has sent these values, by tag."""
    hub = MemoryHub([party, peer], deadline_seconds=20)
    for tag, value in sent.items():
        hub.transport(peer).push(party, tag, value)
    ctx = TaskContext(
        party=party, participants=(party, peer), job_id="1", component=spec.module, attempt=1,
        transport=hub.transport(party), tracker=MemoryTracker(),
    )  # fmt: skip
    return load_component(spec)(build_params(spec, params)).run(ctx, inputs)


def content(message: Message) -> Any:
    """What a recorded message carries."""
    return decode(message.structure, message.body)
