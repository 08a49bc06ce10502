"""Models of real trainings in one process, as the zips that each party's site would have of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fate_federated.dsl.document import read_json
from fate_federated.dsl.parse import parse_documents, parse_job, predict_dsl
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.run_conf import resolve_run_conf, run_parameters
from fate_federated.federation import Federation, PartyResult, make_table, trained_models
from fate_federated.party import Party, Role
from fate_federated.registry.archive import ArchiveAbout, complete_pipeline, write_archive
from fate_federated.registry.layout import (
    DEFINE,
    META,
    PARAM,
    PIPELINE,
    Buffer,
    buffer_name,
    buffer_path,
    define_text,
    parameters_path,
    parameters_text,
)
from fate_federated.registry.version_files import pipeline_of
from fate_federated.task.table import Table
from fate_federated.wire.records import JobFiles

GUEST, HOST, SECOND_HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "host-10001", "arbiter-10000"))
MODEL_ID = "arbiter-10000#guest-9999#host-10000#model"

Tables = Mapping[Party, Table]


@dataclass(frozen=True)
class Trained:
    """A training.

    Attributes:
        tables: its rows, by party.
    """

    dsl: dict[str, Any]
    conf: dict[str, Any]
    parties: tuple[Party, ...]
    tables: Tables
    pipeline: Pipeline
    results: Mapping[str, Mapping[Party, PartyResult]]

    def predicted(self, tables: Tables, component: str, party: Party = GUEST) -> Table:
        """What a prediction job makes of other rows."""
        derived = predict_dsl(read_json(json.dumps(self.dsl)), read_json(json.dumps(self.conf)))
        conf = {**self.conf, "job_parameters": {"common": {"job_type": "predict", "model_version": "1"}}}
        pipeline = parse_documents(read_json(json.dumps(derived)), read_json(json.dumps(conf)), trained=self.pipeline)
        federation = Federation(self.parties, seed=1)
        models = trained_models(self.pipeline, self.results)
        results = federation.run_pipeline(pipeline, _catalogues(tables), trained=models)
        return results[component][party].data

    def zips(self, folder: Path, version: str = "202611210700000000010") -> dict[Party, Path]:
        """Every party's part, as ``fate model export`` writes it."""
        folder.mkdir(parents=True, exist_ok=True)
        files = JobFiles("job", json.dumps(self.dsl), json.dumps(self.conf))
        models = trained_models(self.pipeline, self.results)
        found = {}
        for party in self.parties:
            if party.role is Role.ARBITER:
                continue
            content: dict[str, bytes] = {}
            buffers = []
            for (component, alias), model in models.get(party, {}).items():
                for kind, message in ((META, model.meta), (PARAM, model.param)):
                    path = buffer_path(component, alias, buffer_name(model.module, party, kind))
                    content[path] = message.SerializeToString()
                    buffers.append(Buffer(component, alias, model.module, kind, path, message.DESCRIPTOR.name))
            about = ArchiveAbout(MODEL_ID, version, str(party), str(GUEST), tuple(map(str, self.parties)), version)
            bare = pipeline_of(files, party, None)
            content[PIPELINE] = complete_pipeline(bare, about, deployed=True, parent="").SerializeToString()
            content[DEFINE] = define_text(buffers)
            resolved = resolve_run_conf(self.pipeline.airflow.params, {})
            for node in self.pipeline.nodes:
                if party in node.participants:
                    content[parameters_path(node.name)] = parameters_text(run_parameters(node, party, resolved))
            file = folder / f"{party}.zip"
            with file.open("wb") as target:
                write_archive(target, about, dict.fromkeys(content, _nothing), content)
            found[party] = file
        return found


def _nothing() -> Any:
    raise AssertionError("all files have their content")


def _catalogues(tables: Tables) -> dict[Party, dict[tuple[str, str], Table]]:
    return {party: {("t", "rows"): table} for party, table in tables.items()}


