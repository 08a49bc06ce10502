"""FATE-Serving's protocol between parties, in both directions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
import numpy as np
import orjson

from fate_federated.errors import InvalidParty
from fate_federated.party import Party, Role
from fate_federated.transport.rpc import ClientTls, open_aio_channel
from fate_serving.answers import Ask, Reply
from fate_serving.bodies import OK, fault_out, parse_json
from fate_serving.callers import caller_is
from fate_serving.codes import Code, ServingError
from fate_serving.compiling import HostComponent
from fate_serving.hosting import Hosting
from fate_serving.links import checked
from fate_serving.pb.proxy_pb2 import Command, Data, Metadata, Model, Packet, Task, Topic
from fate_serving.pb.proxy_pb2_grpc import DataTransferServiceServicer, DataTransferServiceStub
from fate_serving.shelf import Key
from fate_serving.signature import Signatures

log = logging.getLogger(__name__)

VERSION = "216"
OLDEST = 200
"""Versions before it, which are FATE-Serving 1.x, say otherwise which row they mean."""
ROLE = "serving"
SINGLE, BATCH = "federatedInference", "batch"
SINGLES = (SINGLE, "federatedInference4Tree")

Components = Mapping[str, tuple[HostComponent, Reply]]


class TransferFace(DataTransferServiceServicer):
    """DataTransferService, for FATE-Serving's guests.

    Args:
        signatures: None where requests are not signed.
        tls: whether callers show certificates.
    """

    def __init__(self, hosting: Hosting, signatures: Signatures | None, *, tls: bool, timeout_seconds: float) -> None:
        self._hosting, self._signatures, self._tls = hosting, signatures, tls
        self._timeout_seconds = timeout_seconds

    async def unaryCall(  # noqa: N802
        self, request: Packet, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Packet:
        """A host's part of an answer."""
        try:
            answer = await self._answer(request, context)
        except ServingError as error:
            answer = fault_out(error)
        except Exception:
            # A request ends here: the peer is told no more than that.
            log.exception("a guest's request failed")
            answer = fault_out(ServingError(Code.SYSTEM, "The host failed. Its log says why."))
        return Packet(body=Data(value=orjson.dumps(answer)))

    async def _answer(self, packet: Packet, context: grpc.aio.ServicerContext[Any, Any]) -> dict[str, Any]:
        guest = self._guest(packet, context)
        command = packet.header.command.name
        if command not in (*SINGLES, BATCH):
            raise ServingError(Code.COMMAND, f"command {command[:100]!r} is neither {SINGLE} nor {BATCH}.")
        _check_version(packet.header.operator)
        model = packet.header.task.model
        said = parse_json(packet.body.value)
        if not model.namespace or not model.tableName:
            raise ServingError(Code.PARAMETER, "header.task.model has no namespace or no tableName.")
        left = context.time_remaining()
        seconds = self._timeout_seconds if left is None else max(left, 0.001)
        key = (model.namespace, model.tableName)
        if command != BATCH:
            rows = [_named(said.get("sendToRemoteFeatureData"), "")]
            return _single(await self._hosting.everything(key, rows, guest, seconds))
        batch = said.get("batchDataList")
        if not isinstance(batch, list) or not batch or not all(isinstance(row, dict) for row in batch):
            raise ServingError(Code.PARAMETER, "batchDataList is missing, empty, or no list of objects.")
        indexes = [row.get("index") for row in batch]
        if any(type(index) is not int for index in indexes) or len(set(indexes)) < len(indexes):
            raise ServingError(Code.PARAMETER, "batchDataList has an index that is no whole number, or is there twice.")
        rows = [
            _named(row.get("sendToRemoteFeatureData"), f"batchDataList[{place}].") for place, row in enumerate(batch)
        ]
        return _batch(indexes, await self._hosting.everything(key, rows, guest, seconds))

    def _guest(self, packet: Packet, context: grpc.aio.ServicerContext[Any, Any]) -> Party | None:
        """Who asks: by signature, or else by certificate."""
        party_id = packet.header.src.partyId
        try:
            guest = Party(Role.GUEST, party_id) if party_id else None
        except InvalidParty:
            raise ServingError(Code.PARAMETER, f"header.src.partyId {party_id[:100]!r} is none.") from None
        if self._signatures is not None:
            self._signatures.check(packet)
        else:
            caller_is(context, guest, tls=self._tls)
        return guest


def _check_version(operator: str) -> None:
    if not operator.isdecimal() or int(operator) < OLDEST:
        raise ServingError(
            Code.PARAMETER, f"header.operator {operator[:20]!r} is of FATE-Serving 1.x, which is not understood."
        )


def _named(remote: Any, where: str) -> bytes:
    if not isinstance(remote, dict) or not remote:
        raise ServingError(Code.PARAMETER, f"{where}sendToRemoteFeatureData is missing, empty or no object.")
    return orjson.dumps(remote, option=orjson.OPT_SORT_KEYS)


def _single(components: Components) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, (component, reply) in components.items():
        if 0 in reply.faults:
            return fault_out(reply.faults[0])
        data[name] = component.scorer.as_json(reply.values[0])
    return {"retcode": 0, "retmsg": OK, "data": {**data, "retcode": 0}, "flag": 0}


