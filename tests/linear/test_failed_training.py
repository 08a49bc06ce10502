"""What a training that fails leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fate_federated.dsl.pipeline import Edge, EdgeKind, Node
from fate_federated.errors import ModelError
from fate_federated.federation import MemoryStore, MemoryTables
from fate_federated.party import Party
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.model import Model
from fate_federated.task.run import run_task
from fate_federated.task_store import checkpoint_location, read_model, write_model
from fate_federated.transport.memory import MemoryHub
from linear.parties import ARBITER, GUEST, HOSTS, OUR_DEFAULTS, Case, case
from linear.plain import train
from parties_in_threads import at_every_party

RATE = 20.0
DIVERGING = {
    **OUR_DEFAULTS,
    "learning_rate": RATE,
    "max_iter": 50,
    "callback_param": {"callbacks": ["ModelCheckpoint"], "save_freq": 2},
}


def run(data: Case, params: dict[str, object]) -> tuple[dict[Party, MemoryStore], dict[Party, Exception]]:
    """What each party's task kept, and how it ended where it failed."""
    everybody = (*data.columns, ARBITER)
    edge = Edge(EdgeKind.DATA, "train_data", "reader_0", "data")
    node = Node("linr_0", "HeteroLinR", (edge,), ("data",), ("model",), dict.fromkeys(everybody, params), everybody)
    hub = MemoryHub(everybody, deadline_seconds=30)
    stores = {party: MemoryStore(MemoryTables({}, party)) for party in everybody}

    def work(party: Party) -> None:
        if party in data.columns:
            stores[party].save_table("reader_0", "data", data.table(party))
        ctx = TaskContext(
            party=party, participants=everybody, job_id="job", component="linr_0", attempt=1,
            transport=hub.transport(party), tracker=MemoryTracker(), seed=0,
        )  # fmt: skip
        run_task(node, params, ctx, stores[party])

    outcomes = at_every_party(hub, everybody, work, 60)
    return stores, {party: outcome for party, outcome in outcomes.items() if outcome is not None}


def test_a_training_that_fails_leaves_its_checkpoints(tmp_path: Path) -> None:
    data = case("HeteroLinR", 60, 2, 3)
    stores, failed = run(data, DIVERGING)
    assert failed.keys() == set(stores)
    assert any(isinstance(error, ModelError) and "learning_rate" in str(error) for error in failed.values())
    assert not any(store.models for store in stores.values())
    steps = {party: sorted(step for _, _, step in stores[party].checkpoints) for party in data.columns}
    assert steps[GUEST][:2] == [1, 3]
    # A party may have failed before the other had kept its last.
    assert abs(len(steps[GUEST]) - len(steps[HOSTS[0]])) <= 1

    kept = {party: stores[party].checkpoints["linr_0", "model", 1] for party in data.columns}
    weights, _ = train("HeteroLinR", data.features, data.label, rate=RATE, iterations=2)
    found = {name: value for model in kept.values() for name, value in model.param.weight.items()}
    np.testing.assert_allclose([found[f"x{column}"] for column in range(5)], weights[:-1], rtol=1e-4)
    assert kept[GUEST].param.intercept == pytest.approx(weights[-1], rel=1e-4)

    # A training goes on from them.
    read = {party: on_disk(tmp_path, party, model) for party, model in kept.items()}
    on = data.run({"max_iter": 1, "learning_rate": 1e-9}, data.inputs(models=read))
    np.testing.assert_allclose(data.weights(on), weights, rtol=1e-4)


def on_disk(folder: Path, party: Party, model: Model) -> Model:
    """A checkpoint as a site keeps it."""
    location = checkpoint_location(str(folder), "job", "linr_0", "1", party, "model", 1)
    write_model(location, model)
    read = read_model(location)
    assert read == model
    return read


def test_nothing_is_kept_without_model_checkpoint() -> None:
    stores, failed = run(case("HeteroLinR", 60, 2, 3), {**OUR_DEFAULTS, "max_iter": 2})
    assert failed == {}
    assert not any(store.checkpoints for store in stores.values())
    assert stores[GUEST].models.keys() == {("linr_0", "model")}
    assert stores[HOSTS[0]].models.keys() == {("linr_0", "model")}
