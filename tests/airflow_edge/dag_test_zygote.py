"""Runs DAGs with ``dag.test()``, each in a process of its own, without paying Airflow's start for each.

This process imports Airflow and builds its execution API once, then forks for every run. Requests come as JSON lines
on stdin: ``{"id", "home", "file", "dag_id", "date", "conf", "env"}``. Answers go as JSON lines to stdout:
``{"id", "pid"}`` when the run's process is there, ``{"id", "state", "tasks"}`` when it is over, with state and XCom of
every task, and ``{"id", "died"}`` when the process has ended, with or without a word. A run's log is
``<home>/<id>.log``.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

TEMPLATE = "template.db"


def main() -> None:
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{os.environ['AIRFLOW_HOME']}/{TEMPLATE}"
    _prepare()
    _say({"ready": True})
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
    running: dict[int, tuple[str, int]] = {}
    buffer = b""
    while True:
        for key, _ in selector.select():
            data = os.read(key.fd, 1 << 16)
            if key.fd != sys.stdin.fileno():
                _forward(key.fd, data, selector, running)
                continue
            if not data:
                for _, pid in running.values():
                    os.kill(pid, signal.SIGKILL)
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                _start(json.loads(line), selector, running)


def _prepare() -> None:
    """What every run would do again: make a database, and build the execution API up to its first answer."""
    import asyncio

    import httpx
    from airflow import settings
    from airflow.sdk.execution_time.supervisor import in_process_api_server
    from airflow.utils import db
    from airflow.utils.session import create_session

    with create_session() as session:
        db.initdb(session=session)

    async def first_answer() -> None:
        api = in_process_api_server()
        async with httpx.AsyncClient(transport=api.atransport, base_url="http://in-process.invalid") as client:
            await client.get("/no-such-path")

    asyncio.run(first_answer())
    # Writes what SQLite keeps beside the file into it, and leaves no connection to the forked.
    settings.dispose_orm()


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _forward(reader: int, data: bytes, selector: selectors.BaseSelector, running: dict[int, tuple[str, int]]) -> None:
    if data:
        sys.stdout.write(data.decode())
        sys.stdout.flush()
        return
    selector.unregister(reader)
    os.close(reader)
    run, pid = running.pop(reader)
    os.waitpid(pid, 0)
    _say({"id": run, "died": True})


def _start(request: dict[str, Any], selector: selectors.BaseSelector, running: dict[int, tuple[str, int]]) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(Path(request["home"]) / f"{request['id']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(0)
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            answer |= _run(request)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.write(writer, json.dumps(answer).encode() + b"\n")
            os._exit(0)
    os.close(writer)
    running[reader] = (request["id"], pid)
    selector.register(reader, selectors.EVENT_READ)
    _say({"id": request["id"], "pid": pid})


def _run(request: dict[str, Any]) -> dict[str, Any]:
    os.environ.update(request["env"])
    database = Path(request["home"]) / "airflow.db"
    if not database.exists():
        shutil.copy(Path(os.environ["AIRFLOW_HOME"]) / TEMPLATE, database)
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{database}"
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(request["file"]).parent)
    from airflow import settings

    settings.configure_vars()
    settings.configure_orm()
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = Path(request["file"]).parent
    bag = BundleDagBag(dag_folder=request["file"], bundle_path=folder, bundle_name="dags-folder", safe_mode=False)
    if bag.import_errors:
        return {"state": "import_error", "detail": str(bag.import_errors)}
    run = bag.dags[request["dag_id"]].test(
        # With both the run id is the same at every party.
        logical_date=datetime.fromisoformat(request["date"]),
        run_after=datetime.fromisoformat(request["date"]),
        run_conf=request["conf"],
    )
    from airflow.models.xcom import XComModel

    session = settings.Session()
    tasks = {}
    for ti in run.get_task_instances(session=session):
        value = session.scalars(
            XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, task_ids=ti.task_id, key="return_value")
        ).first()
        tasks[ti.task_id] = {"state": ti.state, "xcom": None if value is None else value.value}
    return {"state": run.state, "run_id": run.run_id, "tasks": tasks}


if __name__ == "__main__":
    main()
