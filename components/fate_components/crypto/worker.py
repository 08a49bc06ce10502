"""A helper process: ``python -m fate_components.crypto.worker``. Reads requests from stdin, answers on stdout.

It starts with its own interpreter, so it is safe where gRPC's threads run (a forked child is not), and it ends when its
parent does, however that ends: its stdin closes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Sequence
from itertools import chain, islice
from typing import IO, Any

import numpy as np
from gmpy2 import mpz

from fate_components.crypto.fixed_base import Base, fixed_base
from fate_components.crypto.integers import pack, unpack
from fate_components.crypto.multi_exponentiation import powers, products_of_powers
from fate_components.crypto.slots import pack_ciphertexts
from fate_components.crypto.square_modulus import Factors
from fate_federated.errors import MessageRejected

_SIZES = struct.Struct("<IQ")


def write_request(stream: IO[bytes], operation: dict[str, Any], body: bytes) -> None:
    """A header in JSON and a body."""
    header = json.dumps(operation).encode()
    stream.write(_SIZES.pack(len(header), len(body)) + header)
    stream.write(body)
    stream.flush()


def read_answer(stream: IO[bytes]) -> bytes:
    """What the worker computed.

    Raises:
        EOFError: it ended.
    """
    (_, size) = _SIZES.unpack(_exactly(stream, _SIZES.size))
    return _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError
    return data


def compute(operation: dict[str, Any], body: bytes) -> bytes:
    """One request."""
    if operation["name"] in ("blind_digests", "multiply_elements"):
        return _of_ristretto(operation, body)
    modulus, width = mpz(operation["modulus"], 16), operation["width"]
    match operation["name"]:
        case "random_powers":
            base = Base(unpack(body, width)[0], modulus, mpz(operation["limit"], 16))
            values: Sequence[mpz] = fixed_base(base).random_powers(operation["count"], operation["expected"])
        case "products_of_powers":
            terms, columns = operation["shape"]
            bases = unpack(body[: terms * width], width)
            exponents = np.frombuffer(body, dtype=np.int64, offset=terms * width).reshape(terms, columns)
            values = products_of_powers(bases, exponents, modulus)
        case "powers":
            count = operation["count"]
            scalars: list[int] = np.frombuffer(body, dtype=np.int64, offset=count * width).tolist()
            values = powers(unpack(body[: count * width], width), scalars, modulus)
        case "split":
            factors = Factors.of(unpack(body, width), modulus)
            values = list(chain.from_iterable(zip(factors.units, factors.logs, strict=True)))
        case "grouped_products":
            terms, columns = operation["shape"]
            units, logs = unpack(body[: terms * width], width), unpack(body[terms * width : 2 * terms * width], width)
            factors = Factors(modulus, mpz(operation["root"], 16), units, logs)
            groups = np.frombuffer(body, dtype=np.int32, offset=2 * terms * width).reshape(columns, terms)
            values = [made for column in groups for made in factors.products_by_group(column, operation["groups"])]
        case "packed":
            some, sizes = iter(unpack(body, width)), operation["sizes"]
            values = [pack_ciphertexts(list(islice(some, size)), operation["slot_bits"], modulus) for size in sizes]
        case unknown:
            raise ValueError(unknown)
    return pack(values, width)


def _of_ristretto(operation: dict[str, Any], body: bytes) -> bytes:
    # Loading libsodium takes longer than most work on ciphertexts.
    from fate_components.crypto import ristretto

    work = ristretto.blind_digests if operation["name"] == "blind_digests" else ristretto.multiply_elements
    try:
        return b"\x01" + work(body, bytes.fromhex(operation["scalar"]))
    except MessageRejected:
        return b"\x00"


def main() -> None:
    """Serve until stdin ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(sizes := source.read(_SIZES.size)) == _SIZES.size:
        header, size = _SIZES.unpack(sizes)
        answer = compute(json.loads(_exactly(source, header)), _exactly(source, size))
        try:
            sink.write(_SIZES.pack(0, len(answer)) + answer)
            sink.flush()
        except BrokenPipeError:
            # The task ended while it waited. What is left in the buffer must not be tried again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sink.fileno())
            return


if __name__ == "__main__":
    main()
