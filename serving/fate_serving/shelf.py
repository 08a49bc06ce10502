"""The loaded models, and which services are bound to which.

On disk, under the site's ``serving`` folder::

    state.json          what is loaded, bound, and to be let go of
    models/<digest>/    FATE's files of one party's part of one version

The disk is the truth: every process of the site reads it again when ``state.json`` has changed, before it answers the
next request, so that a binding holds at all of them from the moment at which the call that made it returns. A restart
needs nothing else.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fate_federated.party import Party
from fate_serving.codes import Code, ServingError
from fate_serving.compiling import Compiled, compile_part
from fate_serving.parts import namespace_of, read_part, unpack

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and version."""


@dataclass(frozen=True, slots=True)
class Load:
    """A model as ``state.json`` has it.

    Attributes:
        party: whose part it is.
        hosts: namespace and version by host, where they are not those that follow from the model.
        loaded_at: seconds since 1970.
        asked_by: the guest that had it loaded, which may have it unloaded too; empty for the site's own people.
    """

    namespace: str
    version: str
    party: str
    loaded_at: float
    hosts: Mapping[str, Key] = field(default_factory=dict)
    asked_by: str = ""

    @property
    def key(self) -> Key:
        return self.namespace, self.version


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that answers requests."""

    load: Load
    compiled: Compiled

    @property
    def key(self) -> Key:
        return self.load.key

    def at_host(self, host: Party) -> Key:
        """Namespace and version of a host's part."""
        given = self.load.hosts.get(str(host))
        return given if given is not None else (namespace_of(host, self.compiled.part.model_id), self.load.version)


@dataclass(frozen=True, slots=True)
class _State:
    loads: Mapping[Key, Load]
    bindings: Mapping[str, Key]
    leaving: Mapping[Key, float]


