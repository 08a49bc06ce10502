"""Serving as one of a site's processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fate_federated.gateway.client import GatewayClient, open_channel
from fate_federated.site.airflow_api import AirflowApi
from fate_federated.site.health import HEALTHY, part_health
from fate_federated.site.layout import SiteLayout
from fate_federated.site.supervision import Part, PartState, supervisor_conf


def test_a_site_serves_where_it_has_a_serving_yaml(tmp_path: Path) -> None:
    layout = SiteLayout(tmp_path)
    assert "program:serving" not in supervisor_conf(layout)
    (tmp_path / "serving.yaml").write_text("workers: 2\n")
    text = supervisor_conf(layout)
    assert "[program:serving]" in text
    assert f"-m fate_serving --site {tmp_path}" in text


@pytest.mark.parametrize(("state", "word"), [("RUNNING", HEALTHY), ("STARTING", "starting"), ("FATAL", "fatal")])
def test_its_health_is_told_where_it_is_one_of_them(state: str, word: str) -> None:
    address = "127.0.0.1:9"
    states = {Part.SERVING: PartState(Part.SERVING, state, 0 if state == "FATAL" else 1, 0.0)}
    with GatewayClient(open_channel(address, None), address, patience_seconds=0) as gateway:
        api = AirflowApi(f"http://{address}", "u", "p")
        try:
            assert part_health(states, gateway, api)[Part.SERVING] == word
            assert Part.SERVING not in part_health({}, gateway, api)
        finally:
            api.close()
