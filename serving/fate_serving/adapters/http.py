"""Features from a service of the organisation's own, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from fate_serving.adapters import Found
from fate_serving.codes import Code, ServingError

OK, NOT_FOUND = 200, 404
SHOWN = 200


class HttpAdapter:
    """A POST of what names the row, for each row.

    Args:
        url: of the service.
        code_in_body: as FATE-Serving's HttpAdapter: the answer is ``{"code": 200, "data": {features}}``, with 404 for a
            row that is not known. Else as its HttpAdapterByHeader: the HTTP status is the code, the body the features.
        headers: of each call, such as a token.
        connections: open at once.
    """

    def __init__(
        self,
        *,
        home: Path,
        url: str,
        code_in_body: bool = True,
        headers: Mapping[str, str] | None = None,
        connections: int = 50,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is not a URL of HTTP")
        self._url, self._code_in_body, self._connections = url, code_in_body, connections
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Found]:
        """See :class:`~fate_serving.adapters.Adapter`."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        session = self._session
        return await asyncio.gather(*(self._one(session, row) for row in rows))

    async def close(self) -> None:
        """See :class:`~fate_serving.adapters.Adapter`."""
        if self._session is not None:
            await self._session.close()

    async def _one(self, session: aiohttp.ClientSession, row: Mapping[str, Any]) -> Found:
        body = orjson.dumps(row)
        try:
            async with session.post(self._url, data=body, headers={"Content-Type": "application/json"}) as reply:
                status, said = reply.status, await reply.read()
        except (aiohttp.ClientError, OSError) as error:
            return ServingError(Code.ADAPTER, f"The host's service of features fails: {type(error).__name__}.")
        if status == NOT_FOUND:
            return None
        if status != OK:
            return ServingError(Code.ADAPTER, f"The host's service of features answered with HTTP status {status}.")
        try:
            answer = orjson.loads(said)
        except orjson.JSONDecodeError:
            answer = None
        if self._code_in_body and isinstance(answer, dict):
            code = answer.get("code")
            if code == NOT_FOUND:
                return None
            if code != OK:
                return ServingError(
                    Code.ADAPTER, f"The host's service of features answered with code {str(code)[:SHOWN]}."
                )
            answer = answer.get("data")
        if not isinstance(answer, dict):
            return ServingError(Code.ADAPTER, "The host's service of features answered no JSON object of features.")
        return answer
