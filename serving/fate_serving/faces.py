"""The gRPC services of a serving process: each method is one line of work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
import numpy as np
import orjson

from fate_federated.errors import FateFederatedError
from fate_federated.party import Party
from fate_serving.answers import Reply
from fate_serving.applications import Applications
from fate_serving.bodies import dumps, parse_json
from fate_serving.callers import caller_is
from fate_serving.codes import Code, ServingError
from fate_serving.hosted_versions import HostedVersions
from fate_serving.hosting import Hosting
from fate_serving.links import party_in
from fate_serving.management import Management
from fate_serving.pb import common_service_pb2, inference_service_pb2, model_service_pb2, scoring_pb2
from fate_serving.pb.common_service_pb2_grpc import CommonServiceServicer
from fate_serving.pb.inference_service_pb2_grpc import InferenceServiceServicer
from fate_serving.pb.model_service_pb2_grpc import ModelServiceServicer
from fate_serving.pb.scoring_pb2_grpc import ScoringServicer

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class InferenceFace(InferenceServiceServicer):
    """FATE-Serving's InferenceService."""

    def __init__(self, applications: Applications, timeout_seconds: float) -> None:
        self._applications, self._timeout_seconds = applications, timeout_seconds

    async def inference(
        self, request: inference_service_pb2.InferenceMessage, context: Context
    ) -> inference_service_pb2.InferenceMessage:
        """One row."""
        return await self._answer("inference", self._applications.single, request, context)

    async def batchInference(  # noqa: N802
        self, request: inference_service_pb2.InferenceMessage, context: Context
    ) -> inference_service_pb2.InferenceMessage:
        """Several rows."""
        return await self._answer("batchInference", self._applications.batch, request, context)

    async def _answer(
        self,
        call: str,
        answer: Callable[[dict[str, Any], float, str], Awaitable[dict[str, Any]]],
        request: inference_service_pb2.InferenceMessage,
        context: Context,
    ) -> inference_service_pb2.InferenceMessage:
        try:
            said = parse_json(request.body)
        except ServingError as error:
            return inference_service_pb2.InferenceMessage(
                body=dumps(self._applications.refused(call, error, context.peer()))
            )
        left = context.time_remaining()
        seconds = self._timeout_seconds if left is None else max(left, 0.001)
        return inference_service_pb2.InferenceMessage(body=dumps(await answer(said, seconds, context.peer())))


class ScoringFace(ScoringServicer):
    """What guests of this project ask.

    Args:
        tls: whether callers show certificates that name parties.
    """

    def __init__(self, hosting: Hosting, versions: HostedVersions, *, tls: bool) -> None:
        self._hosting, self._versions, self._tls = hosting, versions, tls

    async def Score(  # type: ignore[override]  # noqa: N802
        self, request_iterator: AsyncIterator[scoring_pb2.ScoreRequest], context: Context
    ) -> None:
        """Answers in the order in which they are ready."""
        writing = asyncio.Lock()

        async def answer(request: scoring_pb2.ScoreRequest) -> None:
            reply = await self._answer(request, context)
            async with writing:
                await context.write(reply)

        async with asyncio.TaskGroup() as group:
            async for request in request_iterator:
                group.create_task(answer(request))

    async def _answer(self, request: scoring_pb2.ScoreRequest, context: Context) -> scoring_pb2.ScoreReply:
        try:
            guest = party_in(request.guest)
            caller_is(context, guest, tls=self._tls)
            reply = await self._hosting.answer(
                (request.namespace, request.version), request.component, request.rows, guest, request.timeout_seconds
            )
        except ServingError as error:
            return scoring_pb2.ScoreReply(number=request.number, code=error.code, message=str(error))
        except Exception:
            # A request ends here: the peer is told no more than that.
            log.exception("a guest's request failed")
            return scoring_pb2.ScoreReply(
                number=request.number, code=Code.SYSTEM, message="The host failed. Its log says why."
            )
        return reply_out(request.number, reply)

    async def Prepare(  # noqa: N802
        self, request: scoring_pb2.PrepareRequest, context: Context
    ) -> scoring_pb2.PrepareReply:
        """Load a version."""
        return await self._control(self._versions.prepare, request, context)

    async def Release(  # noqa: N802
        self, request: scoring_pb2.PrepareRequest, context: Context
    ) -> scoring_pb2.PrepareReply:
        """Let a version go."""
        return await self._control(self._versions.release, request, context)

    async def _control(
        self,
        work: Callable[[tuple[str, str], Party | None], Awaitable[None]],
        request: scoring_pb2.PrepareRequest,
        context: Context,
    ) -> scoring_pb2.PrepareReply:
        try:
            guest = party_in(request.guest)
            caller_is(context, guest, tls=self._tls)
            await work((request.namespace, request.version), guest)
        except ServingError as error:
            return scoring_pb2.PrepareReply(code=error.code, message=str(error))
        except Exception:
            # A call ends here, as above.
            log.exception("a guest's request for a version failed")
            return scoring_pb2.PrepareReply(code=Code.SYSTEM, message="The host failed. Its log says why.")
        return scoring_pb2.PrepareReply()


def reply_out(number: int, reply: Reply) -> scoring_pb2.ScoreReply:
    """Arrays as a message."""
    values = reply.values
    faults = [scoring_pb2.RowFault(row=row, code=error.code, message=str(error)) for row, error in reply.faults.items()]
    message = scoring_pb2.ScoreReply(number=number, width=values.shape[1], faults=faults)
    if values.dtype == np.uint8:
        message.decisions = values.tobytes()
    else:
        message.scores = values.astype("<f8").tobytes()
    return message


