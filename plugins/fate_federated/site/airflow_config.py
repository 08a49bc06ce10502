"""``airflow.cfg`` of a site: Airflow's defaults, but for what several sites on a machine and short latencies need."""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"
PASSWORDS_FILE = "passwords.json"

WORKER_LOG_OFFSET = 1
TRIGGER_LOG_OFFSET = 2
SCHEDULER_HEALTH_OFFSET = 3
PORTS_PER_SITE = 10
"""A site's Airflow takes its ports from the API's on: the next site starts this much higher."""


@dataclass(frozen=True, slots=True)
class AirflowPlan:
    """What a site's own Airflow is made of.

    Attributes:
        home: ``AIRFLOW_HOME``.
        site: the site's folder, for the bundle that compiles dsl and conf.
        dags_folder: where people drop dsl and conf pairs, and Python DAGs of their own.
        gateway_user: name of the account with which the gateway calls the REST API.
    """

    home: Path
    site: Path
    dags_folder: Path
    api_port: int
    gateway_user: str
    instance_name: str


def airflow_cfg(plan: AirflowPlan) -> str:
    """The text of airflow.cfg, with secrets drawn anew."""
    url = f"http://127.0.0.1:{plan.api_port}"
    bundles = [
        {
            "name": "fate",
            "classpath": "fate_federated.bundle.FateDagBundle",
            "kwargs": {"site": str(plan.site), "refresh_interval": 2},
        },
        {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(plan.dags_folder), "refresh_interval": 5},
        },
    ]
    return f"""\
# Written by `fate site init`. Everything that is not here has Airflow's own default; change what you like, then
# restart the site with `fate site down` and `fate site up`.

[core]
executor = LocalExecutor
# How many tasks run at once at this site: two components of three parties. The process of each takes up to 40 MB.
parallelism = 6
load_examples = False
# Airflow's default asks the resolver, which a machine without DNS answers late.
hostname_callable = socket.gethostname
# An import error says what is wrong with a job's files; where our code found it out is of no use to their author.
dagbag_import_error_tracebacks = False
# An edited job is seen within seconds.
min_serialized_dag_update_interval = 1
execution_api_server_url = {url}/execution/
fernet_key = {urlsafe_b64encode(secrets.token_bytes(32)).decode()}
simple_auth_manager_users = {ADMIN}:admin,{plan.gateway_user}:op
simple_auth_manager_passwords_file = {plan.home / PASSWORDS_FILE}

[database]
# SQLite in this folder. For PostgreSQL: sql_alchemy_conn = postgresql+psycopg2://...
# `fate site up` migrates the database; each process need not look again.
check_migrations = False

[api]
instance_name = {plan.instance_name}
host = 127.0.0.1
port = {plan.api_port}
base_url = {url}
workers = 1
# Tasks call the API on this machine, without TLS: each of their processes need not load the public authorities.
client_use_public_certs = False
secret_key = {secrets.token_urlsafe(32)}

[api_auth]
jwt_secret = {secrets.token_urlsafe(64)}

[scheduler]
# Seconds: the wait between two looks at what may run next, a part of every task's latency.
scheduler_idle_sleep_time = 0.5
parsing_cleanup_interval = 5
# Seconds after which a task whose supervisor says nothing counts as failed.
task_instance_heartbeat_timeout = 60
task_instance_heartbeat_timeout_detection_interval = 5
scheduler_health_check_server_port = {plan.api_port + SCHEDULER_HEALTH_OFFSET}

[workers]
# Seconds: within this a task hears that a person stopped it, and a worker is free again when its task has ended.
min_heartbeat_interval = 1

[dag_processor]
dag_bundle_config_list = {json.dumps(bundles)}
dag_bundle_storage_path = {plan.home / "bundles"}
# Seconds. A dropped file is a DAG within about three.
bundle_refresh_check_interval = 1
parsing_processes = 1
# Seconds. A file that has changed is parsed at once; parsing those that have not every half minute, as Airflow does by
# itself, would keep a core busy where there are some hundred jobs. A Python DAG of yours that reads what stands outside
# its file may want less.
min_file_process_interval = 600
# Seconds. With parsing_cleanup_interval: a DAG that an edited file makes no more is gone within about ten.
stale_dag_threshold = 10

[logging]
worker_log_server_port = {plan.api_port + WORKER_LOG_OFFSET}
trigger_log_server_port = {plan.api_port + TRIGGER_LOG_OFFSET}
colored_console_log = False
"""


def write_airflow(plan: AirflowPlan, gateway_password_file: Path) -> None:
    """Write airflow.cfg and the passwords of the admin and of the gateway's account, readable by the owner only."""
    plan.home.mkdir(parents=True, exist_ok=True)
    passwords = {ADMIN: secrets.token_urlsafe(12), plan.gateway_user: secrets.token_urlsafe(24)}
    write_private(plan.home / "airflow.cfg", airflow_cfg(plan))
    write_private(plan.home / PASSWORDS_FILE, json.dumps(passwords) + "\n")
    write_private(gateway_password_file, passwords[plan.gateway_user] + "\n")


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that only its owner may read; it must not exist."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
