"""Ids of the Airflow runs of one job: the initiator's, and what the other parties' runs are called after it."""

from __future__ import annotations

CREATED_PREFIX = "fate__"
RESERVED_PREFIXES = (
    "scheduled__",
    "backfill__",
    "operator_triggered__",
    "asset_triggered__",
    "asset_materialization__",
)


def created_run_id(run_id: str) -> str:
    """The id of a run that is created elsewhere for the initiator's run: the same, unless Airflow reserves it.

    The API creates manual runs only, and refuses them the ids of scheduled ones.
    """
    return CREATED_PREFIX + run_id if run_id.startswith(RESERVED_PREFIXES) else run_id
