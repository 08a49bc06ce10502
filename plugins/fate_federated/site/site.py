"""A site as something to start, ask and stop. The CLI, the tests and the benchmarks all use this."""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fate_federated.errors import ConfigError, SiteError
from fate_federated.settings import SiteSettings, load_site
from fate_federated.site.airflow_config import ADMIN, PASSWORDS_FILE
from fate_federated.site.create import port_is_free
from fate_federated.site.gateway_connection import local_address, server_name, update_connection
from fate_federated.site.health import HEALTHY, part_health
from fate_federated.site.layout import SiteLayout
from fate_federated.site.processes import (
    Memory,
    daemon_process,
    end_processes,
    members,
    memory_of,
    record_daemon,
    recorded_daemon,
    stop_all,
    tree,
)
from fate_federated.site.supervision import Part, PartState, part_states, supervisor_conf

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.site.airflow_api import AirflowApi

UP_SECONDS = 300.0
POLL_SECONDS = 0.25
LOG_TAIL_LINES = 25
MAX_EXITS = 2
"""A part may end once while the site starts, as when SQLite was busy; twice is a failure."""

Progress = Callable[[Mapping[Part, str]], None]


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One process of a site, with its children.

    Attributes:
        state: supervisord's word for it; STOPPED when the site is down.
        health: ``healthy``, or what is wrong or awaited.
    """

    part: Part
    state: str
    pid: int
    uptime_seconds: float
    memory: Memory
    health: str


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """A site's processes.

    Attributes:
        memory: of all, supervisord included.
    """

    name: str
    parts: tuple[PartStatus, ...]
    memory: Memory

    @property
    def running(self) -> bool:
        return any(part.pid for part in self.parts)

    @property
    def healthy(self) -> bool:
        return all(part.health == HEALTHY for part in self.parts)


class Site:
    """A site's folder and what runs from it.

    Args:
        path: the folder, or its site.yaml.

    Raises:
        ConfigError: there is no valid site.yaml.
    """

    def __init__(self, path: Path | str) -> None:
        if not Path(path).exists():
            raise SiteError(
                f"There is no site in {path}. Name its folder with --site or FATE_SITE, or make one with "
                f"`fate site init {path} --name NAME --party PARTY`."
            )
        self.settings: SiteSettings = load_site(path)
        self.layout = SiteLayout(self.settings.home)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the site's processes, and for the ``airflow`` command to mean this site."""
        inherited = {key: value for key, value in os.environ.items() if key not in ("AIRFLOW_HOME", "AIRFLOW_CONFIG")}
        commands = str(Path(sys.executable).parent)
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.layout.airflow_home),
            "FATE_SITE": str(self.layout.home),
            "PATH": os.pathsep.join([commands, inherited.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
            # Every thread has its own malloc arena otherwise, which a busy server never gives back.
            "MALLOC_ARENA_MAX": "2",
        }

    @property
    def admin_password(self) -> str:
        """Of Airflow's account ``admin``."""
        file = self.layout.airflow_home / PASSWORDS_FILE
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))[ADMIN])
        except (OSError, ValueError, KeyError) as error:
            raise SiteError(f"The admin's password cannot be read from {file}: {error}") from error

    @property
    def gateway_address(self) -> str:
        """Where this machine reaches the gateway."""
        host, port = local_address(self.settings)
        return f"{host}:{port}"

    def airflow(self, *arguments: str, timeout_seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run the ``airflow`` command for this site; its output and exit status.

        Raises:
            SiteError: it did not end in time.
        """
        command = [str(Path(sys.executable).with_name("airflow")), *arguments]
        try:
            return subprocess.run(  # noqa: S603 - no shell
                command, env=self.environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SiteError(f"airflow {' '.join(arguments)} did not end in {timeout_seconds:g} seconds.") from error

    def gateway(self, *, patience_seconds: float = 5.0) -> GatewayClient:
        """A client of the site's gateway, with the site's certificate; the caller closes it.

        Raises:
            SiteError: a file of the tls section cannot be read.
        """
        from fate_federated.gateway.client import ClientTls, GatewayClient, open_channel

        tls = None
        if self.settings.tls is not None:
            try:
                tls = ClientTls(
                    certificate=self.settings.path(self.settings.tls.certificate).read_bytes(),
                    private_key=self.settings.path(self.settings.tls.private_key).read_bytes(),
                    authority=self.settings.path(self.settings.tls.authority).read_bytes(),
                    server_name=server_name(self.settings),
                )
            except OSError as error:
                raise SiteError(f"The tls section of site.yaml: {error}") from error
        address = self.gateway_address
        return GatewayClient(open_channel(address, tls), address, patience_seconds=patience_seconds)

    def airflow_api(self) -> AirflowApi:
        """The REST API of the site's Airflow, as its admin; the caller closes it."""
        from fate_federated.site.airflow_api import AirflowApi

        return AirflowApi(self.settings.airflow.url, ADMIN, self.admin_password)

    def up(self, *, wait: bool = True, report: Progress | None = None, deadline_seconds: float = UP_SECONDS) -> None:
        """Start what does not run yet; return when everything is healthy and Airflow knows its gateway.

        Args:
            wait: False returns as soon as the processes are being started; Airflow learns of its gateway in the next
                ``up``.
            report: called with the state of every part whenever one changes.

        Raises:
            SiteError: a port is taken, or a part did not become healthy. What this call started is stopped again.
        """
        started = False
        try:
            with self._alone():
                started = self._start()
            if not wait:
                return
            self._wait_until_healthy(report, deadline_seconds)
            with self.airflow_api() as api:
                update_connection(api, self.settings, self.layout.airflow_home / "gateway.connection.json")
        except BaseException:
            if started:
                self.down()
            raise

    def down(self) -> bool:
        """Stop everything and leave nothing behind. Does nothing when nothing runs.

        Returns:
            whether anything ran.
        """
        with self._alone():
            return stop_all(self.layout)

    def status(self) -> SiteStatus:
        """The site's processes as they are now."""
        states = self._states()
        with self.gateway(patience_seconds=0) as gateway, self.airflow_api() as api:
            health = part_health(states, gateway, api)
        now = time.time()
        parts = []
        for part in health:
            state = states.get(part)
            pid = state.pid if state else 0
            parts.append(
                PartStatus(
                    part=part,
                    state=state.state if state else "STOPPED",
                    pid=pid,
                    uptime_seconds=now - state.started_at if state and pid else 0.0,
                    memory=memory_of(tree(pid)) if pid else Memory(),
                    health=health[part],
                )
            )
        record = recorded_daemon(self.layout)
        daemon = daemon_process(record) if record else None
        total = sum((part.memory for part in parts), memory_of([daemon] if daemon else []))
        return SiteStatus(self.name, tuple(parts), total)

    def log_tail(self, part: Part, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of a part's log."""
        return _tail(self.layout.log_of(part), lines)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands that start and stop the same site take turns."""
        for folder in (self.layout.run, self.layout.logs):
            folder.mkdir(parents=True, exist_ok=True)
        with self.layout.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _start(self) -> bool:
        record = recorded_daemon(self.layout)
        if record is not None:
            if daemon_process(record) is not None:
                return False
            # A supervisord that was killed left processes that hold the ports.
            end_processes(members(record))
        self._check_ports()
        layout = self.layout
        layout.supervisor_conf.write_text(supervisor_conf(layout), encoding="utf-8")
        command = [
            sys.executable, "-m", "fate_federated.site.daemon",
            "--conf", str(layout.supervisor_conf),
            "--migrated", str(layout.airflow_home / "migrated"),
            "--wanted", self._wanted_database(),
        ]  # fmt: skip
        with layout.daemon_output.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - no shell
                command,
                env=self.environment,
                cwd=layout.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            record_daemon(layout, process.pid)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        return True

    def _check_ports(self) -> None:
        api = urlsplit(self.settings.airflow.url)
        for port, what, key in (
            (api.port or 80, "Airflow's API server", f"[api] port in {self.layout.airflow_home / 'airflow.cfg'}"),
            (local_address(self.settings)[1], "the gateway", "gateway.listen in site.yaml"),
        ):
            if not port_is_free(port):
                raise SiteError(
                    f"Port {port}, which {what} of site {self.name} is to listen on, is taken by another process. "
                    f"Stop that one, or change {key}."
                )

    def _wanted_database(self) -> str:
        """Changes when Airflow's version or its database does."""
        config = configparser.RawConfigParser()
        try:
            config.read(self.layout.airflow_home / "airflow.cfg")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"Airflow's configuration cannot be read: {error}") from error
        default = config.get("database", "sql_alchemy_conn", fallback="sqlite")
        url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", default)
        return f"{version('apache-airflow-core')} {hashlib.sha256(url.encode()).hexdigest()[:16]}"

    def _states(self) -> dict[Part, PartState]:
        record = recorded_daemon(self.layout)
        return part_states(self.layout) if record and daemon_process(record) else {}

    def _wait_until_healthy(self, report: Progress | None, deadline_seconds: float) -> None:
        deadline = time.monotonic() + deadline_seconds
        last: Mapping[Part, str] = {}
        pids: dict[Part, set[int]] = {part: set() for part in Part}
        with self.gateway(patience_seconds=0) as gateway, self.airflow_api() as api:
            while True:
                states = self._states()
                health = part_health(states, gateway, api)
                if report is not None and health != last:
                    report(health)
                last = health
                if all(word == HEALTHY for word in health.values()):
                    return
                self._check_alive()
                for part, state in states.items():
                    pids[part] |= {state.pid} - {0}
                    if state.state == "FATAL" or len(pids[part]) > MAX_EXITS:
                        raise SiteError(f"{part} of site {self.name} ends again and again.{self._log_of(part)}")
                if time.monotonic() > deadline:
                    late = next(part for part, word in health.items() if word != HEALTHY)
                    raise SiteError(
                        f"{late} of site {self.name} is not healthy after {deadline_seconds:g} seconds."
                        f"{self._log_of(late)}"
                    )
                time.sleep(POLL_SECONDS)

    def _check_alive(self) -> None:
        record = recorded_daemon(self.layout)
        if record is None or daemon_process(record) is None:
            tail = _tail(self.layout.daemon_output, LOG_TAIL_LINES)
            raise SiteError(f"supervisord of site {self.name} ended. Last of {self.layout.daemon_output}:\n{tail}")

    def _log_of(self, part: Part) -> str:
        return f" Last of {self.layout.log_of(part)}:\n{self.log_tail(part)}"


def _tail(file: Path, lines: int) -> str:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(there is none)"
    return "\n".join(text.splitlines()[-lines:])
