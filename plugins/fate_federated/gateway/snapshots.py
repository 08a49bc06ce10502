"""Tables as they were, kept under DVC beside the models that were trained on them."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from functools import partial

from fate_federated.errors import DataError
from fate_federated.gateway.model_parts import ModelFiles
from fate_federated.gateway.tables import Tables
from fate_federated.registry.objects import COPY_BYTES
from fate_federated.registry.tables import fingerprint, table_branch
from fate_federated.wire.model_records import Snapshot
from fate_federated.wire.records import TableRecord

FILE = "table.parquet"


class Snapshots:
    """Takes snapshots of tables, and finds those of a table as it is now."""

    def __init__(self, tables: Tables, files: ModelFiles) -> None:
        self._tables, self._files = tables, files

    async def take(self, namespace: str, name: str, message: str) -> Snapshot:
        """Keep a table as it is now.

        Raises:
            TableNotFound: there is none of that name.
            DataError: its file cannot be read.
            RegistryError: it cannot be kept.
        """
        record = await self._tables.get(namespace, name)
        return await self._files.run(partial(self._keep, record, message))

    def _keep(self, record: TableRecord, message: str) -> Snapshot:
        import fsspec

        repository = self._files.repository
        group, branch = table_branch(record.namespace, record.name)
        before = repository.ref("branch", group, branch)
        with repository.objects.staging() as folder:
            try:
                with fsspec.open(record.location, "rb") as source, (folder / FILE).open("wb") as copy:
                    shutil.copyfileobj(source, copy, COPY_BYTES)
            except OSError as error:
                raise DataError(f"The table at {record.location} cannot be read: {error}") from error
            kept = repository.objects.keep(folder)
        file = kept.files[FILE]
        if before and repository.folder_of(before).files[FILE].md5 == file.md5:
            return Snapshot(file.md5, before, file.bytes, unchanged=True)
        said = {**asdict(record), **fingerprint(record), "md5": file.md5}
        tree = repository.write_tree(kept, said, {}, {})
        text = message.strip() or f"Snapshot of {record.namespace}.{record.name}"
        commit = repository.commit(tree, [before] if before else [], f"{text}\n", "fate", "fate@localhost", time.time())
        repository.point("branch", group, branch, commit)
        return Snapshot(file.md5, commit, file.bytes, unchanged=False)
