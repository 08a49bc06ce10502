"""Operators that publish, tag and roll back, in real ``dag.test()`` runs against a real gateway."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.airflow_edge.airflows import Airflows, PartyRun
from tests.airflow_edge.conftest import CONNECTION, DATE, connection_to
from tests.gateway.conftest import GUEST, Federation
from tests.gateway.model_federation import LR, train

from fate_federated.model_operators import figure

DAG_FILE = (
    """\
# One Airflow DAG.
from airflow.sdk import DAG

from fate_federated.model_operators import ModelPublishOperator, ModelRollbackOperator, ModelTagOperator

with DAG("weekly") as dag:
    publish = ModelPublishOperator(task_id="publish", model="credit", branch="release", if_better="auc")
    name = "week-{{{{ dag_run.run_after | ds_nodash }}}}"
    tag = ModelTagOperator(task_id="tag", model="credit", tag=name, ref="release")
    publish >> tag
with DAG("undo") as undo:
    ModelRollbackOperator(task_id="undo", model="credit", branch="release", message="{{{{ reason }}}}")
""".replace("{{{{", "{{")
    .replace("}}}}", "}}")
    .replace("{{ reason }}", "as it was")
)


class Runs:
    def __init__(self, federation: Federation, airflows: Airflows, folder: Path) -> None:
        self.federation, self.airflows, self.folder = federation, airflows, folder
        (folder / "weekly.py").write_text(DAG_FILE)

    def run(self, dag: str, number: int) -> PartyRun:
        run = self.airflows.start(
            self.folder / "weekly.py",
            dag,
            self.folder / f"{dag}{number}",
            date=DATE.replace("-01-01T", f"-01-0{number}T"),
            environment={CONNECTION: connection_to(self.federation[GUEST].address)},
        )
        run.result()
        return run


@pytest.fixture
def runs(loopback: Federation, airflows: Airflows, tmp_path: Path) -> Runs:
    return Runs(loopback, airflows, tmp_path)


def test_publish_if_better_tag_and_roll_back(runs: Runs) -> None:
    models = runs.federation[GUEST].client().models
    first = train(runs.federation, 0.5, auc=0.8)
    outcome = runs.run("weekly", 1).result()
    assert outcome["state"] == "success", outcome
    assert outcome["tasks"]["publish"]["xcom"]["model_version"] == first.version
    assert models.version("credit@release").version == first.version
    assert models.version("credit@week-20260101").version == first.version

    train(runs.federation, 0.6, auc=0.7)
    outcome = runs.run("weekly", 2).result()
    assert {name: task["state"] for name, task in outcome["tasks"].items()} == {"publish": "skipped", "tag": "skipped"}
    assert models.version("credit@release").version == first.version

    third = train(runs.federation, 0.7, auc=0.9)
    assert runs.run("weekly", 3).result()["state"] == "success"
    assert models.version("credit@release").version == third.version
    assert models.version("credit@week-20260103").version == third.version

    outcome = runs.run("undo", 4).result()
    assert outcome["state"] == "success", outcome
    restored = models.version("credit@release")
    assert (restored.about.parent, restored.about.source) == (third.version, third.about.parent)
    assert restored.message == "as it was"
    assert restored.author == "undo.undo"


def test_a_metric_is_found_by_its_name_or_its_path() -> None:
    metrics = {LR: {"train": {LR: {"auc": 0.9, "ks": 0.5}}, "validate": {LR: {"auc": 0.8}}}}
    assert figure(metrics, "auc") == 0.8
    assert figure(metrics, "ks") == 0.5
    assert figure(metrics, f"{LR}/train/{LR}/auc") == 0.9
    assert figure(metrics, "rmse") is None
