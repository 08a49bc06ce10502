"""Where a site keeps what it runs with."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

MAX_SOCKET_PATH_BYTES = 100
"""The kernel takes 107 bytes (unix(7)); supervisor appends a suffix while it binds."""


@dataclass(frozen=True, slots=True)
class SiteLayout:
    """Paths under a site's folder that only the site's own tools care about.

    Attributes:
        home: the folder of site.yaml, absolute.
    """

    home: Path

    @property
    def airflow_home(self) -> Path:
        return self.home / "airflow"

    @property
    def run(self) -> Path:
        """What exists because the site runs: supervisor's files."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """Of the processes; those of tasks are Airflow's."""
        return self.home / "logs"

    @property
    def supervisor_conf(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisord.log"

    @property
    def daemon_output(self) -> Path:
        """What supervisord's process printed before its log was open, and the migration of the database."""
        return self.logs / "start.log"

    @property
    def daemon_state(self) -> Path:
        """Which process is the site's supervisord."""
        return self.run / "daemon.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def socket(self) -> Path:
        """supervisord's control socket; in the temporary folder where the site's own path is too long for one."""
        inside = self.run / "supervisor.sock"
        if len(os.fsencode(inside)) <= MAX_SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"fate-{os.getuid()}-{digest}.sock"

    def log_of(self, part: str) -> Path:
        """The log of one of the site's processes."""
        return self.logs / f"{part}.log"
