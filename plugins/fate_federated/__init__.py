"""Federated learning jobs in FATE's JSON on Apache Airflow."""
