"""Arrays of numbers under a Paillier key."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Any, TypeAlias

import gmpy2
import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from fate_components.crypto import parallel
from fate_components.crypto.fixed_point import DEFAULT_EXPONENT, FixedPoint, to_floats
from fate_components.crypto.integers import Floats, Residues, as_residues, inverses, pack, product, unpack
from fate_components.crypto.masking import Mask, signed
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.crypto.slots import pack_ciphertexts
from fate_federated.errors import CryptoError
from fate_federated.wire.payload import Ciphertexts

Plain: TypeAlias = npt.NDArray[Any] | FixedPoint | int | float

MAXIMUM_POWER_BITS = 62


class EncryptedArray:
    """An array of Paillier ciphertexts of integers, which times 2**exponent are the numbers meant.

    Operators follow NumPy's rules for shapes. A plain operand of floats is rounded to multiples of 2**-40, or of
    2**exponent if that is finer; pass a :class:`FixedPoint` to say otherwise. Results are not rounded. The largest
    magnitude that a plaintext may have is carried along, and an operation after which it might wrap around n is
    refused.

    Only :meth:`to_wire` gives ciphertexts away, and each leaves with randomness of its own: one that was computed
    from others, or was given away before, is randomised anew.

    Attributes:
        key: the public key.
        exponent: plaintext = integer * 2**exponent.
        bound: no integer has a larger magnitude; None for integers that were hidden by a mask, which fill 0..n-1.
    """

    __array_ufunc__ = None  # so that `array @ encrypted` and the like come here
    __slots__ = ("_fresh", "_values", "bound", "exponent", "key")

    def __init__(self, key: PublicKey, values: Residues, exponent: int, bound: int | None, *, fresh: bool = False):
        _check_room(key, bound)
        self.key, self.exponent, self.bound = key, exponent, bound
        self._values, self._fresh = values, fresh

    @classmethod
    def encrypt(cls, key: PublicKey | PrivateKey, values: Plain, exponent: int = DEFAULT_EXPONENT) -> EncryptedArray:
        """Encrypt numbers; floats are rounded to multiples of 2**exponent.

        Args:
            key: the private key does the same faster.

        Raises:
            CryptoError: a value is not finite or too large for the key.
        """
        plain = _fixed(values, exponent)
        public = key.public if isinstance(key, PrivateKey) else key
        _check_room(public, plain.bound)
        factors = as_residues(key.random_factors(plain.integers.size), plain.integers.shape)
        values = _modulo(_encoded(plain, public) * factors, public.modulus)
        return cls(public, values, plain.exponent, plain.bound, fresh=True)

    def decrypt(self, private: PrivateKey) -> Floats:
        """The numbers.

        Raises:
            CryptoError: they are under another key, or hidden by a mask.
        """
        if self.bound is None:
            raise CryptoError("A masked array is decrypted to residues, for the party that has the mask.")
        return to_floats(signed(self.decrypt_residues(private), self.key, self.bound), self.exponent)

    def decrypt_residues(self, private: PrivateKey) -> Residues:
        """The plaintexts as they are, in 0..n-1."""
        if private.public.n != self.key.n:
            raise CryptoError("An array is under another key than the one that should decrypt it.")
        return as_residues(private.residues(self._values.ravel().tolist()), self.shape)

    # Shape

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def size(self) -> int:
        return self._values.size

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> EncryptedArray:
        return self._like(_array(self._values[index]))

    def reshape(self, *shape: int) -> EncryptedArray:
        """The same ciphertexts in another shape."""
        return self._like(self._values.reshape(shape))

    # Arithmetic

    def __add__(self, other: EncryptedArray | Plain) -> EncryptedArray:
        if isinstance(other, EncryptedArray):
            left, right = self._aligned(other)
            values = _modulo(left._values * right._values, self.key.modulus)
            return EncryptedArray(self.key, values, left.exponent, left._known_bound + right._known_bound)
        plain = _fixed(other, min(DEFAULT_EXPONENT, self.exponent)).reduced()
        left = self.at_exponent(min(self.exponent, plain.exponent))
        plain = _at_exponent(plain, left.exponent)
        values = _modulo(left._values * _encoded(plain, self.key), self.key.modulus)
        return EncryptedArray(self.key, values, left.exponent, left._known_bound + plain.bound)

    __radd__ = __add__

    def __neg__(self) -> EncryptedArray:
        values = inverses(self._values.ravel().tolist(), self.key.modulus)
        return EncryptedArray(self.key, as_residues(values, self.shape), self.exponent, self._known_bound)

    def __sub__(self, other: EncryptedArray | Plain) -> EncryptedArray:
        if isinstance(other, EncryptedArray):
            return self + -other
        plain = _fixed(other, min(DEFAULT_EXPONENT, self.exponent))
        return self + FixedPoint(-plain.integers, plain.exponent)

    def __rsub__(self, other: Plain) -> EncryptedArray:
        return -self + other

    def __mul__(self, other: Plain) -> EncryptedArray:
        """Times plain numbers, element by element: one power each."""
        plain = _fixed(other).reduced()
        shape = np.broadcast_shapes(self.shape, plain.integers.shape)
        if plain.bound == 1 and plain.integers.size and int(plain.integers.min()) == 1:
            values = np.broadcast_to(self._values, shape)  # powers of two only move the exponent
        else:
            bases = np.broadcast_to(self._values, shape).ravel().tolist()
            exponents = np.broadcast_to(plain.integers, shape).ravel().tolist()
            values = as_residues(parallel.elementwise_powers(bases, exponents, self.key.modulus), shape)
        return EncryptedArray(self.key, values, self.exponent + plain.exponent, self._known_bound * plain.bound)

    __rmul__ = __mul__

    def __rmatmul__(self, matrix: npt.NDArray[Any] | FixedPoint) -> EncryptedArray:
        """Plain matrix (rows, n) times encrypted vector (n,): shape (rows,), by multi-exponentiation.

        For a gradient pass ``FixedPoint.of(X.T, -23) @ encrypted``: time grows with the matrix's bits.
        """
        plain = _fixed(matrix)
        if len(self.shape) != 1 or plain.integers.ndim != 2 or plain.integers.shape[1] != self.size:
            raise CryptoError(f"A matrix of shape {plain.integers.shape} cannot multiply one of shape {self.shape}.")
        if plain.bound.bit_length() > MAXIMUM_POWER_BITS:
            raise CryptoError(f"A matrix of {plain.bound.bit_length()} bits is too precise; {MAXIMUM_POWER_BITS} do.")
        integers = plain.integers.astype(np.int64)
        values = parallel.matrix_product(self._values.tolist(), integers.T, self.key.modulus)
        # In floats, rounded up: a sum of magnitudes can pass int64.
        weight = int(np.abs(integers).astype(np.float64).sum(axis=1).max(initial=0.0) * (1 + 1e-9)) + 1
        exponent = self.exponent + plain.exponent
        return EncryptedArray(self.key, as_residues(values, (len(integers),)), exponent, self._known_bound * weight)

    def sum(self, axis: int | None = None) -> EncryptedArray:
        """Sum of all, or along one axis: one multiplication per number."""
        moved = self._values.reshape(1, -1) if axis is None else np.moveaxis(self._values, axis, -1)
        shape, count = (() if axis is None else moved.shape[:-1]), moved.shape[-1]
        rows = moved.reshape(-1, count) if count else np.empty((math.prod(shape), 0), dtype=object)
        values = [product(row, self.key.modulus) for row in rows]
        return EncryptedArray(self.key, as_residues(values, shape), self.exponent, self._known_bound * count)

    def sum_by_bin(self, bins: npt.NDArray[Any], count: int) -> EncryptedArray:
        """Sums of the rows that fall into each bin, for each column of ``bins``: one multiplication per number.

        Args:
            bins: integers below ``count``, shape (rows, columns); in a column where a row's is negative, it counts
                nowhere.
            count: of bins.

        Returns:
            shape (columns, count) of an array (rows,), and (columns, count, k) of one (rows, k).

        Raises:
            CryptoError: shapes or bins do not fit.
        """
        if bins.ndim != 2 or len(self.shape) not in (1, 2) or len(bins) != len(self) or bins.dtype.kind not in "iu":
            raise CryptoError(f"Bins of shape {bins.shape} and {bins.dtype} do not fit rows of shape {self.shape}.")
        if count < 1 or (bins.size and int(bins.max()) >= count):
            raise CryptoError(f"A bin is not one of {count}.")
        groups = bins.astype(np.int64)
        most = max((int(np.bincount(column[column >= 0], minlength=1).max()) for column in groups.T), default=0)
        layers = []
        for layer in np.atleast_2d(self._values.T):
            rows = parallel.grouped_products(layer.tolist(), groups, count, self.key.modulus)
            layers.append(as_residues([value for row in rows for value in row], (groups.shape[1], count)))
        values = layers[0] if len(self.shape) == 1 else np.stack(layers, axis=-1)
        return EncryptedArray(self.key, values, self.exponent, self._known_bound * most)

    def at_exponent(self, exponent: int) -> EncryptedArray:
        """The same numbers with a lower exponent."""
        if exponent == self.exponent:
            return self
        if exponent > self.exponent:
            raise CryptoError(f"An array of exponent {self.exponent} cannot be written with {exponent}.")
        shift = self.exponent - exponent
        # Before the work: a peer's message says which exponent it has.
        _check_room(self.key, self._known_bound << shift)
        bases = self._values.ravel().tolist()
        values = parallel.elementwise_powers(bases, [1 << shift] * len(bases), self.key.modulus)
        return EncryptedArray(self.key, as_residues(values, self.shape), exponent, self._known_bound << shift)

    def masked(self) -> tuple[EncryptedArray, Mask]:
        """The numbers in as few ciphertexts as have room for them, plus uniformly random integers modulo n.

        Who decrypts these learns nothing but how many they are; the maker of the mask gets the numbers.
        """
        slot_bits = self._known_bound.bit_length() + 2
        slots = max((self.key.bits - 2) // slot_bits, 1)
        flat, modulus = self._values.ravel().tolist(), self.key.modulus
        packed = [pack_ciphertexts(flat[at : at + slots], slot_bits, modulus) for at in range(0, len(flat), slots)]
        pads = [mpz(secrets.randbelow(int(self.key.n))) for _ in packed]
        values = [value * (1 + pad * self.key.n) % modulus for value, pad in zip(packed, pads, strict=True)]
        mask = Mask(self.key, self.shape, self.exponent, self._known_bound, slots, as_residues(pads, (len(pads),)))
        return EncryptedArray(self.key, as_residues(values, (len(values),)), 0, None), mask

    def packed_ciphertexts(self, slot_bits: int, slots: int) -> EncryptedArray:
        """Along the last axis, up to ``slots`` plaintexts in each: the sum of integer[j] * 2**(slot_bits * j).

        See :class:`~fate_components.crypto.packed_array.PackedArray`, which knows how to read them.
        """
        modulus = self.key.modulus
        rows = self._values.reshape(-1, self.shape[-1])
        values = [
            pack_ciphertexts(row[at : at + slots], slot_bits, modulus)
            for row in rows.tolist()
            for at in range(0, len(row), slots)
        ]
        shape = (*self.shape[:-1], -(-self.shape[-1] // slots))
        bound = self._known_bound * sum(1 << (slot_bits * slot) for slot in range(min(slots, self.shape[-1])))
        return EncryptedArray(self.key, as_residues(values, shape), 0, bound)

    def bounded(self, bound: int) -> EncryptedArray:
        """The same ciphertexts, of which it is known from elsewhere that no integer has a larger magnitude."""
        return EncryptedArray(self.key, self._values, self.exponent, bound, fresh=self._fresh)

    # To other parties

    def to_wire(self, bits: int | None = None) -> Ciphertexts:
        """For another party, which may not even tell whether two messages hold the same number.

        Shape and exponent travel in clear.

        Args:
            bits: what the receiver relies on: no integer has a magnitude above 2**bits. None: half of the key's.

        Raises:
            CryptoError: one might.
        """
        if self.bound is not None and self.bound > _wire_bound(self.key, bits):
            raise CryptoError(
                f"A plaintext might need {self.bound.bit_length()} bits where the receiver expects at most "
                f"{_wire_bound(self.key, bits).bit_length() - 1}."
            )
        values = self._values.ravel().tolist()
        if not self._fresh:
            factors = self.key.random_factors(len(values))
            values = [value * factor % self.key.modulus for value, factor in zip(values, factors, strict=True)]
        self._fresh = False
        width = self.key.width_bytes
        return Ciphertexts(self.key.fingerprint, self.exponent, width, self.shape, pack(values, width))

    @classmethod
    def from_wire(cls, value: Any, key: PublicKey, bits: int | None = None, *, masked: bool = False) -> EncryptedArray:
        """What another party sent.

        Args:
            bits: as the sender gave to :meth:`to_wire`.
            masked: the plaintexts are hidden by a mask.

        Raises:
            CryptoError: it is not ciphertexts under this key.
        """
        if not isinstance(value, Ciphertexts):
            raise CryptoError(f"A message holds a {type(value).__name__} where ciphertexts were agreed.")
        if value.key_fingerprint != key.fingerprint:
            raise CryptoError("A message holds ciphertexts under another key.")
        if value.width_bytes != key.width_bytes or not -4096 <= value.exponent <= 4096:
            raise CryptoError("A message holds ciphertexts of another width, or an impossible exponent.")
        if len(value.data) != math.prod(value.shape) * value.width_bytes:
            raise CryptoError(f"A message of shape {value.shape} holds {len(value.data)} bytes of ciphertexts.")
        values = unpack(value.data, value.width_bytes)
        if not all(0 < number < key.modulus for number in values) or gmpy2.gcd(product(values, key.n), key.n) != 1:
            raise CryptoError("A message holds numbers that are no ciphertexts under the key.")
        bound = None if masked else _wire_bound(key, bits)
        return cls(key, as_residues(values, value.shape), value.exponent, bound)

    # Within

    @property
    def _known_bound(self) -> int:
        if self.bound is None:
            raise CryptoError("A masked array can only be sent and decrypted.")
        return self.bound

    def _like(self, values: Residues) -> EncryptedArray:
        return EncryptedArray(self.key, values, self.exponent, self.bound)

    def _aligned(self, other: EncryptedArray) -> tuple[EncryptedArray, EncryptedArray]:
        if other.key.n != self.key.n:
            raise CryptoError("Two arrays are under different keys.")
        exponent = min(self.exponent, other.exponent)
        return self.at_exponent(exponent), other.at_exponent(exponent)


def concatenate(arrays: Sequence[EncryptedArray], axis: int = 0) -> EncryptedArray:
    """Arrays under one key, one after the other."""
    exponent = min(array.exponent for array in arrays)
    first, *rest = [array.at_exponent(exponent) for array in arrays]
    if any(array.key.n != first.key.n for array in rest):
        raise CryptoError("Arrays under different keys cannot be joined.")
    values = np.concatenate([array._values for array in (first, *rest)], axis=axis)
    return EncryptedArray(first.key, values, exponent, max(array._known_bound for array in (first, *rest)))


def _check_room(key: PublicKey, bound: int | None) -> None:
    if bound is not None and bound > key.limit:
        raise CryptoError(
            f"A plaintext might need {bound.bit_length()} bits where a key of {key.bits} bits has room for "
            f"{key.limit.bit_length()}. Use a longer key or a lower precision."
        )


def _wire_bound(key: PublicKey, bits: int | None) -> int:
    return 1 << (key.bits // 2 if bits is None else bits)


def _fixed(values: Plain, exponent: int = DEFAULT_EXPONENT) -> FixedPoint:
    return values if isinstance(values, FixedPoint) else FixedPoint.of(values, exponent)


def _at_exponent(plain: FixedPoint, exponent: int) -> FixedPoint:
    shift = plain.exponent - exponent
    return FixedPoint(_array(plain.integers.astype(object) * (1 << shift)), exponent) if shift else plain


def _encoded(plain: FixedPoint, key: PublicKey) -> Residues:
    """Ciphertexts without randomness: 1 + m·n."""
    return _modulo(1 + plain.integers.astype(object) * key.n, key.modulus)


def _modulo(values: Any, modulus: mpz) -> Residues:
    return _array(values % modulus)


def _array(values: Any) -> Residues:
    """NumPy gives a bare number where an array of shape () is meant."""
    if isinstance(values, np.ndarray):
        return values
    array = np.empty((), dtype=object)
    array[()] = values
    return array
