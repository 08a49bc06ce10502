"""The operators inside a DAG, as the DAG processor and the UI see them. No task runs here."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from fate_federated.dsl.pipeline import Node
from fate_federated.operators import FederatedTaskOperator, FinishJobOperator, StartJobOperator
from fate_federated.party import Party

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")
NODE = Node(
    name="reader_0",
    module="Reader",
    inputs=(),
    data_outputs=("data",),
    model_outputs=(),
    parameters={HOST: {"table": {"namespace": "demo", "name": "{{ conn.fate_gateway.password }}"}}},
    participants=(GUEST, HOST),
)


@pytest.fixture(scope="module")
def dag() -> DAG:
    with DAG("job.host-10000", schedule=None) as dag:
        start = StartJobOperator(task_id="start_job", job_name="job", party=HOST, dsl_text="{}", conf_text="{}")
        task = FederatedTaskOperator(task_id="reader_0", node=NODE, party=HOST, retries=2, pool="fate")
        finish = FinishJobOperator(task_id="finish_job", party=HOST)
        start >> task >> finish.as_teardown(setups=start)
    return dag


def test_a_dag_of_them_serializes_and_comes_back(dag: DAG) -> None:
    serialized = json.loads(json.dumps(DagSerialization.serialize_dag(dag)))
    back = DagSerialization.deserialize_dag(serialized)
    assert set(back.task_dict) == {"start_job", "reader_0", "finish_job"}
    assert back.task_dict["reader_0"].retries == 2
    assert back.task_dict["finish_job"].is_teardown


def test_the_same_dag_serializes_the_same_twice(dag: DAG) -> None:
    assert DagSerialization.serialize_dag(dag) == DagSerialization.serialize_dag(copy.deepcopy(dag))


def test_the_ui_shows_the_party_its_peers_and_its_parameters(dag: DAG) -> None:
    shown = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).task_dict["reader_0"]
    assert (shown.component, shown.module, shown.party) == ("reader_0", "Reader", "host-10000")
    assert shown.participants == ["guest-9999", "host-10000"]
    assert shown.parameters["table"]["namespace"] == "demo"


def test_a_jobs_text_is_never_evaluated_as_a_template(dag: DAG) -> None:
    task = copy.deepcopy(dag.task_dict["reader_0"])

    class Run:
        conf = None

    task.render_template_fields({"dag_run": Run})
    assert task.parameters["table"]["name"] == "{{ conn.fate_gateway.password }}"


def test_a_dag_is_parsed_without_numpy_grpc_or_google_auth() -> None:
    heavy = ("numpy", "pyarrow", "grpc", "google.auth", "google.protobuf")
    code = f"""
import sys, airflow.sdk
before = set(sys.modules)
import fate_federated.operators
print([name for name in {heavy!r} if name in set(sys.modules) - before])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().splitlines()[-1] == "[]"
