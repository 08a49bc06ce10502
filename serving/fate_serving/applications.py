"""What applications are answered, whichever way they come in."""

from __future__ import annotations

import logging
import time
from typing import Any

from fate_serving.access_log import AccessLog
from fate_serving.bodies import Request, batch_in, batch_out, fault_out, single_in, single_out
from fate_serving.codes import Code, ServingError
from fate_serving.flow import Flow, model_source
from fate_serving.inference import Inference, Query
from fate_serving.metrics import Metrics
from fate_serving.processors import Processors
from fate_serving.shelf import Loaded, Shelf

log = logging.getLogger(__name__)

NO_ROW = b"{}"


class Applications:
    """Answers requests of one row and of several.

    Args:
        batch_rows: of a request at most.
    """

    def __init__(
        self,
        shelf: Shelf,
        inference: Inference,
        processors: Processors,
        flow: Flow,
        metrics: Metrics,
        *,
        batch_rows: int,
    ) -> None:
        self._shelf, self._inference, self._processors, self._flow = shelf, inference, processors, flow
        self._metrics, self._batch_rows = metrics, batch_rows
        self._access_log = AccessLog()
        self._in_progress = 0
        self._closed = False

    @property
    def in_progress(self) -> int:
        """Requests that are not answered yet."""
        return self._in_progress

    def close(self) -> None:
        """Refuse new requests; those in progress are answered."""
        self._closed = True

    def flush_log(self) -> None:
        """Write what the access log has collected."""
        self._access_log.flush()

    async def single(self, said: dict[str, Any], timeout_seconds: float, caller: str) -> dict[str, Any]:
        """The answer for one row; never raises but for cancellation."""
        return await self._answered("inference", said, timeout_seconds, caller)

    async def batch(self, said: dict[str, Any], timeout_seconds: float, caller: str) -> dict[str, Any]:
        """The answer for several rows; never raises but for cancellation."""
        return await self._answered("batchInference", said, timeout_seconds, caller)

    def refused(self, call: str, error: ServingError, caller: str) -> dict[str, Any]:
        """The answer to a request that could not be read."""
        self._metrics.answered("", call, error.code, 0.0)
        self._access_log.write(
            call, caller=caller, case_id="", service_id="", version="", code=error.code, rows=0, faults=0, seconds=0.0
        )
        return fault_out(error)

    async def _answered(self, call: str, said: dict[str, Any], timeout_seconds: float, caller: str) -> dict[str, Any]:
        start = time.perf_counter()
        asked, service_id, case_id, version, rows, faults = "", "", "", "", 0, 0
        self._in_progress += 1
        try:
            if self._closed:
                raise ServingError(Code.SHUTDOWN, "This process is shutting down.")
            if self._processors:
                said = await self._processors.before(str(said.get("serviceId", "")), said)
            request = single_in(said) if call == "inference" else batch_in(said, self._batch_rows)
            asked, case_id, rows = request.service_id, request.case_id, len(request.rows)
            with self._flow.counted(f"I_{call}", rows):
                loaded = await self._loaded(call, request)
                service_id, version = asked, loaded.key[1]
                with self._flow.counted(model_source(loaded.key), rows):
                    answer = await self._computed(call, request, loaded, timeout_seconds)
            answer = await self._processors.after(service_id, said, answer)
            faults = sum(row["retcode"] != 0 for row in answer.get("batchDataList", ()))
        except ServingError as error:
            answer = fault_out(error, case_id)
        except Exception:
            # A request ends here: its caller is told no more than that.
            log.exception("a request failed")
            answer = fault_out(
                ServingError(Code.SYSTEM, "The request failed. The log of the process says why."), case_id
            )
        finally:
            self._in_progress -= 1
        seconds = time.perf_counter() - start
        code = answer["retcode"]
        # What is no service's name is a word for the log, and none for a series of numbers.
        self._metrics.answered(service_id, call, code, seconds)
        self._access_log.write(
            call, caller=caller, case_id=case_id, service_id=asked[:200], version=version, code=code, rows=rows,
            faults=faults, seconds=seconds,
        )  # fmt: skip
        return answer

    async def _loaded(self, call: str, request: Request) -> Loaded:
        """The model that answers a request.

        Raises:
            ServingError: there is none, or the request does not name its rows to the hosts.
        """
        await self._shelf.refresh(request.service_id)
        loaded = self._shelf.service(request.service_id)
        pipeline = loaded.compiled.guest
        assert pipeline is not None  # noqa: S101 - only such models are bound
        if pipeline.scorer.hosts:
            nameless = next((index for index, query in request.rows if query.remote == NO_ROW), None)
            if nameless is not None:
                where = "" if call == "inference" else f" of index {nameless}"
                raise ServingError(
                    Code.PARAMETER, f"sendToRemoteFeatureData{where} is missing or empty: hosts cannot find the row."
                )
        return loaded

    async def _computed(self, call: str, request: Request, loaded: Loaded, timeout_seconds: float) -> dict[str, Any]:
        if call == "inference":
            query: Query = request.rows[0][1]
            data = await self._inference.one(loaded, query, timeout_seconds, request.case_id)
            return single_out(request, loaded, data)
        queries = [query for _, query in request.rows]
        outcomes = await self._inference.many(loaded, queries, timeout_seconds, request.case_id)
        return batch_out(request, loaded, outcomes)
