"""What the components of a job leave for each other at one party: Parquet and protobuf files of the site's storage.

The gateway knows where they are; tasks read and write the files themselves.
"""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import fsspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from fate_federated.catalog.discovery import find_component, load_component
from fate_federated.errors import DataError, ModelError, ModelNotFound, OutputNotFound, RegistryError, TableIsUploaded
from fate_federated.task.cache import Cache
from fate_federated.task.model import Model
from fate_federated.task.table import Table
from fate_federated.wire.model_records import OperationState
from fate_federated.wire.records import Column, Output, TableRecord, TaskRef

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.party import Party
    from fate_federated.task.cache import CacheReader
    from fate_federated.task.component import Catalogue

log = logging.getLogger(__name__)

DATA = "data"
MODEL = "model"
CACHE = "cache"
CHECKPOINT = "checkpoint"
CACHE_META = "fate.cache"
MESSAGE_PACKAGE = "fate_federated.v1.model."


@dataclass(frozen=True, slots=True)
class GatewayCatalogue:
    """A :class:`~fate_federated.task.component.Catalogue` of one task."""

    client: GatewayClient
    job_id: str
    party: Party
    storage_url: str

    def read(self, namespace: str, name: str) -> Table:
        return read_parquet(self.client.get_table(namespace, name).location)

    def read_output(self, job_id: str, component: str, name: str) -> Table:
        record = self.client.get_output(TaskRef(job_id, component), self.party, DATA, name)
        if record is None:
            raise OutputNotFound(job_id, component, name)
        return read_parquet(record.location)

    def write(self, namespace: str, name: str, table: Table) -> None:
        written = self._folder("written")
        existing = next((other for other in self.client.list_tables(namespace) if other.name == name), None)
        # Where its file is tells who made a table: the catalogue does not.
        if existing is not None and not existing.location.startswith(f"{written}/"):
            raise TableIsUploaded(namespace, name)
        location = f"{written}/{_file_name(namespace)}/{_file_name(name)}-{uuid.uuid4().hex}.parquet"
        write_parquet(location, table)
        filesystem, path = fsspec.url_to_fs(location)
        fields = [field for field in table.data.schema if field.name != table.id_column]
        self.client.put_table(
            TableRecord(
                namespace=namespace,
                name=name,
                location=location,
                rows=len(table),
                id_column=table.id_column,
                columns=tuple(Column(field.name, str(field.type)) for field in fields),
                bytes=int(filesystem.size(path)),
            ),
            replace=existing is not None,
        )
        if existing is not None:
            filesystem, path = fsspec.url_to_fs(existing.location)
            filesystem.rm_file(path)

    def export(self, path: str, table: Table, delimiter: str) -> str:
        segments = [_file_name(segment) for segment in path.split("/")]
        location = "/".join((self._folder("downloads"), self.job_id, str(self.party), *segments))
        with _create(location) as file:
            pacsv.write_csv(table.data, file, pacsv.WriteOptions(delimiter=delimiter))
        return location

    def _folder(self, name: str) -> str:
        return f"{self.storage_url.rstrip('/')}/{name}"


@dataclass(frozen=True, slots=True)
class JobCaches:
    """Reads what this party's jobs kept."""

    client: GatewayClient
    party: Party

    def read(self, job_id: str, component: str, name: str) -> Cache | None:
        """See :class:`~fate_federated.task.cache.CacheReader`."""
        record = self.client.get_output(TaskRef(job_id, component), self.party, CACHE, name)
        return None if record is None else read_cache(record.location)


@dataclass(frozen=True, slots=True)
class KeptModels:
    """A :class:`~fate_federated.task.model.ModelReader` of this party's versions, and of its jobs' own outputs."""

    client: GatewayClient
    party: Party
    storage_url: str

    def version(self, ref: str, model: str) -> str:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        return ref if ref.isdecimal() else self.client.models.version(ref, model).version

    def read(self, version: str, component: str, alias: str) -> Model | None:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        try:
            return self._read_version(version, component, alias)
        except ModelNotFound:
            # The job's outputs are there even where its version is not: its commit waits, or was given up.
            record = self.client.get_output(TaskRef(version, component), self.party, MODEL, alias)
            return None if record is None else read_model(record.location)

    def checkpoints(self, version: str, component: str, alias: str, step: int) -> tuple[int, ...]:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        pattern = checkpoint_location(self.storage_url, version, component, "*", self.party, alias, step)
        filesystem, path = fsspec.url_to_fs(pattern)
        return tuple(sorted(int(found.split("/")[-3]) for found in filesystem.glob(path)))

    def read_checkpoint(self, version: str, component: str, alias: str, step: int, attempt: int) -> Model:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        place = checkpoint_location(self.storage_url, version, component, str(attempt), self.party, alias, step)
        return read_model(place)

    def export(self, version: str, folder: Path) -> Path:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        return self.client.models.export(version, folder, self.party)

    def import_part(self, file: Path) -> None:
        """See :class:`~fate_federated.task.model.ModelReader`."""
        operation = self.client.models.import_part(file, self.party, author=str(self.party))
        if operation.state is not OperationState.DONE:
            raise RegistryError(
                f"The version is open: {operation.detail or operation.state}. See `fate model pending`."
            )

    def _read_version(self, version: str, component: str, alias: str) -> Model:
        contents = {}
        for buffer in ("Meta", "Param"):
            about, data = self.client.models.read(version, self.party, component, alias, buffer)
            _import_messages(about.module)
            contents[buffer] = _parse(MESSAGE_PACKAGE + about.message, data)
        return Model(about.module, contents["Meta"], contents["Param"])


