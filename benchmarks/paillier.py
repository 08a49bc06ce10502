"""Paillier on whole arrays against phe (with gmpy2), both on one core in the same run.

    python benchmarks/paillier.py [--bits 2048] [--json]

The baseline of X^T [r] is one power per element of X, with gmpy2, negative elements by way of an inversion; of packed
numbers, unpacked ones; of histograms, modular products one after the other.
"""

from __future__ import annotations

import os
import random

import gmpy2
import numpy as np
import phe
import phe.util

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.fixed_base import FixedBase
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import product, unpack
from fate_components.crypto.packed_array import PackedArray
from fate_components.crypto.paillier import PrivateKey, generate_keypair
from report import Report, arguments, seconds

ROWS, COLUMNS, PRECISION = 1000, 20, 20
SLOT_BITS = 64
HISTOGRAM_ROWS, HISTOGRAM_COLUMNS = 20_000, 4


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--bits", type=int, default=2048, help="key length")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if not phe.util.HAVE_GMP:
        raise SystemExit("phe does not find gmpy2; the comparison would flatter us")
    report = Report(
        f"Paillier, {options.bits}-bit key, one core; baseline phe {phe.__version__} with gmpy2", options.json
    )
    private = generate_keypair(options.bits)
    encryption(report, private)
    packing(report, private)
    histograms(report, private)
    products(report, private)
    report.print()


