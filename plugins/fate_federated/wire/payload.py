"""Values of messages between parties: a closed set of types, encoded without pickle.

A message is a *structure* (a small protobuf tree) and a *body* (the bytes of its arrays, one after the other). What a
peer sends is checked (types, shapes, lengths) before memory is taken for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from fate_federated.errors import MessageRejected
from fate_federated.pb import payload_pb2 as pb

MAX_STRUCTURE_BYTES = 4 << 20
MAX_BODY_BYTES = 1 << 36
MAX_DEPTH = 16
MAX_DIMENSIONS = 8
RISTRETTO = "ristretto255"
ELEMENT_BYTES = 32
"""Of ristretto255."""
MAX_ELEMENT_BYTES = 1024

_DTYPES: dict[str, np.dtype[Any]] = {
    "f8": np.dtype("<f8"), "f4": np.dtype("<f4"), "i8": np.dtype("<i8"), "i4": np.dtype("<i4"), "i2": np.dtype("<i2"),
    "i1": np.dtype("i1"), "u8": np.dtype("<u8"), "u4": np.dtype("<u4"), "u2": np.dtype("<u2"), "u1": np.dtype("u1"),
    "b1": np.dtype("?"),
}  # fmt: skip


class Kind(StrEnum):
    """What a message carries, the most telling first: what the egress ledger says of it."""

    IDS = "ids"
    STREAM = "stream"
    TENSOR = "tensor"
    CIPHERTEXT = "ciphertext"
    GROUP_ELEMENTS = "group_elements"
    PARAMETERS = "parameters"


@dataclass(frozen=True, slots=True)
class Ciphertexts:
    """Paillier ciphertexts on the wire.

    Attributes:
        key_fingerprint: SHA-256 of the modulus n, big-endian.
        exponent: plaintext = integer * 2**exponent.
        width_bytes: of one ciphertext.
        data: little-endian integers, C order; ``prod(shape) * width_bytes`` bytes.
    """

    key_fingerprint: bytes
    exponent: int
    width_bytes: int
    shape: tuple[int, ...]
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GroupElements:
    """Elements of a group, or signatures, one after the other.

    Attributes:
        group: which, as the egress ledger calls it.
        width_bytes: of one.
    """

    data: bytes = field(repr=False)
    group: str = RISTRETTO
    width_bytes: int = ELEMENT_BYTES

    def __len__(self) -> int:
        return len(self.data) // self.width_bytes


@dataclass(frozen=True, slots=True)
class Ids:
    """Sample ids in clear, for the parties that may know them."""

    values: pa.Array


@dataclass(frozen=True, slots=True)
class Stream:
    """A piece of what two protocol libraries say to each other; see :mod:`fate_federated.transport.tunnel`."""

    data: bytes = field(repr=False)


Wire = (
    None | bool | int | float | str | bytes | npt.NDArray[Any] | Ciphertexts | GroupElements | Ids | Stream
    | Sequence["Wire"] | Mapping[str, "Wire"]
)  # fmt: skip
"""What ``push`` takes and ``pull`` gives. Sequences come back as lists, mappings as dicts."""


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded message, without its address."""

    structure: bytes
    body: tuple[memoryview, ...]
    kind: Kind
    shape: str

    @property
    def body_bytes(self) -> int:
        return sum(part.nbytes for part in self.body)


