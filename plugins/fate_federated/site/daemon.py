"""The process that keeps a site's parts running: supervisord, with Airflow already imported.

Importing Airflow takes about 6 of the 10 CPU seconds that each of its parts needs to start, and 120 MB. supervisord
forks to start a program; here an Airflow part goes on in the forked process, which shares what is imported, where
another program replaces it (exec). A site starts twice as fast and takes less memory, and a part that died is back in
seconds. Airflow's own LocalExecutor runs tasks the same way: what they need is imported in the scheduler before it
forks, which saves each task more than a second.

Run as ``python -m fate_federated.site.daemon``, with the site's environment, by :class:`~fate_federated.site.Site`.
"""

from __future__ import annotations

import argparse
import atexit
import ctypes
import gc
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import psutil
from setproctitle import getproctitle, setproctitle
from supervisor import supervisord
from supervisor.options import ServerOptions

from fate_federated.catalog.discovery import component_names, find_component, load_component
from fate_federated.errors import ConfigError

log = logging.getLogger(__name__)

AIRFLOW = "airflow.__main__"
EXECUTION_API = "airflow.api_fastapi.execution_api.app"
OF_PARTS = (
    "airflow.dag_processing.manager",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "fate_federated.bundle",
)
OF_TASKS = (
    "airflow.version",
    "fate_federated.attended_run",
    "fate_federated.hooks",
    "fate_federated.operators",
    "fate_federated.task.run",
    "fate_federated.task_store",
    "fate_federated.task_tracker",
    "fsspec.implementations.local",
    "grpc._channel",
    "jinja2.ext",
    "numpy.random",
    "pyarrow.dataset",
    "pyarrow.parquet",
)
OF_PARSED_FILES = (
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "fate_federated.dag_factory.job_file",
)
"""What the processes import that the scheduler and the dag processor fork, each anew."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HANDLED = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGCHLD", "SIGUSR2")


class _ForkingOptions(ServerOptions):  # type: ignore[misc]
    """supervisord's way to the operating system, but for how an Airflow part begins."""

    def execve(self, filename: str, argv: list[str], env: dict[str, str]) -> None:
        for name in _HANDLED:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if Path(filename).name != "airflow":
            super().execve(filename, argv, env)
        os.environ.clear()
        os.environ.update(env)
        if argv[1:2] == ["scheduler"]:
            _import_for_tasks()
            _stay_frozen()
        elif argv[1:2] == ["dag-processor"]:
            _import(OF_PARSED_FILES)
        run_airflow(argv)


def run_airflow(argv: list[str]) -> NoReturn:
    """Be the ``airflow`` command in this forked process, to its end."""
    own_pid = os.getpid()

    def in_child() -> None:
        # LocalExecutor's workers hold each other's pipes open, so they would outlive a scheduler that was killed. They
        # have the scheduler's handler of SIGTERM, which does nothing in them, so they are told by another signal.
        if os.getppid() == own_pid:
            signal.signal(signal.SIGHUP, _end_with_children)
            _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)

    os.register_at_fork(after_in_child=in_child)
    sys.argv = argv
    setproctitle(" ".join(["airflow", *argv[1:]]))
    code = 0
    try:
        importlib.import_module(AIRFLOW).main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    except BaseException:
        traceback.print_exc()
        code = 1
    # The interpreter's own end is not reached from here: above this frame is supervisord's loop.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_with_children(number: int, frame: object) -> NoReturn:
    """A worker's end when its scheduler is gone: nobody would hear how its task ends."""
    for child in psutil.Process().children():
        child.terminate()
    os._exit(128 + number)


def _prctl(option: int, value: int) -> None:
    """Linux only; elsewhere orphans are found by their session."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start_migration() -> int:
    """Run ``airflow db migrate`` in a forked process; its id."""
    pid = os.fork()
    if pid == 0:
        run_airflow(["airflow", "db", "migrate"])
    return pid


def _migrated_to(stamp: Path) -> str:
    return stamp.read_text(encoding="utf-8") if stamp.is_file() else ""


def _import(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)


def _import_for_tasks() -> None:
    """Import what tasks use, in the process that forks them. A component that fails to is its own tasks' error."""
    _import(OF_TASKS)
    for module in sorted(component_names()):
        try:
            spec = find_component(module)
            if spec is not None:
                load_component(spec)
        except (ConfigError, ImportError, AttributeError):
            log.warning("the component %s is not imported in advance", module, exc_info=True)


def _stay_frozen() -> None:
    """Keep what is imported out of garbage collections.

    LocalExecutor freezes it while it forks its workers, and thaws it after: the scheduler's next collection then writes
    to, and so copies, every page that it shares with them, about 80 MB.
    """
    gc.collect()
    gc.freeze()
    gc.unfreeze = lambda: None


def main() -> int:
    parser = argparse.ArgumentParser(prog="fate_federated.site.daemon")
    parser.add_argument("--conf", type=Path, required=True, help="supervisord's configuration")
    parser.add_argument("--migrated", type=Path, required=True, help="file that says to what the database was migrated")
    parser.add_argument("--wanted", required=True, help="what it says when no migration is needed")
    arguments = parser.parse_args()
    # Finds where the title is kept, which it cannot once the environment has been changed.
    getproctitle()
    # Whatever loses its parent below is given to this process, so nothing of the site escapes it.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    importlib.import_module(AIRFLOW)
    migration = None if _migrated_to(arguments.migrated) == arguments.wanted else _start_migration()
    _import(OF_PARTS)
    # Three parts make this application, and all it holds but the first time: it has the schemas of many versions.
    importlib.import_module(EXECUTION_API).create_task_execution_api_app()
    if migration is not None:
        status = os.waitstatus_to_exitcode(os.waitpid(migration, 0)[1])
        if status != 0:
            return status
        arguments.migrated.write_text(arguments.wanted, encoding="utf-8")
    gc.collect()
    gc.freeze()
    options: Any = _ForkingOptions()
    options.realize(["--configuration", str(arguments.conf), "--nodaemon"], doc=supervisord.__doc__)
    options.first, options.test = True, False
    supervisord.go(options)
    options.close_httpservers()
    options.close_logger()
    return 0


if __name__ == "__main__":
    sys.exit(main())