@dataclass(frozen=True, slots=True)
class GatewayOutputStore:
    """An :class:`~fate_federated.task.run.OutputStore` of one task.

    Attributes:
        storage_url: fsspec URL of the site's storage. Outputs of an attempt have their own folder there, so a rerun
            never writes over what an earlier attempt left.
        trained: id of the job, or version, whose models this one predicts with; empty for a job that trains.
    """

    client: GatewayClient
    job_id: str
    attempt: int
    party: Party
    storage_url: str
    trained: str = ""

    @property
    def tables(self) -> Catalogue:
        return GatewayCatalogue(self.client, self.job_id, self.party, self.storage_url)

    def load_table(self, component: str, output: str) -> Table | None:
        """A data output of the newest attempt that succeeded; None where there is none."""
        record = self.client.get_output(TaskRef(self.job_id, component), self.party, DATA, output)
        return None if record is None else read_parquet(record.location)

    def save_table(self, component: str, output: str, table: Table) -> None:
        """Write a data output and tell the gateway."""
        location = self._location(component, f"{_file_name(output)}.parquet")
        write_parquet(location, table)
        self._record(component, DATA, output, location, rows=len(table), columns=tuple(table.data.column_names))

    def load_model(self, component: str, alias: str) -> Model | None:
        """A model of the newest attempt that succeeded; None where there is none.

        Raises:
            ModelError: its files cannot be read.
        """
        return self._load_model(self.job_id, component, alias)

    def load_trained(self, component: str, alias: str) -> Model | None:
        """A model of the job that trained; None where it left none at this party.

        Raises:
            ModelError: no job is named, or its files cannot be read.
        """
        if not self.trained:
            raise ModelError(
                "No model is named to predict with. Write model_version in the conf's job parameters, or trigger the "
                'DAG with --conf \'{"model_version": "<id of the job that trained>"}\'.'
            )
        return self.earlier_models.read(self.trained, component, alias)

    @property
    def earlier_models(self) -> KeptModels:
        return KeptModels(self.client, self.party, self.storage_url)

    def _load_model(self, job_id: str, component: str, alias: str) -> Model | None:
        record = self.client.get_output(TaskRef(job_id, component), self.party, MODEL, alias)
        return None if record is None else read_model(record.location)

    def save_model(self, component: str, alias: str, model: Model) -> None:
        """Write a model and tell the gateway."""
        location = self._location(component, f"{_file_name(alias)}.model.json")
        write_model(location, model)
        self._record(component, MODEL, alias, location, module=model.module)

    def save_checkpoint(self, component: str, alias: str, step: int, model: Model) -> None:
        """Write a model beside where the finished one will be, and tell the gateway. :func:`read_model` reads it."""
        location = checkpoint_location(
            self.storage_url, self.job_id, component, str(self.attempt), self.party, alias, step
        )
        write_model(location, model)
        self._record(component, CHECKPOINT, f"{alias}@{step}", location, module=model.module)

    @property
    def caches(self) -> CacheReader:
        return JobCaches(self.client, self.party)

    def load_cache(self, component: str, name: str) -> Cache | None:
        """A cache of the newest attempt that succeeded; None where there is none."""
        return self.caches.read(self.job_id, component, name)

    def save_cache(self, component: str, name: str, cache: Cache) -> None:
        """Write a cache and tell the gateway."""
        location = self._location(component, f"{_file_name(name)}.cache.parquet")
        write_cache(location, cache)
        self._record(component, CACHE, name, location, rows=cache.data.num_rows, module=cache.module)

    def _location(self, component: str, file: str) -> str:
        return output_location(self.storage_url, self.job_id, component, str(self.attempt), self.party, file)

    def _record(
        self,
        component: str,
        kind: str,
        name: str,
        location: str,
        *,
        rows: int = 0,
        columns: tuple[str, ...] = (),
        module: str = "",
    ) -> None:
        task = TaskRef(self.job_id, component)
        self.client.record_output(Output(task, self.attempt, self.party, kind, name, location, rows, columns, module))
        log.info("%s %s of %s kept at %s", kind, name, component, location)


