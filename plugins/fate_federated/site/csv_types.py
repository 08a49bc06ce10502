"""Which type each column of a CSV file has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.site.csv_source import MISSING, ColumnKind, CsvSource, TypesDoNotHold

_FIXED = {ColumnKind.INTEGER: pa.int64(), ColumnKind.FLOAT: pa.float64(), ColumnKind.TEXT: pa.string()}


def first_block_types(source: CsvSource) -> dict[str, pa.DataType] | None:
    """The types that the first block suggests; None where it holds something that may not be a number."""
    fixed = {name: _FIXED[kind] for name in source.value_columns if (kind := source.kind(name)) in _FIXED}
    try:
        with source.batches(fixed) as batches:
            schema = batches.reader.schema
    except TypesDoNotHold:
        return None
    types = {}
    for name in source.value_columns:
        kind = schema.field(name).type
        if name not in fixed and kind == pa.null():
            kind = pa.int64()  # nothing but missing values so far: whole until a fraction comes
        elif name not in fixed and kind not in (pa.int64(), pa.float64()):
            return None
        types[name] = kind
    return types


def scanned_types(source: CsvSource) -> dict[str, pa.DataType]:
    """Each column's type, from all its values.

    Raises:
        DataError: the first value, by line, that is not of its column's kind.
    """
    kinds = {name: source.kind(name) for name in source.value_columns}
    numbers = [name for name, kind in kinds.items() if kind is not ColumnKind.TEXT]
    integers = {name for name in numbers if kinds[name] is not ColumnKind.FLOAT}
    missing = pa.array(MISSING, pa.string())
    line = source.first_line
    with source.batches(dict.fromkeys(source.value_columns, pa.string())) as batches:
        for batch in batches:
            first_bad: tuple[int, str] | None = None
            for name in numbers:
                values = batch.column(name)
                texts = pc.if_else(pc.is_in(values, missing), None, pc.utf8_trim_whitespace(values))
                whole = kinds[name] is ColumnKind.INTEGER
                bad = _first_not_of(texts, pa.int64() if whole else pa.float64())
                if bad is not None and (first_bad is None or bad < first_bad[0]):
                    first_bad = bad, name
                if name in integers and not whole and not _is_of(texts, pa.int64()):
                    integers.discard(name)
            if first_bad is not None:
                row, name = first_bad
                wanted = "a whole number" if kinds[name] is ColumnKind.INTEGER else "a number"
                raise source.error(line + row, f"the value is not {wanted}.", name)
            line += batch.num_rows
    return {
        name: pa.string() if kind is ColumnKind.TEXT else pa.int64() if name in integers else pa.float64()
        for name, kind in kinds.items()
    }


def _is_of(texts: pa.Array, kind: pa.DataType) -> bool:
    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _first_not_of(texts: pa.Array, kind: pa.DataType) -> int | None:
    """Position of the first text that is not of a type, by bisection; None where all are."""
    if _is_of(texts, kind):
        return None
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_of(texts.slice(low, middle - low), kind):
            low = middle
        else:
            high = middle
    return low
