"""The site's processes under supervisord: its configuration, and questions to it."""

from __future__ import annotations

import shlex
import sys
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from fate_federated.errors import SiteError
from fate_federated.site.layout import SiteLayout


class Part(StrEnum):
    """A process of a site that runs as long as the site does."""

    GATEWAY = "gateway"
    API_SERVER = "api-server"
    SCHEDULER = "scheduler"
    DAG_PROCESSOR = "dag-processor"
    TRIGGERER = "triggerer"
    SERVING = "serving"
    """Only where the site's folder has a serving.yaml."""


TOGETHER = "airflow"
TOGETHER_PARTS = (Part.SCHEDULER, Part.DAG_PROCESSOR, Part.TRIGGERER)
"""A supervisord group, which stops at once: first of all, so that tasks can still report to the API server and the
gateway."""
LAST_UP = 3
SERVING_FILE = "serving.yaml"


@dataclass(frozen=True, slots=True)
class Program:
    """How supervisord runs a part.

    Attributes:
        priority: parts start by rising and stop by falling priority.
        stop_seconds: how long it may take to end after SIGTERM before it is killed.
    """

    command: tuple[str, ...]
    priority: int
    stop_seconds: int


def programs(layout: SiteLayout) -> Mapping[Part, Program]:
    """What a site runs. The logs are read from the local disk, so no part serves them."""
    serving = Program((sys.executable, "-m", "fate_serving", "--site", str(layout.home)), 2, 15)
    return {
        **({Part.SERVING: serving} if (layout.home / SERVING_FILE).exists() else {}),
        Part.GATEWAY: Program((sys.executable, "-m", "fate_federated.gateway", "--site", str(layout.home)), 1, 15),
        Part.API_SERVER: Program(("airflow", "api-server"), 2, 10),
        Part.SCHEDULER: Program(("airflow", "scheduler", "--skip-serve-logs"), LAST_UP, 20),
        Part.DAG_PROCESSOR: Program(("airflow", "dag-processor"), LAST_UP, 5),
        Part.TRIGGERER: Program(("airflow", "triggerer", "--skip-serve-logs"), LAST_UP, 20),
    }


def supervisor_conf(layout: SiteLayout) -> str:
    """The text of supervisord.conf."""
    sections = [
        _section("unix_http_server", file=layout.socket, chmod="0700"),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        _section(
            "supervisord",
            directory=layout.home,
            logfile=layout.supervisor_log,
            logfile_maxbytes="5MB",
            logfile_backups=2,
            pidfile=layout.run / "supervisord.pid",
            nocleanup="true",
            silent="true",
        ),
    ]
    for part, program in programs(layout).items():
        sections.append(
            _section(
                f"program:{part}",
                command=shlex.join(program.command),
                priority=program.priority,
                directory=layout.home,
                autorestart="true",
                startsecs=2,
                startretries=3,
                stopsignal="TERM",
                stopwaitsecs=program.stop_seconds,
                stopasgroup="true",
                killasgroup="true",
                redirect_stderr="true",
                stdout_logfile=layout.log_of(part),
                stdout_logfile_maxbytes="10MB",
                stdout_logfile_backups=3,
            )
        )
    sections.append(_section(f"group:{TOGETHER}", programs=",".join(TOGETHER_PARTS), priority=LAST_UP))
    return "\n".join(sections)


def _section(name: str, **values: object) -> str:
    lines = [f"[{name}]", *(f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class PartState:
    """What supervisord knows of a part.

    Attributes:
        state: supervisord's word: STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or STOPPED.
        pid: 0 while it does not run.
        started_at: seconds since 1970.
    """

    part: Part
    state: str
    pid: int
    started_at: float


def part_states(layout: SiteLayout) -> dict[Part, PartState]:
    """Ask supervisord; empty while it does not answer, as before its socket is open and after it ended."""
    server = xmlrpc.client.ServerProxy(
        "http://localhost", transport=SupervisorTransport(serverurl=f"unix://{layout.socket}")
    )
    try:
        answer = cast("list[dict[str, Any]]", server.supervisor.getAllProcessInfo())
    except (OSError, xmlrpc.client.Fault):
        # A Fault is its SHUTDOWN_STATE: it is on its way out.
        return {}
    except xmlrpc.client.ProtocolError as error:
        raise SiteError(f"supervisord at {layout.socket} answered {error.errcode} {error.errmsg}.") from error
    return {
        Part(info["name"]): PartState(Part(info["name"]), info["statename"], info["pid"], float(info["start"]))
        for info in answer
    }
