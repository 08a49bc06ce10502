"""From a job over three organisations to scores on demand: models of the registries, under the sites' certificates."""

from __future__ import annotations

import csv
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from demo.data import write_csv
from organisations import GUEST, HOST, ThreeSites, wait_for
from typer.testing import CliRunner

from fate_federated.cli.main import app
from fate_federated.party import Party
from fate_federated.status import JobStatus
from fate_serving.pb.inference_service_pb2 import InferenceMessage
from fate_serving.pb.inference_service_pb2_grpc import InferenceServiceStub

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

JOB = "online"


def fate(three: ThreeSites, party: Party, *arguments: str) -> str:
    command = ["serving", *arguments, "--site", str(three[party].settings.home)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return done.output


@contextmanager
def serving(three: ThreeSites, party: Party, ports: list[int], **settings: Any) -> Iterator[None]:
    home = three[party].settings.home
    addresses = dict(zip(("listen", "http", "federation"), (f"127.0.0.1:{port}" for port in ports), strict=True))
    (home / "serving.yaml").write_text(yaml.safe_dump({**addresses, **settings}))
    with (home / "serving.log").open("ab") as log:
        command = [sys.executable, "-m", "fate_serving", "--site", str(home)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(f"serving at {party}", lambda: process.poll() is not None or _answers(ports[0]), 60)
        assert process.poll() is None, (home / "serving.log").read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (home / "serving.log").read_text()
        (home / "serving.yaml").unlink()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _raw(channel: grpc.Channel, method: str, message: bytes) -> bytes:
    """A call of FATE-Serving's, with the bytes of its messages and no stub."""
    call = channel.unary_unary(f"/com.webank.ai.fate.api.{method}", lambda content: content, lambda content: content)
    reply: bytes = call(message, timeout=20)
    return reply


def _field(number: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def test_a_job_s_model_scores_online_what_it_scored_offline(three: ThreeSites, tmp_path: Path) -> None:
    three.drop(JOB, {"hetero_lr_0": {"max_iter": 2}})
    three.trigger(JOB, "online-run")
    job_id = three.job_id("online-run")
    with three[GUEST].gateway() as gateway:
        ended = wait_for("the job ends", lambda: (found := gateway.get_job(job_id)).status.ended and found, 240)
        assert ended.status is JobStatus.SUCCESS, ended.detail
        version, _ = gateway.models.of_job(job_id, 60)
    assert version is not None
    offline = three.output(job_id, "hetero_lr_0", GUEST).data
    expected = dict(zip(offline["id"].to_pylist(), offline["predict_score"].to_pylist(), strict=True))

    own, theirs = write_csv(tmp_path)
    with own.open() as file:
        rows = {row.pop("id"): row for row in csv.DictReader(file)}
    adapter = {"kind": "table", "options": {"path": str(theirs), "id_column": "id"}}
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    peers = [{"parties": [str(HOST)], "address": f"localhost:{ports[2]}"}]
    chosen = list(expected)[:5]
    with ExitStack() as stack:
        stack.enter_context(serving(three, HOST, ports[:3], adapter=adapter))
        stack.enter_context(serving(three, GUEST, ports[3:], peers=peers))
        fate(three, GUEST, "bind", "diagnosis", f"{JOB}@experiment")
        listed = json.loads(fate(three, HOST, "list", "--json"))
        assert [each["version"] for each in listed] == [version.version], "the host has loaded its part"
        with grpc.insecure_channel(f"127.0.0.1:{ports[3]}") as channel:
            stub = InferenceServiceStub(channel)
            for patient in chosen:
                said = {
                    "serviceId": "diagnosis",
                    "featureData": {name: float(value) for name, value in rows[patient].items() if name != "y"},
                    "sendToRemoteFeatureData": {"id": patient},
                }
                answer = json.loads(stub.inference(InferenceMessage(body=json.dumps(said).encode()), timeout=20).body)
                assert answer["retcode"] == 0, answer
                assert answer["data"]["score"] == pytest.approx(expected[patient], abs=1e-9)
            namespace, version_named = answer["data"]["modelId"], answer["data"]["modelVersion"]
            local = _field(1, _field(1, "guest") + _field(2, GUEST.party_id))
            bind = local + _field(4, "bare") + _field(5, version_named) + _field(6, namespace)
            published = _raw(channel, "mlmodel.manager.ModelService/publishBind", bind)
            assert not published.startswith(b"\x08"), "statusCode, field 1, is 0"
            content = json.dumps({**said, "serviceId": "bare"})
            bare = _raw(channel, "serving.InferenceService/inference", _field(2, content))
            assert json.loads(bare[bare.index(b"{") :])["data"]["score"] == answer["data"]["score"]
        body = {"head": {"serviceId": said.pop("serviceId")}, "body": said}
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports[4]}/federation/v1/inference", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert json.loads(reply.read())["data"]["score"] == answer["data"]["score"]
