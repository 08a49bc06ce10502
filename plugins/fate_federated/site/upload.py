"""Tables of a site: from a CSV file into its storage and catalogue, and out again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import fsspec

from fate_federated.errors import DataError
from fate_federated.site.csv_table import Progress, csv_to_parquet
from fate_federated.site.upload_conf import UploadPlan
from fate_federated.wire.records import Column, TableRecord

if TYPE_CHECKING:
    from fate_federated.gateway.client import GatewayClient
    from fate_federated.site.site import Site


def upload_table(site: Site, plan: UploadPlan, report: Progress | None = None) -> TableRecord:
    """Make a table of a site out of a CSV file. It is there with all its rows, or not at all.

    The Parquet file has a name that nobody knows until the catalogue does, so a replaced table can be read to the end.

    Raises:
        DataError: the file cannot be taken (by line and column), or there is such a table and it is not replaced.
    """
    with site.gateway() as gateway:
        return _upload(gateway, site.settings.storage_url, plan, report)


def _upload(gateway: GatewayClient, storage_url: str, plan: UploadPlan, report: Progress | None) -> TableRecord:
    existing = _existing(gateway, plan.namespace, plan.name)
    if existing is not None and not plan.replace:
        raise DataError(
            f"There is a table {plan.namespace}.{plan.name} already, with {existing.rows} rows. "
            "Replace it with --replace, or choose another name."
        )
    # A folder may not be called "..", nor hide behind a leading dot.
    namespace = quote(plan.namespace, safe="").replace(".", "%2E")
    folder = "/".join((storage_url.rstrip("/"), "tables", namespace))
    location = f"{folder}/{quote(plan.name, safe='')}-{uuid.uuid4().hex}.parquet"
    with _removed_on_failure(location) as (filesystem, path):
        written = csv_to_parquet(plan.file, lambda: filesystem.open(path, "wb"), plan.form, report)
        record = gateway.put_table(
            TableRecord(
                namespace=plan.namespace,
                name=plan.name,
                location=location,
                rows=written.rows,
                id_column=written.id_column,
                columns=tuple(
                    Column(field.name, str(field.type)) for field in written.schema if field.name != written.id_column
                ),
                bytes=int(filesystem.size(path)),
            ),
            replace=plan.replace,
        )
    if existing is not None:
        _remove_file(existing.location)
    return record


def delete_table(site: Site, namespace: str, name: str) -> TableRecord:
    """Take a table out of a site's catalogue and remove its file.

    Raises:
        TableNotFound: there is none.
    """
    with site.gateway() as gateway:
        record = gateway.delete_table(namespace, name)
    _remove_file(record.location)
    return record


def _remove_file(location: str) -> None:
    """Remove a table's file; one that is gone already is no error."""
    filesystem, path = fsspec.url_to_fs(location)
    if filesystem.exists(path):
        filesystem.rm_file(path)


def _existing(gateway: GatewayClient, namespace: str, name: str) -> TableRecord | None:
    return next((table for table in gateway.list_tables(namespace) if table.name == name), None)


@contextmanager
def _removed_on_failure(location: str) -> Iterator[tuple[Any, str]]:
    filesystem, path = fsspec.url_to_fs(location)
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        yield filesystem, path
    except BaseException:
        if filesystem.exists(path):
            filesystem.rm_file(path)
        raise