def encryption(report: Report, private: PrivateKey) -> None:
    """Per number: encrypt, decrypt, add, multiply."""
    ours, theirs, secret = private.public, private.to_phe().public_key, private.to_phe()
    numbers = np.random.default_rng(0).uniform(-1, 1, 400)
    some = numbers[:40].tolist()

    def add(name: str, time_ours: float, count: int, time_theirs: float, their_count: int) -> None:
        report.add(name, 1e6 * time_ours / count, "us", 1e6 * time_theirs / their_count)

    report.add("key", seconds(lambda: generate_keypair(private.public.bits)), "s")
    table = FixedBase(ours.hn, ours.modulus, gmpy2.mpz(1) << ours.bits // 2)
    report.add("table for encryption and 1,001 powers", seconds(lambda: table.random_powers(1001), repeats=1), "s")
    for key in (ours, private):
        EncryptedArray.encrypt(key, np.tile(numbers, 6))
    mine, yours = EncryptedArray.encrypt(ours, numbers), [theirs.encrypt(number) for number in some]
    add(
        "encrypt", seconds(lambda: EncryptedArray.encrypt(ours, numbers)), len(numbers),
        seconds(lambda: [theirs.encrypt(number) for number in some]), len(some),
    )  # fmt: skip
    add(
        "encrypt with the private key", seconds(lambda: EncryptedArray.encrypt(private, numbers)), len(numbers),
        seconds(lambda: [theirs.encrypt(number) for number in some]), len(some),
    )  # fmt: skip
    add(
        "decrypt", seconds(lambda: mine[:40].decrypt(private)), 40,
        seconds(lambda: [secret.decrypt(number) for number in yours]), len(some),
    )  # fmt: skip
    same = [theirs.encrypt(number, precision=2**-40) for number in some]
    add("add", seconds(lambda: mine + mine), 400, seconds(lambda: [number + same[0] for number in same]), len(some))
    add(
        "multiply by a float (ours: 40 bits, phe: 53)", seconds(lambda: mine * numbers), 400,
        seconds(lambda: [a * b for a, b in zip(yours, some, strict=True)]), len(some),
    )  # fmt: skip


def packing(report: Report, private: PrivateKey) -> None:
    """Numbers of 64 bits in slots, as many in one ciphertext as there is room for."""
    numbers = np.random.default_rng(2).uniform(-1, 1, 30 * 400)
    key = private.public
    packed = PackedArray.encrypt(key, numbers, SLOT_BITS)
    one = 1 / seconds(lambda: EncryptedArray.encrypt(key, numbers[:200])) * 200
    name = f"packed, {packed.slots} slots of {SLOT_BITS} bits: "
    for maker, who in ((key, "encrypt"), (private, "encrypt with the private key")):
        rate = len(numbers) / seconds(lambda: PackedArray.encrypt(maker, numbers, SLOT_BITS))  # noqa: B023 - at once
        report.add(f"{name}{who}", rate, "values/s", one, more_is_better=True)
    few = PackedArray.encrypt(key, numbers[: 40 * packed.slots], SLOT_BITS)
    rate = few.width / seconds(lambda: few.decrypt(private))
    single = EncryptedArray.encrypt(key, numbers[:40])
    report.add(f"{name}decrypt", rate, "values/s", 40 / seconds(lambda: single.decrypt(private)), more_is_better=True)


def histograms(report: Report, private: PrivateKey) -> None:
    """Sums of ciphertexts by bin against products one after the other."""
    key = private.public
    rng = np.random.default_rng(4)
    values = EncryptedArray.encrypt(key, rng.uniform(-1, 1, 200))[rng.integers(0, 200, HISTOGRAM_ROWS)]
    bins = rng.integers(0, 32, (HISTOGRAM_ROWS, HISTOGRAM_COLUMNS))
    numbers = unpack(values.to_wire(64).data, key.width_bytes)
    bare = len(numbers) / seconds(lambda: product(numbers, key.modulus))
    rate = bins.size / seconds(lambda: values.sum_by_bin(bins, 32))
    report.add(f"histogram, {HISTOGRAM_ROWS} x {HISTOGRAM_COLUMNS}, 32 bins", rate, "sums/s", bare, more_is_better=True)


def products(report: Report, private: PrivateKey) -> None:
    """A plain matrix times an encrypted vector."""
    rng = np.random.default_rng(1)
    key = private.public
    factors = [int(value) for value in key.random_factors(200)]
    for rows in (ROWS, 10 * ROWS):
        # Ciphertexts are recombined rather than made one by one: only their number matters here.
        r = EncryptedArray.encrypt(key, rng.uniform(-1, 1, 200))[rng.integers(0, 200, rows)]
        X = rng.uniform(-1, 1, (rows, COLUMNS))
        fixed = FixedPoint.of(X.T, -PRECISION)
        ours = seconds(lambda: fixed @ r, 3 if rows == ROWS else 2)  # noqa: B023 - called at once
        sample = rng.choice(fixed.integers.ravel(), 500).tolist()
        bases = [gmpy2.mpz(value) for value in random.choices(factors, k=500)]

        def one_power_each() -> gmpy2.mpz:
            product = gmpy2.mpz(1)
            for base, exponent in zip(bases, sample, strict=True):  # noqa: B023 - called at once
                product = product * gmpy2.powmod(base, exponent, key.modulus) % key.modulus
            return product

        naive = seconds(one_power_each) / 500 * rows * COLUMNS
        report.add(f"X^T[r], {rows} x {COLUMNS}, {PRECISION} bits", ours, "s", naive)
        report.add(f"X^T[r], {rows} x {COLUMNS}, elements", rows * COLUMNS / ours, "elements/s")
    X = rng.uniform(-1, 1, (ROWS, COLUMNS))
    w = EncryptedArray.encrypt(key, rng.uniform(-1, 1, COLUMNS))
    fixed = FixedPoint.of(X, -PRECISION)
    naive = seconds(one_power_each) / 500 * ROWS * COLUMNS
    report.add(f"X[w], {ROWS} x {COLUMNS}, {PRECISION} bits", seconds(lambda: fixed @ w), "s", naive)
    r = EncryptedArray.encrypt(key, rng.uniform(-1, 1, 400))
    report.add("sum, per number", 1e6 * seconds(lambda: r.sum()) / 400, "us")
    report.add("leave again (randomise), per number", 1e6 * seconds(lambda: (r + 1.0).to_wire()) / 400, "us")
    wire = r.to_wire()
    report.add("arrive (check), per number", 1e6 * seconds(lambda: EncryptedArray.from_wire(wire, key)) / 400, "us")


if __name__ == "__main__":
    main()