def output_location(storage_url: str, job_id: str, component: str, attempt: str, party: Party, file: str) -> str:
    """Where a task leaves a file; ``*`` for any attempt."""
    folders = ("jobs", _file_name(job_id), _file_name(component), attempt, _file_name(str(party)))
    return "/".join((storage_url.rstrip("/"), *folders, file))


def checkpoint_location(
    storage_url: str, job_id: str, component: str, attempt: str, party: Party, alias: str, step: int
) -> str:
    """Where a task leaves its model as it is after a step; ``*`` for any attempt."""
    file = f"{_file_name(alias)}.checkpoint-{step}.model.json"
    return output_location(storage_url, job_id, component, attempt, party, file)


def _file_name(name: str) -> str:
    """A name from a dsl, which may have come from another organisation, as one segment of a path."""
    if set(name) <= {"."}:
        raise DataError(f"{name!r} cannot name an output.")
    return quote(name, safe="")


def read_parquet(location: str) -> Table:
    """A table from a Parquet file.

    Raises:
        DataError: it is not there or not what an upload or a component wrote.
    """
    try:
        with fsspec.open(location, "rb") as file:
            return Table.from_arrow(pq.read_table(file))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"The table at {location} cannot be read: {error}") from error


def write_parquet(location: str, table: Table) -> None:
    """Write a table, with the names of its id and label columns, as a Parquet file."""
    # Texts repeat; numbers and ids hardly do, and looking whether they do takes longer than writing them.
    texts = [
        field.name for field in table.data.schema if pa.types.is_string(field.type) and field.name != table.id_column
    ]
    with _create(location) as file:
        pq.write_table(table.to_arrow(), file, compression="zstd", use_dictionary=texts)


def write_cache(location: str, cache: Cache) -> None:
    """Write a cache as a Parquet file; what it is stands in its schema's metadata."""
    meta = {CACHE_META: json.dumps({"module": cache.module, "meta": dict(cache.meta)})}
    with _create(location) as file:
        pq.write_table(cache.data.replace_schema_metadata(meta), file, compression="zstd")


def read_cache(location: str) -> Cache:
    """Read what :func:`write_cache` wrote.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with fsspec.open(location, "rb") as file:
            data = pq.read_table(file)
        said = json.loads((data.schema.metadata or {})[CACHE_META.encode()])
        return Cache(said["module"], said["meta"], data)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise DataError(f"The cache at {location} cannot be read: {type(error).__name__}: {error}") from error


def write_model(location: str, model: Model) -> None:
    """Write a model: at ``location`` a JSON object that names its message types, beside it the two messages."""
    kinds = {"meta": model.meta, "param": model.param}
    names: dict[str, str] = {"module": model.module}
    for kind, message in kinds.items():
        names[kind] = message.DESCRIPTOR.full_name
        with _create(_beside(location, kind)) as file:
            file.write(message.SerializeToString(deterministic=True))
    # Last: who finds this file finds the other two.
    with _create(location) as file:
        file.write(json.dumps(names, indent=1).encode())


def read_model(location: str) -> Model:
    """Read what :func:`write_model` wrote.

    Raises:
        ModelError: it cannot be read, or names a component or a message that is not installed.
    """
    try:
        names: dict[str, str] = json.loads(_read(location))
        module = names["module"]
        _import_messages(module)
        meta, param = (_parse(names[kind], _read(_beside(location, kind))) for kind in ("meta", "param"))
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise ModelError(f"The model at {location} cannot be read: {type(error).__name__}: {error}") from error
    return Model(module, meta, param)


def _import_messages(module: str) -> None:
    """Make the message types of an installed component known: importing it defines them."""
    spec = find_component(module)
    if spec is None:
        raise ModelError(f"No installed component is named {module!r}.")
    load_component(spec)


def _parse(full_name: str, data: bytes) -> Message:
    if not full_name.startswith(MESSAGE_PACKAGE):
        raise ModelError(f"{full_name} is not a message of a model.")
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    message: Message = message_factory.GetMessageClass(descriptor)()
    message.ParseFromString(data)
    return message


def _beside(location: str, kind: str) -> str:
    return f"{location.removesuffix('.json')}.{kind}.pb"


def _read(location: str) -> bytes:
    with fsspec.open(location, "rb") as file:
        content: bytes = file.read()
    return content


def _create(location: str) -> Any:
    filesystem, path = fsspec.url_to_fs(location)
    filesystem.makedirs(filesystem._parent(path), exist_ok=True)
    return filesystem.open(path, "wb")
