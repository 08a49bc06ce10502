"""What passes in a second is counted, and limited where a rule says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from serving_models import GUEST, HOST, Trained, features
from serving_sites import Sites, serve
from test_fate_wire import GUEST_SPACE, HOST_SPACE, VERSION, field, raw

from fate_serving.codes import ServingError
from fate_serving.flow import Flow

COMMON = "/com.webank.ai.fate.api.networking.common.CommonService/"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def passed(flow: Flow, source: str, rows: int = 1) -> bool:
    try:
        with flow.counted(source, rows):
            return True
    except ServingError as error:
        if error.code != 124 or source not in str(error):
            raise
        return False


def test_a_rule_holds_over_the_turn_of_a_second_and_in_all_processes(tmp_path: Path) -> None:
    clock = Clock()
    flow, other = Flow(tmp_path, 1, clock), Flow(tmp_path, 1, clock)
    assert all(passed(flow, "I_inference") for _ in range(50)), "without a rule everything passes"
    flow.limit("I_inference", 10)
    clock.now = 1010.9
    assert [passed(flow, "I_inference") for _ in range(12)] == [True] * 10 + [False] * 2
    clock.now = 1011.1
    assert [passed(flow, "I_inference") for _ in range(3)] == [True, False, False], (
        "only two tenths of a second are over"
    )
    clock.now = 1013.0
    assert (passed(flow, "I_inference", 11), passed(flow, "I_inference", 10)) == (False, True)
    assert passed(flow, "I_batchInference", 1000), "it is of another call"
    assert [passed(other, "I_inference") for _ in range(11)] == [True] * 10 + [False]
    flow.limit("I_inference", 0)
    assert not passed(flow, "I_inference")
    flow.limit("I_inference", -1)
    assert all(passed(flow, "I_inference") for _ in range(50))
    assert passed(Flow(tmp_path, 1, clock), "I_inference")


def test_processes_that_share_a_port_share_what_is_allowed(tmp_path: Path) -> None:
    clock = Clock()
    flows = [Flow(tmp_path, 2, clock) for _ in range(2)]
    flows[0].limit("I_inference", 6)
    assert [sum(passed(flow, "I_inference") for _ in range(10)) for flow in flows] == [3, 3]


def test_counts_are_kept_by_second_and_not_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    flow = Flow(tmp_path, 1, clock)
    with flow.counted("M_1_a", 3):
        clock.now += 1
    with pytest.raises(KeyError), flow.counted("M_1_a", 2):
        raise KeyError
    first, second = flow.numbers(0, 1 << 62, "M_1_a".__eq__)
    assert (first["timestamp"], first["passQps"], first["successQps"]) == (1_000_000, 3, 0)
    assert (second["passQps"], second["successQps"], second["exceptionQps"]) == (2, 3, 2)
    assert flow.numbers(0, 1_000_000, "M_1_a".__eq__) == [first]
    for _ in range(400):
        clock.now += 1
        assert passed(flow, "I_inference")
    assert {each["resource"] for each in flow.numbers(0, 1 << 62, lambda source: True)} == {"I_inference", "M_1_a"}
    assert passed(flow, "another")
    assert {each["resource"] for each in flow.numbers(0, 1 << 62, lambda source: True)} == {"I_inference", "another"}
    assert len(flow.numbers(0, 1 << 62, "I_inference".__eq__)) == 300


async def test_an_administrator_of_fate_serving_sees_and_limits_what_passes(sites: Sites, trained_lr: Trained) -> None:
    pair = await serve(sites, trained_lr)
    row, port = features(trained_lr.tables[GUEST], 0), pair.guest.ports["listen"]
    for _ in range(3):
        assert (await pair.client.score(row, "u0"))["retcode"] == 0
    await pair.client.score(row, "nobody")
    told = await raw(port, COMMON + "queryMetrics", field(3, "I_inference"))
    calls = json.loads(told[3][0])
    assert sum(each["passQps"] for each in calls) == 4
    assert [sum(each[name] for each in calls) for name in ("successQps", "exceptionQps", "blockQps")] == [3, 1, 0]
    told = await raw(port, COMMON + "queryMetrics", field(3, f"{VERSION}_{GUEST_SPACE}") + field(4, 1))
    assert sum(each["passQps"] for each in json.loads(told[3][0])) == 4

    def rule(source: str, rows: bytes) -> bytes:
        return field(1, source) + b"\x11" + rows  # a double in field 2

    none, unlimited = bytes(8), bytes.fromhex("000000000000f0bf")
    assert (await raw(port, COMMON + "updateFlowRule", rule("I_inference", none))).get(1, [0]) == [0]
    answer = await pair.client.score(row, "u0")
    assert (answer["retcode"], "I_inference" in answer["retmsg"]) == (124, True)
    assert (await raw(port, COMMON + "updateFlowRule", rule("I_inference", unlimited))).get(1, [0]) == [0]
    assert (await pair.client.score(row, "u0"))["retcode"] == 0
    theirs = rule(f"M_{VERSION}_{HOST_SPACE}", none)
    assert (await raw(pair.host.ports["listen"], COMMON + "updateFlowRule", theirs)).get(1, [0]) == [0]
    answer = await pair.client.score(row, "u0")
    assert (answer["retcode"], str(HOST) in answer["retmsg"]) == (2124, True)
    for source, rows in (("other", none), ("I_inference", bytes.fromhex("000000000000f87f"))):
        assert (await raw(port, COMMON + "updateFlowRule", rule(source, rows)))[1] == [100]
    listed = json.loads((await raw(port, COMMON + "listProps", field(1, "MERGE")))[3][0])
    assert listed == {"merge_rows": 256, "merge_seconds": 0.005}
    healthy = json.loads((await raw(port, COMMON + "checkHealthService", b""))[3][0])
    assert (healthy["ready"], healthy["models"]) == (True, 1)
