"""How Airflow finds the plugin, asked of Airflow itself in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"
ASK = """
import json, sys
from airflow.plugins_manager import _get_plugins
plugins, errors = _get_plugins()
ours = [str(plugin.source) for plugin in plugins if plugin.name == "fate_federated"]
loose = [name for name in ("errors", "operators", "party", "settings", "triggers") if name in sys.modules]
print(json.dumps([ours, errors, loose]))
"""


def plugins_as_airflow_sees_them(plugins_folder: Path, folder: Path) -> list[object]:
    environment = {**os.environ, "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_folder)}
    command = [sys.executable, "-c", ASK]
    # Elsewhere than in this folder, whose egg-info Python would count as a second installation.
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    answer: list[object] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def test_an_installed_package_registers_it_by_entry_point(tmp_path: Path) -> None:
    (source,), errors, loose = plugins_as_airflow_sees_them(tmp_path, tmp_path)  # type: ignore[misc]
    assert "fate_federated.plugin:FateFederatedPlugin" in source
    assert (errors, loose) == ({}, [])


def test_named_as_the_plugins_folder_it_loads_once_and_nothing_beside_it(tmp_path: Path) -> None:
    sources, errors, loose = plugins_as_airflow_sees_them(PLUGINS, tmp_path)
    assert sources == ["$PLUGINS_FOLDER/fate_federated/plugin.py"]
    assert loose == []
    # It is installed here as well; Airflow notices that.
    assert list(errors.values()) == ["Plugin 'fate_federated' already registered, skipping"]  # type: ignore[attr-defined]
