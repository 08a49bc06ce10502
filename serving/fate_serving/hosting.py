"""A host's answers to guests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from fate_federated.party import Party
from fate_serving.adapters import Adapter, Found
from fate_serving.answers import Reply, computed
from fate_serving.cache import LocalCache
from fate_serving.codes import Code, ServingError
from fate_serving.compiling import HostComponent
from fate_serving.flow import Flow, model_source
from fate_serving.metrics import Metrics
from fate_serving.shelf import Key, Loaded, Shelf

log = logging.getLogger(__name__)


class Hosting:
    """Finds features and computes the host's part of answers with them.

    Args:
        adapter: None where no host of this site answers.
        features: kept for a while; None where each is asked for.
        batch_rows: that a guest may ask for at once.
    """

    def __init__(
        self,
        shelf: Shelf,
        adapter: Adapter | None,
        features: LocalCache[bytes, Mapping[str, Any]] | None,
        flow: Flow,
        metrics: Metrics,
        *,
        timeout_seconds: float,
        batch_rows: int,
    ) -> None:
        self._shelf, self._adapter, self._features, self._flow, self._metrics = shelf, adapter, features, flow, metrics
        self._timeout_seconds, self._batch_rows = timeout_seconds, batch_rows

    async def loaded(self, key: Key, guest: Party | None) -> Loaded:
        """A host's model that a guest asks.

        Raises:
            ServingError: NO_MODEL, ROLE or AUTH.
        """
        await self._shelf.refresh(wanted=key)
        loaded = self._shelf.model(*key)
        if not loaded.compiled.host:
            raise ServingError(Code.ROLE, f"{loaded.compiled.part.party} answers applications, not guests.")
        if guest is not None and guest not in loaded.compiled.part.parties:
            raise ServingError(Code.AUTH, f"{guest} has no part in the model {key[1]}.")
        return loaded

    async def answer(
        self, key: Key, component: str, rows: Sequence[bytes], guest: Party | None, timeout_seconds: float
    ) -> Reply:
        """This party's part of a component's answer for rows.

        Args:
            rows: JSON objects that name them.
            guest: who asks; None where nobody knows, on a machine without tls.

        Raises:
            ServingError: why there is no answer at all.
        """
        loaded = await self.loaded(key, guest)
        found = loaded.compiled.host.get(component)
        if found is None:
            raise ServingError(Code.PARAMETER, f"The model has no component {component[:100]!r} that scores.")
        with self._flow.counted(model_source(key), len(rows)):
            return self._computed(found, await self._fetch(rows, timeout_seconds))

    async def everything(
        self, key: Key, rows: Sequence[bytes], guest: Party | None, timeout_seconds: float
    ) -> Mapping[str, tuple[HostComponent, Reply]]:
        """This party's part of the answers of all components that score; see :meth:`answer`."""
        loaded = await self.loaded(key, guest)
        with self._flow.counted(model_source(key), len(rows)):
            features = await self._fetch(rows, timeout_seconds)
            return {
                name: (component, self._computed(component, features))
                for name, component in loaded.compiled.host.items()
            }

    def _computed(self, component: HostComponent, features: Sequence[Found]) -> Reply:
        faults = {
            row: _fault(each) for row, each in enumerate(features) if each is None or isinstance(each, ServingError)
        }
        known = [row for row in range(len(features)) if row not in faults]
        with self._metrics.phase("host_compute"):
            values, wrong = computed([features[row] for row in known], component.answer)  # type: ignore[arg-type]
        faults |= {known[row]: error for row, error in wrong.items()}
        if values is None:
            return Reply(np.zeros((len(features), 0)), faults)
        if len(known) < len(features):
            spread = np.zeros((len(features), values.shape[1]), values.dtype)
            spread[known] = values
            values = spread
        return Reply(values, faults)

    async def _fetch(self, rows: Sequence[bytes], timeout_seconds: float) -> Sequence[Found]:
        if len(rows) > self._batch_rows:
            raise ServingError(Code.PARAMETER, f"{len(rows)} rows were asked for; {self._batch_rows} are the most.")
        if self._adapter is None:
            raise ServingError(Code.ADAPTER, "This site has no adapter: name one in its serving.yaml.")
        found: list[Found] = [None] * len(rows)
        wanted: list[int] = []
        for place, row in enumerate(rows):
            kept = self._features.get(row) if self._features is not None else None
            if kept is None:
                wanted.append(place)
            else:
                found[place] = kept
        if not wanted:
            return found
        named: list[Mapping[str, Any]] = []
        asked: list[int] = []
        for place, said in zip(wanted, _parsed([rows[place] for place in wanted]), strict=True):
            if not isinstance(said, dict) or not said:
                found[place] = ServingError(Code.PARAMETER, "sendToRemoteFeatureData is no JSON object with an id.")
                continue
            named.append(said)
            asked.append(place)
        if not asked:
            return found
        timeout_seconds = min(timeout_seconds, self._timeout_seconds)
        try:
            with self._metrics.phase("adapter"):
                async with asyncio.timeout(timeout_seconds):
                    features = await self._adapter.fetch(named)
        except TimeoutError:
            raise ServingError(
                Code.ADAPTER, f"The store of features did not answer within {timeout_seconds:.3g} seconds."
            ) from None
        except ServingError:
            raise
        except Exception:
            # An adapter may be anybody's code: its error ends here, with its traceback in the log.
            log.exception("the adapter failed")
            raise ServingError(Code.ADAPTER, "The store of features failed. The host's log says why.") from None
        if len(features) != len(named):
            raise ServingError(Code.ADAPTER, f"The store answered {len(features)} rows of {len(named)}.")
        for place, each in zip(asked, features, strict=True):
            found[place] = each
            if self._features is not None and each is not None and not isinstance(each, ServingError):
                self._features.put(rows[place], each)
        return found


def _parsed(rows: Sequence[bytes]) -> Sequence[Any]:
    """Each row's JSON, None where it is none; all at once where all are."""
    try:
        found: list[Any] = orjson.loads(b"[" + b",".join(rows) + b"]")
    except orjson.JSONDecodeError:
        found = []
    return found if len(found) == len(rows) else [_parsed_one(row) for row in rows]


def _parsed_one(row: bytes) -> Any:
    try:
        return orjson.loads(row)
    except orjson.JSONDecodeError:
        return None


def _fault(found: Found) -> ServingError:
    if isinstance(found, ServingError):
        return found
    return ServingError(Code.NO_FEATURES, "The host has no features of this row.")