class _Encoder:
    def __init__(self) -> None:
        self.body: list[memoryview] = []
        self.kinds: set[Kind] = {Kind.PARAMETERS}
        self.shapes: list[str] = []

    def _add(self, kind: Kind, shape: str, data: memoryview) -> None:
        self.kinds.add(kind)
        self.shapes.append(shape)
        if data.nbytes:
            self.body.append(data)

    def value(self, value: Any, depth: int = 0) -> pb.Value:
        if depth > MAX_DEPTH:
            raise MessageRejected(f"A message may be nested {MAX_DEPTH} deep at most.")
        match value:
            case None:
                return pb.Value(null=True)
            case bool() | np.bool_():
                return pb.Value(boolean=bool(value))
            case int() | np.integer():
                return pb.Value(integer=int(value))
            case float() | np.floating():
                return pb.Value(number=float(value))
            case str():
                return pb.Value(text=value)
            case bytes():
                return pb.Value(octets=value)
            case np.ndarray():
                return self._tensor(value)
            case Ciphertexts():
                _check_ciphertexts(value.key_fingerprint, value.width_bytes, value.shape)
                _check_length(value, len(value.data), math.prod(value.shape) * value.width_bytes)
                self._add(Kind.CIPHERTEXT, f"ciphertext{list(value.shape)}", memoryview(value.data).cast("B"))
                return pb.Value(ciphertexts=pb.Ciphertexts(
                    key_fingerprint=value.key_fingerprint, exponent=value.exponent, width_bytes=value.width_bytes,
                    shape=value.shape,
                ))  # fmt: skip
            case GroupElements():
                _check_elements(value.group, value.width_bytes)
                _check_length(value, len(value.data), len(value) * value.width_bytes)
                self._add(Kind.GROUP_ELEMENTS, f"{value.group}[{len(value)}]", memoryview(value.data).cast("B"))
                return pb.Value(group_elements=pb.GroupElements(
                    count=len(value), group=value.group, width_bytes=value.width_bytes
                ))  # fmt: skip
            case Stream():
                self._add(Kind.STREAM, f"stream[{len(value.data)}]", memoryview(value.data).cast("B"))
                return pb.Value(stream=pb.Stream(body_bytes=len(value.data)))
            case Ids():
                return self._ids(value.values)
            case Mapping():
                # A protobuf map has no order: both ends walk it by its sorted keys.
                fields = {key: self.value(value[key], depth + 1) for key in sorted(value)}
                return pb.Value(fields=pb.MapValue(values=fields))
            case Sequence():
                return pb.Value(items=pb.ListValue(values=[self.value(item, depth + 1) for item in value]))
        raise MessageRejected(f"A {type(value).__name__} cannot be sent to another party.")

    def _tensor(self, array: npt.NDArray[Any]) -> pb.Value:
        name = array.dtype.str[1:]
        if name not in _DTYPES:
            raise MessageRejected(f"An array of {array.dtype} cannot be sent to another party.")
        _check_shape(array.shape)
        data = np.ascontiguousarray(array, dtype=_DTYPES[name])
        self._add(Kind.TENSOR, f"{name}{list(array.shape)}", data.reshape(-1).view(np.uint8).data)
        return pb.Value(tensor=pb.Tensor(dtype=name, shape=array.shape))

    def _ids(self, values: pa.Array) -> pb.Value:
        if not pa.types.is_string(values.type) or values.null_count:
            raise MessageRejected("Ids are sent as text, and none may be missing.")
        # An Arrow stream of a slice would carry its neighbours' bytes along as padding.
        offsets = np.zeros(len(values) + 1, "<i4")
        np.cumsum(pc.binary_length(values), out=offsets[1:])
        text = "".join(values.to_pylist()).encode()
        self._add(Kind.IDS, f"ids[{len(values)}]", offsets.view(np.uint8).data)
        self.body.append(memoryview(text))
        return pb.Value(ids=pb.Ids(count=len(values), body_bytes=offsets.nbytes + len(text)))


def encode(value: Wire) -> Payload:
    """Encode a value for another party.

    Raises:
        MessageRejected: it holds something that may not be sent, or is too large.
    """
    encoder = _Encoder()
    try:
        structure = encoder.value(value).SerializeToString(deterministic=True)
    except (TypeError, ValueError) as error:  # protobuf's word for an integer, text or key that it cannot hold
        raise MessageRejected(f"A value cannot be sent to another party: {error}") from error
    if len(structure) > MAX_STRUCTURE_BYTES:
        raise MessageRejected(f"A message's structure has {len(structure)} bytes; send arrays, not lists of numbers.")
    kind = next(kind for kind in Kind if kind in encoder.kinds)
    return Payload(structure, tuple(encoder.body), kind, " ".join(encoder.shapes))


