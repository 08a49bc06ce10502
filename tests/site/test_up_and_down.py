"""A real site: real supervisord, Airflow and gateway."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.site.new_site import new_site
from tests.site.site_processes import alive, site_processes, wait_until

from fate_federated.errors import ConfigError, SiteError
from fate_federated.site.health import HEALTHY
from fate_federated.site.processes import recorded_daemon, tree
from fate_federated.site.site import Site
from fate_federated.site.supervision import Part

pytestmark = pytest.mark.airflow


def test_every_part_is_healthy_and_has_a_process_of_its_own(running_site: Site) -> None:
    status = running_site.status()
    assert status.running
    assert status.healthy
    for part in status.parts:
        assert part.state == "RUNNING", part
        assert part.uptime_seconds > 0
        assert part.memory.pss_bytes > 0
    assert len({part.pid for part in status.parts}) == len(Part) - 1  # it has no serving.yaml


def test_a_second_up_changes_nothing(running_site: Site) -> None:
    before = {part.part: part.pid for part in running_site.status().parts}
    running_site.up()
    assert {part.part: part.pid for part in running_site.status().parts} == before


def test_the_gateway_and_airflow_answer(running_site: Site) -> None:
    with running_site.gateway() as gateway:
        description = gateway.site()
    assert {str(party) for party in description.parties} == set(running_site.settings.parties)
    assert description.storage_url == running_site.settings.storage_url
    with running_site.airflow_api() as api:
        assert api.call("GET", "version")["version"]
        assert api.dag("nothing.guest-1") is None


def test_the_gateways_account_may_steer_dags(running_site: Site) -> None:
    from fate_federated.site.airflow_api import AirflowApi

    settings = running_site.settings
    password = settings.path(settings.airflow.password_file).read_text().strip()
    with AirflowApi(settings.airflow.url, settings.airflow.username, password) as api:
        assert "dags" in api.call("GET", "dags")
    with AirflowApi(settings.airflow.url, "admin", "wrong") as api, pytest.raises(SiteError, match="refused the login"):
        api.dag("any")


def test_the_connection_follows_site_yaml_until_a_person_edits_it(running_site: Site) -> None:
    from fate_federated.site.gateway_connection import CONNECTION_ID, update_connection

    written = running_site.layout.airflow_home / "gateway.connection.json"
    address = running_site.gateway_address
    path = f"connections/{CONNECTION_ID}"
    with running_site.airflow_api() as api:
        connection = api.find(path)
        assert f"{connection['host']}:{connection['port']}" == address
        assert connection["conn_type"] == "grpc"
        moved = running_site.settings.model_copy(
            update={"gateway": running_site.settings.gateway.model_copy(update={"listen": "127.0.0.1:1"})}
        )
        assert update_connection(api, moved, written) is True
        assert api.find(path)["port"] == 1
        assert update_connection(api, running_site.settings, written) is True
        assert f"{connection['host']}:{api.find(path)['port']}" == address
        api.call("PATCH", path, json={"connection_id": CONNECTION_ID, "conn_type": "grpc", "host": "proxy.example"})
        assert update_connection(api, running_site.settings, written) is False
        assert api.find(path)["host"] == "proxy.example"
        api.call("DELETE", path)
        assert update_connection(api, running_site.settings, written) is True
        assert f"{connection['host']}:{api.find(path)['port']}" == address


def test_a_part_that_dies_comes_back(running_site: Site) -> None:
    before = {part.part: part.pid for part in running_site.status().parts}
    workers = tree(before[Part.SCHEDULER])
    os.kill(before[Part.SCHEDULER], signal.SIGKILL)

    def is_back() -> bool:
        now = {part.part: part for part in running_site.status().parts}[Part.SCHEDULER]
        return now.pid not in (0, before[Part.SCHEDULER]) and now.health == HEALTHY

    wait_until("the scheduler is back", is_back, 60)
    wait_until("its workers are gone", lambda: not alive(workers), 10)


def test_a_taken_port_is_named_and_nothing_is_started(running_site: Site, tmp_path: Path) -> None:
    other = new_site(tmp_path / "other")
    port = int(running_site.settings.airflow.url.rpartition(":")[2])
    yaml = other.layout.home / "site.yaml"
    yaml.write_text(re.sub(r"url: http://127\.0\.0\.1:\d+", f"url: http://127.0.0.1:{port}", yaml.read_text()))
    with pytest.raises(SiteError, match=f"Port {port}, .*is taken"):
        Site(other.layout.home).up()
    assert site_processes(other) == set()


def test_a_part_that_cannot_start_is_shown_with_its_log_and_everything_is_stopped(tmp_path: Path) -> None:
    home = new_site(tmp_path / "broken").layout.home
    yaml = home / "site.yaml"
    yaml.write_text(yaml.read_text().replace('database: ""', "database: nosuchdatabase://x"))
    broken = Site(home)
    seen: set[psutil.Process] = set()
    with pytest.raises(SiteError) as caught:
        broken.up(report=lambda _: seen.update(site_processes(broken)))
    assert "gateway of site bank" in str(caught.value)
    assert "nosuchdatabase" in str(caught.value)
    assert seen
    assert alive(seen | site_processes(broken)) == set()


def test_a_broken_airflow_cfg_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    site = new_site(tmp_path / "broken")
    with (site.layout.airflow_home / "airflow.cfg").open("a") as file:
        file.write("\n[core]\n")
    with pytest.raises(ConfigError, match="'core' already exists"):
        site.up()
    assert site_processes(site) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    site = new_site(tmp_path / "interrupted")
    fate = Path(sys.executable).with_name("fate")
    command = subprocess.Popen(
        # A shell lets what it runs in the background ignore SIGINT, and so may have let this.
        ["env", "--default-signal=INT", fate, "site", "up", "--site", site.layout.home],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until("supervisord is started", lambda: recorded_daemon(site.layout) is not None, 30)
        seen = site_processes(site)
        command.send_signal(number)
        assert command.wait(timeout=30) != 0
    finally:
        command.kill()
    assert seen
    assert alive(seen | site_processes(site)) == set()
    assert recorded_daemon(site.layout) is None


def test_what_a_killed_supervisord_left_is_stopped(tmp_path: Path) -> None:
    site = new_site(tmp_path / "killed")
    site.up(wait=False)
    wait_until("the parts are started", lambda: any(part.pid for part in site.status().parts), 90)
    seen = site_processes(site)
    record = recorded_daemon(site.layout)
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    assert site.down() is True
    assert alive(seen) == set()
