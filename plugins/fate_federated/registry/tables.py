"""The tables that a version was trained on, and their snapshots."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fate_federated.registry.names import git_name
from fate_federated.registry.repository import ABOUT, ModelRepository
from fate_federated.wire.records import TableRecord


def fingerprint(record: TableRecord) -> dict[str, Any]:
    """What tells a table from another without showing a value of it."""
    schema = json.dumps([record.id_column, *([column.name, column.type] for column in record.columns)])
    return {
        "rows": record.rows,
        "columns": len(record.columns),
        "schema": hashlib.sha256(schema.encode()).hexdigest(),
        "made": record.created_at,
        "location": record.location,
    }


def snapshot_of(repository: ModelRepository, record: TableRecord) -> str:
    """The MD5 by which DVC knows a table as it is now; empty where nobody has taken a snapshot of it."""
    group, branch = table_branch(record.namespace, record.name)
    commit = repository.ref("branch", group, branch)
    if not commit:
        return ""
    said = json.loads(repository.read_git(commit, ABOUT))
    same = said.get("location") == record.location and said.get("made") == record.created_at
    return str(said["md5"]) if same else ""


def table_branch(namespace: str, name: str) -> tuple[str, str]:
    """Group and name of a table's branch."""
    return f"data/{git_name(namespace, namespace)}", git_name(name, name)