def _batch(indexes: list[int], components: Components) -> dict[str, Any]:
    rows = []
    for place, index in enumerate(indexes):
        faults = [reply.faults[place] for _, reply in components.values() if place in reply.faults]
        if faults:
            rows.append({"index": index, "retcode": faults[0].code, "retmsg": str(faults[0])})
            continue
        data = {name: component.scorer.as_json(reply.values[place]) for name, (component, reply) in components.items()}
        rows.append({"index": index, "retcode": 0, "retmsg": OK, "data": data})
    by_index = {str(row["index"]): row for row in rows}
    return {"retcode": 0, "retmsg": OK, "flag": 0, "batchDataList": rows, "singleInferenceResultMap": by_index}


class FateLink:
    """To a host that is served by FATE-Serving.

    What is loaded there is for its own people to say.
    """

    def __init__(self, address: str, tls: ClientTls | None, signatures: Signatures | None) -> None:
        self._address, self._signatures = address, signatures
        self._channel = open_aio_channel(address, tls)
        self._stub = DataTransferServiceStub(self._channel)

    async def ask(self, ask: Ask) -> Reply:
        """See :class:`~fate_serving.links.Link`."""
        packet = self._packet(ask)
        if self._signatures is not None:
            self._signatures.sign(packet)
        try:
            reply = await self._stub.unaryCall(packet, timeout=ask.timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise ServingError(
                Code.NETWORK, f"{ask.host} does not answer at {self._address}: {error.code().name} {error.details()}"
            ) from None
        return checked(ask, _reply_in(ask, reply.body.value))

    async def prepare(self, guest: Party, key: Key) -> None:
        """See :class:`~fate_serving.links.Link`."""

    async def release(self, guest: Party, key: Key) -> None:
        """See :class:`~fate_serving.links.Link`."""

    async def close(self) -> None:
        """See :class:`~fate_serving.links.Link`."""
        await self._channel.close()

    def _packet(self, ask: Ask) -> Packet:
        named = [orjson.Fragment(row) for row in ask.rows]
        said: dict[str, Any] = {"caseId": ask.case_id}
        if len(named) == 1:
            said |= {"sendToRemoteFeatureData": named[0], "partyId": ask.guest.party_id}
            said |= {"modelId": ask.guest_key[0], "modelVersion": ask.guest_key[1]}
        else:
            said |= {"hostNamespace": ask.key[0], "hostTableName": ask.key[1]}
            said |= {"guestPartyId": ask.guest.party_id, "hostPartyId": ask.host.party_id}
            said["batchDataList"] = [
                {"index": index, "sendToRemoteFeatureData": row} for index, row in enumerate(named)
            ]
        packet = Packet(
            header=Metadata(
                task=Task(model=Model(namespace=ask.key[0], tableName=ask.key[1])),
                src=Topic(name="partnerPartyName", partyId=ask.guest.party_id, role=ROLE),
                dst=Topic(name="partyName", partyId=ask.host.party_id, role=ROLE),
                command=Command(name=SINGLE if len(named) == 1 else BATCH),
                operator=VERSION,
            ),
            body=Data(value=orjson.dumps(said)),
        )
        packet.auth.nonce, packet.auth.version = ask.case_id, VERSION
        return packet


def _reply_in(ask: Ask, body: bytes) -> Reply:
    """A host's JSON as arrays.

    Raises:
        ServingError: the host's code, or RESPONSE where it is malformed.
    """
    try:
        said = parse_json(body)
    except ServingError as error:
        raise ServingError(Code.RESPONSE, f"{ask.host}: {error}") from None
    code = _code(said.get("retcode"))
    if code:
        raise ServingError(code, str(said.get("retmsg", ""))[:1000])
    values = ask.scorer.empty(ask.host, len(ask.rows))
    if len(ask.rows) == 1:
        values[0] = _row_in(ask, said)
        return Reply(values)
    rows = said.get("batchDataList")
    if not isinstance(rows, list):
        raise ServingError(Code.RESPONSE, f"{ask.host} answered no batchDataList.")
    faults: dict[int, ServingError] = {
        row: ServingError(Code.RESPONSE, f"{ask.host} did not answer this row.") for row in range(len(ask.rows))
    }
    for row in rows:
        index = row.get("index") if isinstance(row, dict) else None
        if type(index) is not int or not 0 <= index < len(ask.rows):
            raise ServingError(Code.RESPONSE, f"{ask.host} answered a row that it was not asked for.")
        code = _code(row.get("retcode"))
        if code:
            faults[index] = ServingError(code, str(row.get("retmsg", ""))[:1000])
            continue
        try:
            values[index] = _row_in(ask, row)
            faults.pop(index, None)
        except ServingError as error:
            faults[index] = error
    return Reply(values, faults)


def _row_in(ask: Ask, said: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    data = said.get("data")
    if not isinstance(data, Mapping):
        raise ServingError(Code.RESPONSE, f"{ask.host} answered no data.")
    own = data.get(ask.component, data)
    if not isinstance(own, Mapping):
        raise ServingError(Code.RESPONSE, f"{ask.host} answered no object for {ask.component}.")
    return ask.scorer.from_json(ask.host, own)


def _code(said: Any) -> int:
    if isinstance(said, int | str) and str(said).lstrip("-").isdecimal():
        return int(said)
    raise ServingError(Code.RESPONSE, "retcode is missing or no number.")
