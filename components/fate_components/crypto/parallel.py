"""The costly operations, here or in helper processes, whichever is faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

import numpy as np
from gmpy2 import mpz

from fate_components.crypto.fixed_base import Base, fixed_base
from fate_components.crypto.integers import Integers, pack, product, unpack
from fate_components.crypto.multi_exponentiation import (
    exponent_bits,
    multiplications,
    powers,
    products_of_powers,
)
from fate_components.crypto.slots import pack_ciphertexts
from fate_components.crypto.square_modulus import Factors, root_of
from fate_components.crypto.workers import cores, shared_workers

T = TypeVar("T")

# A request to a worker takes about a millisecond, its start 0.2 s, which is paid once.
_WORTH_SECONDS = 0.06
# Uses of a value in products after which it was worth the work to bring it into the form of factors.
_SPLITTING_PAYS = 5


def random_powers(bases: Sequence[Base], count: int, expected: int = 0) -> list[list[mpz]]:
    """``count`` powers of each base, with secret random exponents.

    Args:
        bases: whose moduli have about the same length.
        expected: how many are going to be asked for, if that is known, these included.
    """
    bits = max(int(base.limit).bit_length() for base in bases)
    pieces = _pieces(len(bases) * count * bits // 10, len(bases) * count, bases[0].modulus)
    if pieces == 1:
        return [fixed_base(base).random_powers(count, expected) for base in bases]
    each = pieces if pieces % len(bases) else pieces // len(bases)
    counts = [len(part) for part in np.array_split(np.empty(count, dtype=np.bool_), each)]
    requests = []
    for base in bases:
        width = _width(base.modulus)
        request = {"name": "random_powers", "modulus": base.modulus.digits(16), "width": width}
        request |= {"limit": base.limit.digits(16), "expected": -(-expected // each)}
        requests += [(request | {"count": part}, pack([base.base], width)) for part in counts]
    # Each base has its own helpers, which make no table of the others.
    answers = iter(shared_workers().run(requests, pinned=True))
    return [[value for _ in counts for value in unpack(next(answers), _width(base.modulus))] for base in bases]


def matrix_product(bases: Sequence[mpz], exponents: Integers, modulus: mpz) -> list[mpz]:
    """prod_i bases[i]**exponents[i, j] for each column j; see :func:`.multi_exponentiation.products_of_powers`."""
    terms, columns = exponents.shape
    work = multiplications(terms, columns, exponent_bits(exponents)) if exponents.size else 0
    pieces = _pieces(work, max(terms, columns), modulus)
    if pieces == 1:
        return products_of_powers(bases, exponents, modulus)
    width = _width(modulus)
    request = {"name": "products_of_powers", "modulus": modulus.digits(16), "width": width}

    def part(some: Sequence[mpz], of: Integers) -> tuple[dict[str, object], bytes]:
        return request | {"shape": of.shape}, pack(some, width) + np.ascontiguousarray(of).tobytes()

    bits = exponent_bits(exponents)
    by_columns = multiplications(terms, -(-columns // pieces), bits)
    if columns >= pieces and by_columns <= multiplications(-(-terms // pieces), columns, bits):
        answers = shared_workers().run([part(bases, columns) for columns in np.array_split(exponents, pieces, axis=1)])
        return list(chain.from_iterable(unpack(answer, width) for answer in answers))
    # Few columns, or tables of powers that each worker would make again: each takes some of the rows.
    spans = _spans(terms, pieces)
    answers = shared_workers().run([part(bases[span], exponents[span]) for span in spans])
    return [product(some, modulus) for some in zip(*(unpack(answer, width) for answer in answers), strict=True)]


def elementwise_powers(bases: Sequence[mpz], exponents: Sequence[int], modulus: mpz) -> list[mpz]:
    """bases[i]**exponents[i] for each i."""
    bits = max((abs(exponent) for exponent in exponents), default=0).bit_length()
    pieces = _pieces(len(bases) * (bits + 6), len(bases), modulus)
    if pieces == 1 or bits > 62:
        return powers(bases, exponents, modulus)
    width = _width(modulus)
    request = {"name": "powers", "modulus": modulus.digits(16), "width": width}
    requests = []
    for span in _spans(len(bases), pieces):
        some = bases[span]
        body = pack(some, width) + np.array(exponents[span], dtype=np.int64).tobytes()
        requests.append((request | {"count": len(some)}, body))
    return list(chain.from_iterable(unpack(answer, width) for answer in shared_workers().run(requests)))


def split(values: Sequence[mpz], modulus: mpz) -> Factors:
    """Values in the form in which many products of them are found fastest.

    Raises:
        ZeroDivisionError: the modulus is a square, and one has no inverse.
    """
    pieces = _pieces(2 * len(values), len(values), modulus)
    if pieces == 1 or not (root := root_of(modulus)):
        return Factors.of(values, modulus)
    width = _width(modulus)
    request = {"name": "split", "modulus": modulus.digits(16), "width": width}
    answers = shared_workers().run([(request, pack(values[span], width)) for span in _spans(len(values), pieces)])
    found = [unpack(answer, width) for answer in answers]
    return Factors(
        modulus, root, [unit for some in found for unit in some[0::2]], [log for some in found for log in some[1::2]]
    )


def grouped_products(values: Sequence[mpz] | Factors, groups: Integers, count: int, modulus: mpz) -> list[list[mpz]]:
    """For each column j of ``groups`` and each g in 0..count-1, the product of values[i] where groups[i, j] is g.

    Args:
        values: units; as factors if these are there already.
        groups: shape (len(values), columns); a negative one is left out.
    """
    columns = groups.shape[1]
    if isinstance(values, Factors):
        factors = values
    else:
        factors = split(values, modulus) if columns >= _SPLITTING_PAYS else Factors.whole(values, modulus)
    pieces = _pieces(groups.size, max(columns, len(groups)), modulus)
    if pieces == 1:
        return [factors.products_by_group(column, count) for column in groups.T]
    width = _width(modulus)
    request = {"name": "grouped_products", "modulus": modulus.digits(16), "width": width, "groups": count}
    request |= {"root": factors.root.digits(16)}

    def part(units: bytes, logs: bytes, of: Integers) -> tuple[dict[str, object], bytes]:
        return request | {"shape": of.shape}, units + logs + np.ascontiguousarray(of.T, dtype=np.int32).tobytes()

    def rows_of(answer: bytes) -> list[list[mpz]]:
        flat = unpack(answer, width)
        return [flat[at : at + count] for at in range(0, len(flat), count)]

    if columns >= pieces:
        units, logs = pack(factors.units, width), pack(factors.logs, width)
        answers = shared_workers().run([part(units, logs, some) for some in np.array_split(groups, pieces, axis=1)])
        return list(chain.from_iterable(map(rows_of, answers)))
    answers = shared_workers().run(
        [
            part(pack(factors.units[span], width), pack(factors.logs[span], width), groups[span])
            for span in _spans(len(groups), pieces)
        ]
    )
    by_column = zip(*map(rows_of, answers), strict=True)
    return [[product(some, modulus) for some in zip(*column, strict=True)] for column in by_column]


def packed(groups: Sequence[Sequence[mpz]], slot_bits: int, modulus: mpz) -> list[mpz]:
    """One ciphertext of each group's plaintexts, see :func:`fate_components.crypto.slots.pack_ciphertexts`."""
    pieces = _pieces(sum(map(len, groups)) * slot_bits, len(groups), modulus)
    if pieces == 1:
        return [pack_ciphertexts(group, slot_bits, modulus) for group in groups]
    width = _width(modulus)
    request = {"name": "packed", "modulus": modulus.digits(16), "width": width, "slot_bits": slot_bits}
    requests = []
    for span in _spans(len(groups), pieces):
        sizes = [len(group) for group in groups[span]]
        requests.append((request | {"sizes": sizes}, pack(chain.from_iterable(groups[span]), width)))
    return list(chain.from_iterable(unpack(answer, width) for answer in shared_workers().run(requests)))


def _spans(count: int, pieces: int) -> list[slice]:
    """0..count-1 in about equal slices."""
    starts = [int(part[0]) for part in np.array_split(np.arange(count), pieces)] + [count]
    return [slice(start, end) for start, end in pairwise(starts)]


def _pieces(work: int, most: int, modulus: mpz) -> int:
    """Into how many requests to cut work of so many multiplications; 1 to do it here."""
    seconds = work * 6e-6 * (int(modulus.bit_length()) / 4096) ** 1.7
    if seconds < _WORTH_SECONDS or cores() == 1:
        return 1
    return min(cores(), most)


def _width(modulus: mpz) -> int:
    return -(-int(modulus.bit_length()) // 8)


def in_order(work: Callable[[T], bytes], pieces: Iterable[T]) -> Iterator[bytes]:
    """``work`` of each piece, in order, on all cores; a few pieces are asked for ahead of what is taken.

    Args:
        work: spends its time without the GIL, or in a helper process.
    """
    with ThreadPoolExecutor(cores(), thread_name_prefix="crypto") as threads:
        waiting: deque[Future[bytes]] = deque()
        try:
            for piece in pieces:
                waiting.append(threads.submit(work, piece))
                while len(waiting) > 2 * cores() or (waiting and waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
