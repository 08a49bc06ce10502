"""Learning from training rows which categories a column has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow.compute as pc

from fate_components.one_hot_encoder.model import LIMIT, Encoding, category_texts, in_order
from fate_federated.errors import DataError
from fate_federated.task.table import Table


def learn_categories(table: Table, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The categories of these columns.

    Raises:
        DataError: a column does not hold categories, has none, misses some or has too many.
    """
    if not len(table):
        raise DataError("The table has no rows to learn categories from.")
    categories = {}
    for name in names:
        texts = category_texts(name, table.data.column(name), whole=True)
        if texts.null_count:
            raise DataError(f"Column {name!r} misses {texts.null_count} values. Fill them before it is encoded.")
        categories[name] = in_order(pc.unique(texts).to_pylist())
    check_limit(categories)
    return categories


def check_limit(categories: dict[str, tuple[str, ...]]) -> None:
    """Raises:
    DataError: a column has too many categories.
    """
    for name, values in categories.items():
        if len(values) > LIMIT:
            raise DataError(f"Column {name!r} has {len(values)} categories; {LIMIT} can be encoded. Bin it first.")


def checked_encoding(header: Sequence[str], categories: dict[str, tuple[str, ...]]) -> Encoding:
    """An encoding whose columns differ in their names.

    Raises:
        DataError: they do not.
    """
    encoding = Encoding(tuple(header), categories)
    twice = [name for name, count in Counter(encoding.result_header).items() if count > 1]
    if twice:
        raise DataError(f"Two columns would be called {twice[0]!r} after the encoding. Rename one of the columns.")
    return encoding
