from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from fate_federated.errors import MessageRejected
from fate_federated.pb import payload_pb2 as pb
from fate_federated.wire.payload import Ciphertexts, GroupElements, Ids, Kind, Payload, decode, encode

unhurried = settings(deadline=None)

DTYPES = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")


def arrays() -> st.SearchStrategy[Any]:
    shapes = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return st.sampled_from(DTYPES).flatmap(lambda dtype: npst.arrays(np.dtype(dtype), shapes))


@st.composite
def ciphertexts(draw: st.DrawFn) -> Ciphertexts:
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    width = draw(st.integers(1, 16))
    size = math.prod(shape) * width
    data = draw(st.binary(min_size=size, max_size=size))
    return Ciphertexts(draw(st.binary(min_size=32, max_size=32)), draw(st.integers(-99, 99)), width, shape, data)


def group_elements() -> st.SearchStrategy[GroupElements]:
    return st.integers(0, 4).flatmap(
        lambda count: st.binary(min_size=32 * count, max_size=32 * count).map(GroupElements)
    )


def ids() -> st.SearchStrategy[Ids]:
    return st.lists(st.text(max_size=5), max_size=4).map(lambda texts: Ids(pa.array(texts, pa.string())))


def values() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=8),
        arrays(),
        ciphertexts(),
        group_elements(),
        ids(),
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    )


def body_of(payload: Payload) -> bytes:
    return b"".join(payload.body)


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    match one:
        case dict():
            assert one.keys() == other.keys()
            for key in one:
                assert_same(one[key], other[key])
        case list():
            assert len(one) == len(other)
            for left, right in zip(one, other, strict=True):
                assert_same(left, right)
        case np.ndarray():
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        case Ids():
            assert one.values.equals(other.values)
        case float():
            assert one == other or (math.isnan(one) and math.isnan(other))
        case _:
            assert one == other


@unhurried
@given(value=values())
def test_what_is_encoded_is_decoded(value: Any) -> None:
    payload = encode(value)
    assert_same(value, decode(payload.structure, body_of(payload)))
    assert payload.body_bytes == len(body_of(payload))