class Shelf:
    """See the module.

    Args:
        folder: made if it is not there.
        on_drop: told of each model that is not served any more.
    """

    def __init__(self, folder: Path, on_drop: Callable[[Loaded], None] = lambda loaded: None) -> None:
        self._folder = folder
        self._models = folder / "models"
        self._models.mkdir(parents=True, exist_ok=True)
        self._file = folder / "state.json"
        self._seen = (0, 0)
        self._loaded: dict[Key, Loaded] = {}
        self._bindings: dict[str, Key] = {}
        self._leaving: Mapping[Key, float] = {}
        self._broken: dict[Key, str] = {}
        self._awaited: tuple[tuple[int, int], _State] | None = None
        self._following: asyncio.Task[None] | None = None
        self._on_drop = on_drop

    # Reading

    async def refresh(self, service_id: str | None = None, wanted: Key | None = None) -> None:
        """Follow what another process has changed; costs a look at one file where none has.

        Args:
            service_id: the only service that matters to the caller, who then does not wait for other models.
            wanted: the only model that matters.
        """
        while (stamp := self._stamp()) != self._seen:
            if self._awaited is None or self._awaited[0] != stamp:
                self._awaited = (stamp, self._read())
            if self._following is None or self._following.done():
                self._following = asyncio.get_running_loop().create_task(self._follow())
            state = self._awaited[1]
            key = state.bindings.get(service_id) if service_id is not None else wanted
            if key is not None and key in self._loaded and self._loaded[key].load == state.loads.get(key):
                if service_id is not None:
                    self._bindings[service_id] = key
                return
            await asyncio.shield(self._following)

    async def _follow(self) -> None:
        stamp = self._stamp()
        state = await asyncio.to_thread(self._read)
        for key, load in state.loads.items():
            if key in self._loaded and self._loaded[key].load == load:
                continue
            try:
                loaded = await asyncio.to_thread(self._compile, load)
                if key in self._loaded:
                    self._on_drop(self._loaded[key])
                self._loaded[key] = loaded
                self._broken.pop(key, None)
            except ServingError as error:
                self._broken[key] = str(error)
                log.error("model %s of %s cannot be served: %s", key[1], key[0], error)
        self._bindings, self._leaving = dict(state.bindings), state.leaving
        self._seen = stamp
        for key in self._loaded.keys() - state.loads.keys():
            self._on_drop(self._loaded.pop(key))
        for key in self._broken.keys() - state.loads.keys():
            del self._broken[key]

    def service(self, service_id: str) -> Loaded:
        """The model that a service is bound to.

        Raises:
            ServingError: NO_SERVICE or NO_MODEL.
        """
        key = self._bindings.get(service_id)
        if key is None:
            raise ServingError(Code.NO_SERVICE, f"No model is bound to the service {service_id[:200]!r}.")
        return self.model(*key)

    def model(self, namespace: str, version: str) -> Loaded:
        """A loaded model.

        Raises:
            ServingError: NO_MODEL.
        """
        loaded = self._loaded.get((namespace, version))
        if loaded is None:
            broken = self._broken.get((namespace, version))
            why = f" cannot be served: {broken}" if broken else " is not loaded."
            raise ServingError(Code.NO_MODEL, f"The model {namespace[:200]} {version[:100]}{why}")
        return loaded

    def has(self, key: Key) -> bool:
        """Whether a model is loaded."""
        return key in self._loaded

    def everything(self) -> tuple[Loaded, ...]:
        """All loaded models, the first loaded first."""
        return tuple(sorted(self._loaded.values(), key=lambda loaded: loaded.load.loaded_at))

    @property
    def broken(self) -> Mapping[Key, str]:
        """Why models that were loaded before cannot be served."""
        return self._broken

    @property
    def bindings(self) -> Mapping[str, Key]:
        """The model of each service."""
        return self._bindings

    @property
    def leaving(self) -> Mapping[Key, float]:
        """Models to let go of at all parties, with the time from which, in seconds since 1970."""
        return self._leaving

    def services_of(self, key: Key) -> tuple[str, ...]:
        """The services that are bound to a model."""
        return tuple(sorted(service for service, bound in self._bindings.items() if bound == key))

    def files_of(self, key: Key) -> Path:
        """The folder of a model's files."""
        return self._models / _digest(key)

    # Changing

    async def load(
        self,
        archive: Path,
        party: Party | None,
        hosts: Mapping[str, Key] | None = None,
        expected: Key | None = None,
        asked_by: str = "",
    ) -> Loaded:
        """Take a zip of FATE's layout, and serve it. Loading a model again replaces it.

        Args:
            party: whose part it is, where the zip does not say.
            expected: which model it has to be, if it may not be another.

        Raises:
            ServingError: LOAD or MODEL_INIT; nothing has changed then.
        """
        loaded = await asyncio.to_thread(self._take, archive, party, dict(hosts or {}), expected, asked_by)
        await self.refresh()
        return self.model(*loaded.key)

    async def bind(self, service_id: str, namespace: str, version: str, let_go_seconds: float | None = None) -> None:
        """Answer a service's requests with a loaded model from now on.

        Args:
            let_go_seconds: after which the model that answered them until now is to be let go of; None keeps it.

        Raises:
            ServingError: BIND.
        """
        await self.refresh()
        check_service_id(service_id)
        try:
            loaded = self.model(namespace, version)
        except ServingError as error:
            raise ServingError(Code.BIND, f"{error} Load it first.") from None
        if loaded.compiled.guest is None:
            raise ServingError(Code.BIND, f"{loaded.compiled.part.party} only answers guests: it has no services.")

        def bound(state: _State) -> _State:
            old = state.bindings.get(service_id)
            leaving = {**state.leaving}
            if old is not None and let_go_seconds is not None:
                leaving[old] = time.time() + let_go_seconds
            leaving.pop(loaded.key, None)
            return replace(state, bindings={**state.bindings, service_id: loaded.key}, leaving=leaving)

        self._change(bound)
        await self.refresh()

    async def leave(self, key: Key, seconds: float) -> None:
        """Note that a model, loaded or not, is to be let go of after a while unless a service is bound to it."""
        due = time.time() + seconds
        self._change(lambda state: replace(state, leaving={**state.leaving, key: due}))
        await self.refresh()

    async def stay(self, key: Key) -> None:
        """Note that a model need not be let go of."""
        self._change(lambda state: replace(state, leaving=_without(state.leaving, key)))
        await self.refresh()

    async def unbind(self, service_ids: tuple[str, ...], namespace: str, version: str) -> None:
        """Let services be without a model.

        Raises:
            ServingError: UNBIND; one of them is not bound to this model, and none was changed.
        """
        await self.refresh()
        other = [each for each in service_ids if self._bindings.get(each) != (namespace, version)]
        if other or not service_ids:
            named = ", ".join(each[:100] for each in other) or "no service"
            raise ServingError(Code.UNBIND, f"The model {version[:100]} is not bound to {named}.")

        def without(state: _State) -> _State:
            return replace(
                state, bindings={each: key for each, key in state.bindings.items() if each not in service_ids}
            )

        self._change(without)
        await self.refresh()

    async def unload(self, namespace: str, version: str) -> None:
        """Serve a model no more, and remove its files and bindings.

        Raises:
            ServingError: NO_MODEL.
        """
        await self.refresh()
        key = (namespace, version)
        if key not in self._loaded and key not in self._broken:
            self.model(*key)

        def without(state: _State) -> _State:
            return _State(
                {each: load for each, load in state.loads.items() if each != key},
                {service: bound for service, bound in state.bindings.items() if bound != key},
                _without(state.leaving, key),
            )

        self._change(without)
        await self.refresh()
        await asyncio.to_thread(shutil.rmtree, self.files_of(key), ignore_errors=True)

    def _take(
        self, archive: Path, party: Party | None, hosts: Mapping[str, Key], expected: Key | None, asked_by: str
    ) -> Loaded:
        folder = self._models / f"new-{uuid.uuid4().hex}"
        try:
            about = unpack(archive, folder)
            if about.party and party is not None and Party.parse(about.party) != party:
                raise ServingError(Code.LOAD, f"The model is the part of {about.party}, not of {party}.")
            whose = Party.parse(about.party) if about.party else party
            if whose is None:
                raise ServingError(Code.LOAD, "The model does not say whose part it is: name the party.")
            load = Load(namespace_of(whose, about.model_id), about.version, str(whose), time.time(), hosts, asked_by)
            if expected is not None and load.key != expected:
                raise ServingError(
                    Code.LOAD, f"This is {load.namespace} {load.version}, not {expected[0][:200]} {expected[1][:100]}."
                )
            loaded = Loaded(load, compile_part(read_part(folder, whose)))
            with self._lock():
                target = self.files_of(load.key)
                if target.exists():
                    target.rename(self._models / f"old-{uuid.uuid4().hex}")
                folder.rename(target)
                state = self._read()
                self._write(replace(state, loads={**state.loads, load.key: load}))
            return loaded
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            for old in self._models.glob("old-*"):
                shutil.rmtree(old, ignore_errors=True)

    def _compile(self, load: Load) -> Loaded:
        compiled = compile_part(read_part(self.files_of(load.key), Party.parse(load.party)))
        compiled.warm()
        return Loaded(load, compiled)

    def _change(self, change: Callable[[_State], _State]) -> None:
        with self._lock():
            self._write(change(self._read()))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _stamp(self) -> tuple[int, int]:
        try:
            found = os.stat(self._file)  # noqa: PTH116 - a third of the time, on every request
        except FileNotFoundError:
            return (0, 0)
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> _State:
        try:
            said: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return _State({}, {}, {})
        loads = [
            Load(**{**each, "hosts": {host: (key[0], key[1]) for host, key in each["hosts"].items()}})
            for each in said["loads"]
        ]
        bindings = {service: (key[0], key[1]) for service, key in said["bindings"].items()}
        leaving = {(each["namespace"], each["version"]): each["due"] for each in said.get("leaving", ())}
        return _State({load.key: load for load in loads}, bindings, leaving)

    def _write(self, state: _State) -> None:
        leaving = [{"namespace": key[0], "version": key[1], "due": due} for key, due in state.leaving.items()]
        loads = [asdict(load) for load in state.loads.values()]
        said = {"loads": loads, "bindings": state.bindings, "leaving": leaving}
        new = self._file.with_suffix(f".{uuid.uuid4().hex}")
        with new.open("w") as file:
            json.dump(said, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)


def check_service_id(service_id: str) -> None:
    """Refuse what cannot name a service.

    Raises:
        ServingError: PARAMETER.
    """
    if not service_id or len(service_id) > 200 or any(sign in service_id for sign in "?:/&"):
        raise ServingError(
            Code.PARAMETER, f"serviceId {service_id[:200]!r} cannot name a service: it may not hold ?, :, / or &."
        )


def _without(leaving: Mapping[Key, float], key: Key) -> dict[Key, float]:
    return {each: due for each, due in leaving.items() if each != key}


def _digest(key: Key) -> str:
    return hashlib.sha256("\n".join(key).encode()).hexdigest()[:32]