def step(module: str, port: str, source: str, *, model: bool = True) -> dict[str, Any]:
    """A component of a dsl."""
    output = {"data": ["data"], "model": ["model"]} if model else {"data": ["data"]}
    return {"module": module, "input": {"data": {port: [source]}}, "output": output}


def start(port: str = "data") -> dict[str, Any]:
    """Reader, DataTransform and Intersection, which most dsls begin with."""
    return {
        "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
        "data_transform_0": step("DataTransform", port, "reader_0.data"),
        "intersection_0": step("Intersection", "data", "data_transform_0.data", model=False),
    }


def train(
    components: dict[str, Any],
    params: dict[str, Any],
    tables: Tables,
    *,
    parties: tuple[Party, ...] = (GUEST, HOST, ARBITER),
    of_guest: dict[str, Any] | None = None,
    of_host: dict[str, Any] | None = None,
) -> Trained:
    """Train on tables.

    Args:
        params: of all parties, by component.
        of_guest, of_host: what is otherwise at these.
    """
    roles: dict[str, list[int]] = {}
    for party in parties:
        roles.setdefault(str(party.role), []).append(int(party.party_id))
    hosts = "|".join(str(place) for place in range(len(roles.get("host", ()))))
    conf = {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": roles,
        "job_parameters": {"common": {}},
        "component_parameters": {
            "common": {"reader_0": {"table": {"namespace": "t", "name": "rows"}}, **params},
            "role": {
                "guest": {"0": {"data_transform_0": {"with_label": True}, **(of_guest or {})}},
                **({"host": {hosts: of_host}} if of_host else {}),
            },
        },
    }
    dsl = {"components": components}
    pipeline = parse_job(json.dumps(dsl), json.dumps(conf))
    results = Federation(parties, seed=1).run_pipeline(pipeline, _catalogues(tables))
    return Trained(dsl, conf, parties, tables, pipeline, results)


def rows(
    count: int, seed: int = 5, hosts: tuple[Party, ...] = (HOST,), columns: int = 3, classes: int = 2
) -> dict[Party, Table]:
    """Rows of a guest with a label and of hosts: numbers, the first of each party a whole one."""
    random = np.random.default_rng(seed)
    ids = [f"u{number}" for number in range(count)]
    own = random.normal(size=(count, columns))
    own[:, 0] = random.integers(0, 4, count)
    score = own[:, 0] - own[:, 1]
    found = {}
    for place, host in enumerate(hosts):
        theirs = random.normal(size=(count, columns))
        theirs[:, 0] = random.integers(0, 4, count)
        score = score + theirs[:, 1]
        names = [f"{chr(ord('h') + place)}{column}" for column in range(columns)]
        found[host] = make_table(ids, dict(zip(names, theirs.T, strict=True)))
    edges = np.quantile(score, np.arange(1, classes) / classes)
    label = np.searchsorted(edges, score)
    found[GUEST] = make_table(ids, {"y": label, **{f"g{column}": own[:, column] for column in range(columns)}})
    return found


def features(table: Table, row: int) -> dict[str, Any]:
    """A row's features as JSON has them."""
    names = [name for name in table.data.column_names if name not in ("id", "y")]
    return {name: table.data.column(name)[row].as_py() for name in names}


def lr(count: int = 60, **params: Any) -> Trained:
    """HeteroLR behind a scaling."""
    components = {
        **start(),
        "feature_scale_0": step("FeatureScale", "data", "intersection_0.data"),
        "hetero_lr_0": step("HeteroLR", "train_data", "feature_scale_0.data"),
        "evaluation_0": step("Evaluation", "data", "hetero_lr_0.data", model=False),
    }
    said = {"max_iter": 3, "learning_rate": 0.3, "encrypt_param": {"key_length": 1024}, **params}
    return train(components, {"hetero_lr_0": said}, rows(count))