@given(value=values(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_message_is_a_message_or_rejected(value: Any, data: st.DataObject) -> None:
    payload = encode(value)
    parts = [bytearray(payload.structure), bytearray(body_of(payload))]
    for _ in range(data.draw(st.integers(1, 3))):
        part = parts[data.draw(st.integers(0, 1))]
        at = data.draw(st.integers(0, len(part)))
        change = data.draw(st.sampled_from(("cut", "insert", "replace")))
        if change == "cut":
            del part[at:]
        elif change == "insert":
            part[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        elif at < len(part):
            part[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MessageRejected):
        decode(bytes(parts[0]), bytes(parts[1]))


@unhurried
@given(structure=st.binary(max_size=64), body=st.binary(max_size=64))
def test_arbitrary_bytes_are_a_message_or_rejected(structure: bytes, body: bytes) -> None:
    with contextlib.suppress(MessageRejected):
        decode(structure, body)


@unhurried
@given(value=values())
def test_a_body_that_is_longer_or_shorter_than_announced_is_rejected(value: Any) -> None:
    payload = encode(value)
    body = body_of(payload)
    with pytest.raises(MessageRejected):
        decode(payload.structure, body + b"\0")
    if body:
        with pytest.raises(MessageRejected):
            decode(payload.structure, body[:-1])


@pytest.mark.parametrize(
    "shape", [(2**62,), (0, 2**63), (0, 2**40, 2**40), (2**64 - 1, 2**64 - 1, 0), (2**32, 2**32), (1,) * 9]
)
@pytest.mark.parametrize("body", [b"", b"\0" * 8])
def test_an_impossible_shape_is_rejected_before_memory_is_taken(shape: tuple[int, ...], body: bytes) -> None:
    for value in (
        pb.Value(tensor=pb.Tensor(dtype="f8", shape=shape)),
        pb.Value(ciphertexts=pb.Ciphertexts(key_fingerprint=bytes(32), width_bytes=8, shape=shape)),
        pb.Value(group_elements=pb.GroupElements(count=max(shape))),
        pb.Value(ids=pb.Ids(count=max(shape), body_bytes=len(body))),
    ):
        if math.prod(shape) == 1 and value.WhichOneof("kind") != "tensor":
            continue
        with pytest.raises(MessageRejected):
            decode(value.SerializeToString(), body)


@pytest.mark.parametrize("dtype", ["O", "U4", "M8[s]", "V8", "f2", "c16", "", "f8,i4"])
def test_an_array_of_another_type_is_rejected(dtype: str) -> None:
    with pytest.raises(MessageRejected):
        decode(pb.Value(tensor=pb.Tensor(dtype=dtype, shape=[1])).SerializeToString(), bytes(8))


@pytest.mark.parametrize(
    ("offsets", "text"),
    [([0, 2], b"\xff\xfe"), ([0, 3], b"ab"), ([1, 2], b"ab"), ([0, -1], b"ab"), ([2, 0], b"ab"), ([0, 1], b"ab")],
    ids=["not UTF-8", "beyond the text", "not from the start", "negative", "falling", "text left over"],
)
def test_ids_that_are_not_texts_one_after_the_other_are_rejected(offsets: list[int], text: bytes) -> None:
    body = np.array(offsets, "<i4").tobytes() + text
    value = pb.Value(ids=pb.Ids(count=len(offsets) - 1, body_bytes=len(body)))
    with pytest.raises(MessageRejected):
        decode(value.SerializeToString(), body)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        2**63,
        1j,
        {1: "a key that is no text"},
        "lone surrogate \ud800",
        np.array(["text"]),
        np.array([None]),
        np.zeros((1,) * 9),
        GroupElements(bytes(33)),
        Ciphertexts(bytes(32), 0, 8, (2,), bytes(15)),
        Ciphertexts(bytes(31), 0, 8, (1,), bytes(8)),
        Ciphertexts(bytes(32), 2**31, 8, (1,), bytes(8)),
        Ids(pa.array(["a", None])),
        Ids(pa.array([1, 2])),
        bytes(5 << 20),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_said_is_not_sent(value: Any) -> None:
    with pytest.raises(MessageRejected):
        encode(value)


def test_nesting_is_bounded_at_both_ends() -> None:
    value: Any = 1
    tree = pb.Value(integer=1)
    for _ in range(17):
        value = [value]
        tree = pb.Value(items=pb.ListValue(values=[tree]))
    with pytest.raises(MessageRejected, match="deep"):
        encode(value)
    with pytest.raises(MessageRejected, match="deep"):
        decode(tree.SerializeToString(), b"")


def test_received_arrays_cannot_be_written() -> None:
    payload = encode(np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        decode(payload.structure, bytearray(body_of(payload)))[0] = 1.0


def test_a_slice_of_ids_sends_its_own_ids_only() -> None:
    payload = encode(Ids(pa.array(["before", "a", "bc", "after"])[1:3]))
    assert decode(payload.structure, body_of(payload)).values.to_pylist() == ["a", "bc"]
    assert b"before" not in body_of(payload)
    assert b"after" not in body_of(payload)


def test_strided_and_big_endian_arrays_arrive_as_they_read() -> None:
    array = np.arange(12.0).astype(">f8").reshape(3, 4)[:, ::2]
    payload = encode(array)
    np.testing.assert_array_equal(decode(payload.structure, body_of(payload)), array)


@pytest.mark.parametrize(
    ("value", "kind", "shape"),
    [
        ({"step": 1}, Kind.PARAMETERS, ""),
        ([GroupElements(bytes(64)), 1], Kind.GROUP_ELEMENTS, "ristretto255[2]"),
        ({"a": Ciphertexts(bytes(32), 0, 8, (2, 1), bytes(16))}, Kind.CIPHERTEXT, "ciphertext[2, 1]"),
        ([Ciphertexts(bytes(32), 0, 8, (1,), bytes(8)), np.zeros(2)], Kind.TENSOR, "ciphertext[1] f8[2]"),
        ([np.zeros(2), Ids(pa.array(["a"]))], Kind.IDS, "f8[2] ids[1]"),
    ],
)
def test_the_ledger_is_told_the_most_telling_kind_and_every_shape(value: Any, kind: Kind, shape: str) -> None:
    payload = encode(value)
    assert (payload.kind, payload.shape) == (kind, shape)