class ModelFace(ModelServiceServicer):
    """FATE-Serving's ModelService."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def publishLoad(  # noqa: N802
        self, request: model_service_pb2.PublishRequest, context: Context
    ) -> model_service_pb2.PublishResponse:
        """Load a model."""
        return await _published(self._management.publish_load(request))

    async def publishBind(  # noqa: N802
        self, request: model_service_pb2.PublishRequest, context: Context
    ) -> model_service_pb2.PublishResponse:
        """Bind a service to a loaded model."""
        return await _published(self._management.publish_bind(request))

    async def publishOnline(  # noqa: N802
        self, request: model_service_pb2.PublishRequest, context: Context
    ) -> model_service_pb2.PublishResponse:
        """The same as publishBind, as in FATE-Serving."""
        return await _published(self._management.publish_bind(request))

    async def queryModel(  # noqa: N802
        self, request: model_service_pb2.QueryModelRequest, context: Context
    ) -> model_service_pb2.QueryModelResponse:
        """What is loaded and bound."""
        code, message, found = await _outcome(self._management.query(request))
        return model_service_pb2.QueryModelResponse(retcode=code, message=message, modelInfos=found or ())

    async def unload(
        self, request: model_service_pb2.UnloadRequest, context: Context
    ) -> model_service_pb2.UnloadResponse:
        """Serve a model no more."""
        code, message, _ = await _outcome(self._management.unload(request.namespace, request.tableName))
        return model_service_pb2.UnloadResponse(statusCode=code, message=message)

    async def unbind(
        self, request: model_service_pb2.UnbindRequest, context: Context
    ) -> model_service_pb2.UnbindResponse:
        """Let services be without a model."""
        code, message, _ = await _outcome(
            self._management.unbind(tuple(request.serviceIds), request.namespace, request.tableName)
        )
        return model_service_pb2.UnbindResponse(statusCode=code, message=message)

    async def fetchModel(  # noqa: N802
        self, request: model_service_pb2.FetchModelRequest, context: Context
    ) -> model_service_pb2.FetchModelResponse:
        """Take over a model from another instance."""
        code, message, _ = await _outcome(self._management.fetch(request))
        return model_service_pb2.FetchModelResponse(statusCode=code, message=message)

    async def modelTransfer(  # noqa: N802
        self, request: model_service_pb2.ModelTransferRequest, context: Context
    ) -> model_service_pb2.ModelTransferResponse:
        """Hand a model to another instance."""
        code, message, found = await _outcome(self._management.transfer(request.namespace, request.tableName))
        about, content = found or (b"", b"")
        return model_service_pb2.ModelTransferResponse(
            statusCode=code, message=message, modelData=about, cacheData=content
        )


async def _published(work: Awaitable[dict[str, Any]]) -> model_service_pb2.PublishResponse:
    code, message, found = await _outcome(work)
    return model_service_pb2.PublishResponse(
        statusCode=code, message=message, error="" if code == 0 else message, data=orjson.dumps(found or {})
    )


async def _outcome(work: Awaitable[Any]) -> tuple[int, str, Any]:
    try:
        return 0, "success", await work
    except ServingError as error:
        return error.code, str(error), None
    except FateFederatedError as error:
        return int(Code.SYSTEM), str(error), None
    except Exception:
        # A call ends here: its caller is told no more than that.
        log.exception("a management call failed")
        return int(Code.SYSTEM), "The call failed. The log of the process says why.", None


class CommonFace(CommonServiceServicer):
    """FATE-Serving's CommonService, as far as it has a meaning here."""

    def __init__(self, management: Management) -> None:
        self._management = management

    async def checkHealthService(  # noqa: N802
        self, request: common_service_pb2.HealthCheckRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """Whether this process can answer."""
        return await _common(self._management.health())

    async def listProps(  # noqa: N802
        self, request: common_service_pb2.QueryPropsRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """The configuration, without secrets."""
        return await _common(self._management.properties(request.keyword))

    async def queryMetrics(  # noqa: N802
        self, request: common_service_pb2.QueryMetricRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """What passed, by second."""
        return await _common(self._management.numbers(request))

    async def updateFlowRule(  # noqa: N802
        self, request: common_service_pb2.UpdateFlowRuleRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """Limit what passes in a second."""
        return await _common(self._management.limit(request))

    async def queryJvmInfo(  # noqa: N802
        self, request: common_service_pb2.QueryJvmInfoRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """Not here."""
        return _not_here("This process has no JVM.")

    async def updateService(  # noqa: N802
        self, request: common_service_pb2.UpdateServiceRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """Not here."""
        return _not_here("Services have no weights.")

    async def updateConfig(  # noqa: N802
        self, request: common_service_pb2.UpdateConfigRequest, context: Context
    ) -> common_service_pb2.CommonResponse:
        """Not here: a file on this machine is not for a caller to write."""
        return _not_here("The configuration is serving.yaml; start the process again after a change.")


async def _common(work: Awaitable[Any]) -> common_service_pb2.CommonResponse:
    code, message, found = await _outcome(work)
    return common_service_pb2.CommonResponse(
        statusCode=code, message=message, data=orjson.dumps({} if found is None else found)
    )


def _not_here(message: str) -> common_service_pb2.CommonResponse:
    return common_service_pb2.CommonResponse(statusCode=Code.COMMAND, message=message)
