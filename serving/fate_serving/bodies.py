"""The JSON of FATE-Serving's applications: what a request says, and what it is answered."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fate_serving.codes import Code, ServingError
from fate_serving.inference import Outcome, Query
from fate_serving.shelf import Loaded

OK = "success"
LONGEST_CASE_ID = 128


@dataclass(frozen=True, slots=True)
class Request:
    """What an application asks.

    Attributes:
        rows: with a batch's index of each.
    """

    service_id: str
    case_id: str
    rows: Sequence[tuple[int, Query]]


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ServingError: PARAMETER; it is none.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServingError(Code.PARAMETER, f"The body is not JSON: {error}.") from None
    if not isinstance(said, dict):
        raise ServingError(Code.PARAMETER, "The body is not a JSON object.")
    return said


def single_in(said: Mapping[str, Any]) -> Request:
    """A request for one row.

    Raises:
        ServingError: PARAMETER, naming the member.
    """
    return Request(_service_id(said), _case_id(said), [(0, _query(said, ""))])


def batch_in(said: Mapping[str, Any], most: int) -> Request:
    """A request for several rows.

    Raises:
        ServingError: PARAMETER, naming the member.
    """
    service_id, case_id = _service_id(said), _case_id(said)
    rows = said.get("batchDataList")
    if not isinstance(rows, list) or not rows:
        raise ServingError(Code.PARAMETER, "batchDataList is missing, empty, or no list.")
    if len(rows) > most:
        raise ServingError(Code.PARAMETER, f"batchDataList has {len(rows)} rows; {most} are the most.")
    found: dict[int, Query] = {}
    for place, row in enumerate(rows):
        where = f"batchDataList[{place}]"
        if not isinstance(row, dict):
            raise ServingError(Code.PARAMETER, f"{where} is no object.")
        index = row.get("index")
        if type(index) is not int or not -(1 << 31) <= index < 1 << 31:
            raise ServingError(Code.PARAMETER, f"{where}.index is missing or no whole number.")
        if index in found:
            raise ServingError(Code.PARAMETER, f"{where}.index {index} is there twice.")
        found[index] = _query(row, f"{where}.")
    return Request(service_id, case_id, list(found.items()))


def _service_id(said: Mapping[str, Any]) -> str:
    service_id = said.get("serviceId")
    if not isinstance(service_id, str) or not service_id:
        raise ServingError(Code.PARAMETER, "serviceId is missing or no text.")
    return service_id


def _case_id(said: Mapping[str, Any]) -> str:
    case_id = said.get("caseId") or said.get("caseid")
    if case_id is None:
        return os.urandom(16).hex()
    if not isinstance(case_id, str) or len(case_id) > LONGEST_CASE_ID or not case_id.isprintable():
        raise ServingError(Code.PARAMETER, f"caseId is no text of at most {LONGEST_CASE_ID} characters.")
    return case_id


def _query(said: Mapping[str, Any], where: str) -> Query:
    features, remote = said.get("featureData"), said.get("sendToRemoteFeatureData")
    for name, value in (("featureData", features), ("sendToRemoteFeatureData", remote)):
        if value is not None and not isinstance(value, dict):
            raise ServingError(Code.PARAMETER, f"{where}{name} is no object.")
    if not features:
        raise ServingError(Code.PARAMETER, f"{where}featureData is missing or empty.")
    return Query(features, orjson.dumps(remote or {}, option=orjson.OPT_SORT_KEYS))


def single_out(request: Request, loaded: Loaded, data: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for one row."""
    part = loaded.compiled.part
    return {
        "retcode": 0,
        "retmsg": OK,
        "caseid": request.case_id,
        "data": {
            **data,
            "modelId": loaded.key[0],
            "modelVersion": part.version,
            "timestamp": int(time.time() * 1000),
        },
        "flag": 0,
    }


def batch_out(request: Request, loaded: Loaded, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The answer for several rows."""
    now = int(time.time() * 1000)
    rows = []
    for (index, _), outcome in zip(request.rows, outcomes, strict=True):
        if isinstance(outcome, ServingError):
            rows.append({"index": index, "retcode": outcome.code, "retmsg": str(outcome)})
        else:
            rows.append({"index": index, "retcode": 0, "retmsg": OK, "data": outcome})
    return {
        "retcode": 0,
        "retmsg": OK,
        "caseid": request.case_id,
        "data": {"modelId": loaded.key[0], "modelVersion": loaded.key[1], "timestamp": now},
        "flag": 0,
        "batchDataList": rows,
        "singleInferenceResultMap": {str(row["index"]): row for row in rows},
    }


def fault_out(error: ServingError, case_id: str = "") -> dict[str, Any]:
    """The answer where there is none."""
    said: dict[str, Any] = {"retcode": error.code, "retmsg": str(error), "flag": 0}
    return {**said, "caseid": case_id} if case_id else said


def dumps(said: Mapping[str, Any]) -> bytes:
    """An answer as JSON."""
    return orjson.dumps(said)
