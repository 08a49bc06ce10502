"""What Airflow loads of this package by itself."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class FateFederatedPlugin(AirflowPlugin):
    """Makes the package known to Airflow, where `airflow plugins` and the UI's list of plugins show it."""

    name = "fate_federated"
