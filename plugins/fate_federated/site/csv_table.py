"""CSV to Parquet in constant memory, exact about what cannot be taken.

The file is read by Arrow in blocks, with the types that its first block suggests. When a later value does not fit them
(or the first block already holds something that is no number) a second, slower look at the file as text decides each
column's type, or finds the first value that is not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from fate_federated.errors import DataError
from fate_federated.site.csv_checks import IdCheck, RowCheck
from fate_federated.site.csv_source import CsvFormat, CsvSource, TypesDoNotHold
from fate_federated.site.csv_types import first_block_types, scanned_types
from fate_federated.task.table import ID

ROW_GROUP_BYTES = 32 << 20

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a file became.

    Attributes:
        schema: of the Parquet file, the id among its columns.
    """

    rows: int
    id_column: str
    schema: pa.Schema


def csv_to_parquet(
    file: Path,
    open_sink: Callable[[], AbstractContextManager[IO[bytes]]],
    form: CsvFormat,
    report: Progress | None = None,
) -> Written:
    """Convert a file.

    Args:
        open_sink: opens what the Parquet file is written to, anew for a second try.

    Raises:
        DataError: the first thing in it that cannot be taken, by line and column. What was written is then void.
    """
    try:
        source = CsvSource.open(file, form)
        types = first_block_types(source)
        if types is not None:
            try:
                with open_sink() as sink:
                    return _convert(source, types, sink, report)
            except TypesDoNotHold:
                pass  # decided anew from all values
        types = scanned_types(source)
        with open_sink() as sink:
            return _convert(source, types, sink, report)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from error


def _convert(source: CsvSource, types: Mapping[str, pa.DataType], sink: IO[bytes], report: Progress | None) -> Written:
    total = source.file.stat().st_size
    schema = pa.schema([(name, types.get(name, pa.string())) for name in source.names], metadata={ID: source.id_column})
    text = [name for name, kind in types.items() if kind == pa.string()]
    ids = IdCheck(source)
    rows = RowCheck(source, text)
    with (
        source.batches(types) as batches,
        pq.ParquetWriter(
            sink, schema, compression="zstd", compression_level=1, use_dictionary=[] if source.form.lines else text
        ) as writer,
    ):
        waiting: list[pa.RecordBatch] = []
        waiting_bytes = 0
        for raw in batches:
            batch = rows.check(raw)
            ids.add(batch.column(source.id_column))
            waiting.append(batch)
            waiting_bytes += batch.nbytes
            if waiting_bytes >= ROW_GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting, waiting_bytes = [], 0
            if report is not None:
                report(batches.handle.tell(), total)
        if ids.count == 0:
            raise DataError(f"{source.file} has no rows.")
        if waiting_bytes:
            writer.write_table(pa.Table.from_batches(waiting, schema))
    ids.raise_if_twice()
    return Written(ids.count, source.id_column, schema)
