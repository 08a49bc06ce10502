"""Exchanging the labels of rows for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fate_federated.errors import DataError

Label = int | float | str


@dataclass(frozen=True, slots=True)
class Encoder:
    """Which label takes the place of which.

    Attributes:
        pairs: the new label by the old one.
    """

    pairs: Mapping[Label, Label]

    def reversed(self) -> Encoder:
        """From the new labels back to the old ones.

        Raises:
            DataError: two labels became one.
        """
        back = {new: old for old, new in self.pairs.items()}
        if len(back) != len(self.pairs):
            raise DataError("label_encoder gives two labels the same new one, so predictions cannot be turned back.")
        return Encoder(back)


def same_label(text: str, labels: Sequence[Label]) -> Label:
    """The label that a text spells: of these, or the number that it is."""
    for label in labels:
        if str(label) == text:
            return label
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def encode(encoder: Encoder, values: pa.Array) -> pa.Array:
    """New labels for old ones; missing ones stay missing. Whole where all are, texts where some are.

    Raises:
        DataError: a label is not in the encoder.
    """
    distinct = values.unique()
    olds = [None if old is None else _plain(old) for old in distinct.to_pylist()]
    unknown = [old for old in olds if old is not None and old not in encoder.pairs]
    if unknown:
        raise DataError(
            f"{len(unknown)} of the {len(olds) - olds.count(None)} labels of the rows have no other label in "
            "label_encoder. Name every label there is, one that shall stay by itself."
        )
    new = [None if old is None else encoder.pairs[old] for old in olds]
    kinds = {type(label) for label in new if label is not None}
    target = pa.string() if str in kinds else pa.float64() if float in kinds else pa.int64()
    texts = [None if label is None else str(label) for label in new]
    meant = pa.array(texts if target == pa.string() else new, target)
    return meant.take(pc.index_in(values, value_set=distinct, skip_nulls=False))


def encode_detail(encoder: Encoder, details: pa.Array) -> pa.Array:
    """The same in JSON objects whose keys are labels."""
    # By way of keys that no label has, or a label that was exchanged already would be exchanged again.
    keys = [
        (json_key(old), json_key(f"\x00{place}"), json_key(new))
        for place, (old, new) in enumerate(encoder.pairs.items())
    ]
    for old, between, _ in keys:
        details = pc.replace_substring(details, old, between)
    for _, between, new in keys:
        details = pc.replace_substring(details, between, new)
    return details


def json_key(label: Label) -> str:
    """A label as the key of a JSON object."""
    return f'"{label}":'


def _plain(label: Label) -> Label:
    """1.0 is the label 1."""
    return int(label) if isinstance(label, float) and label.is_integer() else label
