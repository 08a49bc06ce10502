"""The costly operations, here or in helper processes, whichever is faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

import numpy as np
from gmpy2 import mpz

from fate_components.crypto.fixed_base import fixed_base
from fate_components.crypto.integers import Integers, pack, product, products_by_group, unpack
from fate_components.crypto.multi_exponentiation import (
    exponent_bits,
    multiplications,
    powers,
    products_of_powers,
)
from fate_components.crypto.workers import cores, shared_workers

T = TypeVar("T")

# A request to a worker takes about a millisecond, its start 0.2 s, which is paid once.
_WORTH_SECONDS = 0.06


def random_powers(base: mpz, modulus: mpz, exponent_bits: int, count: int) -> list[mpz]:
    """``count`` powers of one base with secret random exponents of at least that many bits."""
    pieces = _pieces(count * exponent_bits // 10, count, modulus)
    if pieces == 1:
        return fixed_base(base, modulus, exponent_bits).random_powers(count)
    width = _width(modulus)
    request = {"name": "random_powers", "modulus": modulus.digits(16), "width": width, "exponent_bits": exponent_bits}
    body = pack([base], width)
    counts = [len(part) for part in np.array_split(np.empty(count, dtype=np.bool_), pieces)]
    answers = shared_workers().run([(request | {"count": part}, body) for part in counts])
    return list(chain.from_iterable(unpack(answer, width) for answer in answers))


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


def grouped_products(values: Sequence[mpz], groups: Integers, count: int, modulus: mpz) -> list[list[mpz]]:
    """For each column j of ``groups`` and each g in 0..count-1, the product of values[i] where groups[i, j] is g.

    Args:
        groups: shape (len(values), columns); a negative one is left out.
    """
    columns = groups.shape[1]
    pieces = _pieces(groups.size, max(columns, len(values)), modulus)
    if pieces == 1:
        return [products_by_group(values, column, count, modulus) for column in groups.T]
    width = _width(modulus)
    request = {"name": "grouped_products", "modulus": modulus.digits(16), "width": width, "groups": count}

    def part(some: Sequence[mpz], of: Integers) -> tuple[dict[str, object], bytes]:
        body = pack(some, width) + np.ascontiguousarray(of.T, dtype=np.int32).tobytes()
        return request | {"shape": of.shape}, body

    def rows_of(answer: bytes) -> list[list[mpz]]:
        flat = unpack(answer, width)
        return [flat[at : at + count] for at in range(0, len(flat), count)]

    if columns >= pieces:
        answers = shared_workers().run([part(values, some) for some in np.array_split(groups, pieces, axis=1)])
        return list(chain.from_iterable(map(rows_of, answers)))
    spans = _spans(len(values), pieces)
    answers = shared_workers().run([part(values[span], groups[span]) for span in spans])
    by_column = zip(*map(rows_of, answers), strict=True)
    return [[product(some, modulus) for some in zip(*column, strict=True)] for column in by_column]


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