class _Decoder:
    def __init__(self, body: memoryview) -> None:
        self.body = body
        self.at = 0

    def _take(self, size: int) -> memoryview:
        if size < 0 or self.at + size > self.body.nbytes:
            raise MessageRejected(f"A message announces {size} bytes where {self.body.nbytes - self.at} are left.")
        part = self.body[self.at : self.at + size]
        self.at += size
        return part

    def value(self, value: pb.Value, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise MessageRejected(f"A message may be nested {MAX_DEPTH} deep at most.")
        match value.WhichOneof("kind"):
            case "null":
                return None
            case "boolean":
                return value.boolean
            case "integer":
                return value.integer
            case "number":
                return value.number
            case "text":
                return value.text
            case "octets":
                return value.octets
            case "items":
                return [self.value(item, depth + 1) for item in value.items.values]
            case "fields":
                return {key: self.value(value.fields.values[key], depth + 1) for key in sorted(value.fields.values)}
            case "tensor":
                return self._tensor(value.tensor)
            case "ciphertexts":
                return self._ciphertexts(value.ciphertexts)
            case "group_elements":
                group, width = (
                    value.group_elements.group or RISTRETTO,
                    value.group_elements.width_bytes or ELEMENT_BYTES,
                )
                _check_elements(group, width)
                return GroupElements(bytes(self._take(value.group_elements.count * width)), group, width)
            case "stream":
                return Stream(bytes(self._take(value.stream.body_bytes)))
            case "ids":
                return self._ids(value.ids)
        raise MessageRejected("A message holds a value of no known type.")

    def _tensor(self, tensor: pb.Tensor) -> npt.NDArray[Any]:
        dtype = _DTYPES.get(tensor.dtype)
        if dtype is None:
            raise MessageRejected(f"A message holds an array of unknown type {tensor.dtype!r}.")
        _check_shape(tensor.shape)
        part = self._take(math.prod(tensor.shape) * dtype.itemsize)
        if tensor.dtype == "b1" and np.frombuffer(part, np.uint8).max(initial=0) > 1:
            raise MessageRejected("A message holds an array of booleans that are neither 0 nor 1.")
        return np.frombuffer(part, dtype).reshape(tuple(tensor.shape))

    def _ciphertexts(self, value: pb.Ciphertexts) -> Ciphertexts:
        shape = tuple(value.shape)
        _check_ciphertexts(value.key_fingerprint, value.width_bytes, shape)
        part = self._take(math.prod(shape) * value.width_bytes)
        return Ciphertexts(value.key_fingerprint, value.exponent, value.width_bytes, shape, bytes(part))

    def _ids(self, value: pb.Ids) -> Ids:
        part = self._take(value.body_bytes)
        text_at = (value.count + 1) * 4
        if text_at > part.nbytes:
            raise MessageRejected(f"A message announces {value.count} ids in {part.nbytes} bytes.")
        ends = np.frombuffer(part[:text_at], "<i4")
        if ends[0] != 0 or ends[-1] != part.nbytes - text_at or (np.diff(ends) < 0).any():
            raise MessageRejected("A message's ids do not lie one after the other.")
        ids = pa.StringArray.from_buffers(value.count, pa.py_buffer(part[:text_at]), pa.py_buffer(part[text_at:]))
        try:
            ids.validate(full=True)
        except pa.ArrowInvalid as error:
            raise MessageRejected("A message's ids are not UTF-8.") from error
        return Ids(ids)


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) > MAX_DIMENSIONS or math.prod(size for size in shape if size) > MAX_BODY_BYTES:
        raise MessageRejected("A message holds an array of too many dimensions or elements.")


def _check_ciphertexts(key_fingerprint: bytes, width_bytes: int, shape: Sequence[int]) -> None:
    _check_shape(shape)
    if not 1 <= width_bytes <= 4096 or len(key_fingerprint) != 32:
        raise MessageRejected("A message holds ciphertexts of an impossible width or key.")


def _check_elements(group: str, width_bytes: int) -> None:
    if not 1 <= width_bytes <= MAX_ELEMENT_BYTES or len(group) > 32 or not (group.isascii() and group.isalnum()):
        raise MessageRejected("A message holds elements of an impossible width or group.")


def _check_length(value: object, length: int, expected: int) -> None:
    if length != expected:
        raise MessageRejected(f"{type(value).__name__} of {expected} bytes cannot be sent as {length}.")


def decode(structure: bytes, body: bytes | memoryview) -> Any:
    """Decode what another party sent. Arrays share the body's memory and are read-only.

    Raises:
        MessageRejected: it is not a well-formed message.
    """
    if len(structure) > MAX_STRUCTURE_BYTES:
        raise MessageRejected(f"A message's structure has {len(structure)} bytes.")
    try:
        tree = pb.Value.FromString(structure)
    except DecodeError as error:
        raise MessageRejected(f"A message's structure cannot be read: {error}") from error
    decoder = _Decoder(memoryview(body).toreadonly().cast("B"))
    value = decoder.value(tree)
    if decoder.at != decoder.body.nbytes:
        raise MessageRejected(f"A message holds {decoder.body.nbytes - decoder.at} bytes that its structure does not.")
    return value
