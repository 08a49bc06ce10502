"""Two parties, each with a Paillier key of its own, and how they turn what one of them can decrypt into shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from gmpy2 import mpz

from fate_components.crypto.encrypted_array import EncryptedArray, concatenate
from fate_components.crypto.fixed_point import FixedPoint
from fate_components.crypto.integers import Residues, as_residues
from fate_components.crypto.paillier import PrivateKey, PublicKey
from fate_components.linear.layout import slots_of
from fate_components.linear.messages import Step
from fate_components.linear.model import Floats
from fate_components.sshe.ring import (
    LIMB_BITS,
    RING_BITS,
    Shares,
    decoded,
    limbs,
    reduced,
    shares_from_wire,
    shares_to_wire,
)
from fate_federated.errors import MessageRejected
from fate_federated.task.context import Peer

FREE_BITS = 64
"""At the top of a plaintext: a pad that is uniform modulo n does not wrap around but for a chance of 2**-FREE_BITS."""


@dataclass(frozen=True, slots=True)
class Pair:
    """See the module.

    Attributes:
        private: this party's key.
        public: the peer's.
        first: whether this is the guest.
    """

    peer: Peer
    private: PrivateKey = field(repr=False)
    public: PublicKey
    first: bool

    def slots(self, slot_bits: int, most: int) -> int:
        """How many numbers share a ciphertext under the shorter of the two keys.

        Raises:
            CryptoError: it is too short for one.
        """
        return slots_of(min(self.public.bits, self.private.public.bits) - FREE_BITS, slot_bits, most)

    def give(self, tag: str, step: Step, encrypted: EncryptedArray, slot_bits: int, slots: int) -> Shares:
        """Turn packed numbers under the peer's key into shares: the peer decrypts them with a pad, uniform modulo n.

        What is left of a pad's slots is this party's share: the pad's carries change a number by one in its last bit.

        Args:
            encrypted: shape (..., k), ``slots`` integers of less than slot_bits bits in each.

        Returns:
            shape (..., k * slots).
        """
        masked, mask = encrypted.bounded(1 << (self.public.bits - FREE_BITS // 2)).masked()
        self.peer.push(tag, masked.to_wire(), step)
        pads = as_residues(mask.pads.ravel().tolist(), encrypted.shape)
        return reduced(-_slots(pads, slot_bits, slots))

    def take(self, tag: str, step: Step, shape: tuple[int, ...], slot_bits: int, slots: int) -> Shares:
        """The peer's part of :meth:`give`.

        Args:
            shape: of the ciphertexts.

        Raises:
            MessageRejected: the peer sent something else.
        """
        masked = EncryptedArray.from_wire(self.peer.pull(tag, step), self.private.public, masked=True)
        if masked.shape != (int(np.prod(shape)),):
            raise MessageRejected(f"{self.peer.party} sent {masked.shape} ciphertexts where {shape} were agreed.")
        return _slots(as_residues(masked.decrypt_residues(self.private).tolist(), shape), slot_bits, slots)

    def encrypted_to_peer(self, tag: str, step: Step, plain: Residues, bits: int) -> None:
        """Send integers of a magnitude up to 2**bits under this party's key."""
        self.peer.push(tag, EncryptedArray.encrypt(self.private, FixedPoint(plain, 0)).to_wire(bits), step)

    def encrypted_from_peer(self, tag: str, step: Step, shape: tuple[int, ...], bits: int) -> EncryptedArray:
        """Integers under the peer's key.

        Raises:
            MessageRejected: they are of another shape.
        """
        array = EncryptedArray.from_wire(self.peer.pull(tag, step), self.public, bits)
        if array.shape != shape or array.exponent:
            raise MessageRejected(f"{self.peer.party} sent ciphertexts of shape {array.shape}, agreed was {shape}.")
        return array

    def open_to_peer(self, tag: str, step: Step, shares: Shares) -> None:
        """Let the peer know the numbers that these are shares of."""
        self.peer.push(tag, shares_to_wire(shares), step)

    def opened(self, tag: str, step: Step, shares: Shares, fraction_bits: int, bits: int) -> Floats:
        """The peer's part of :meth:`open_to_peer`; see :func:`.ring.decoded`."""
        return decoded(shares + shares_from_wire(self.peer.pull(tag, step), shares.shape), fraction_bits, bits, step)


def inner_products(shares: Shares, encrypted: EncryptedArray) -> EncryptedArray:
    """Sums of encrypted integers, shape (n,), each times a share; shape (models,) of shares (models, n)."""
    digits = limbs(shares)
    count = len(shares)
    products = FixedPoint(np.concatenate(digits), 0) @ encrypted
    room = 1 << (encrypted.key.bits - FREE_BITS)
    total = products[(len(digits) - 1) * count :]
    for place in reversed(range(len(digits) - 1)):
        total = (total.bounded(room >> LIMB_BITS) * (1 << LIMB_BITS) + products[place * count :][:count]).bounded(room)
    return total.bounded(room)


def stacked(rows: Sequence[EncryptedArray]) -> EncryptedArray:
    """Arrays of one shape, along a new first axis."""
    return concatenate([row.reshape(1, *row.shape) for row in rows])


def shifted(integers: Residues, slot_bits: int, slots: int) -> Residues:
    """Each integer in each of so many slots: one more axis."""
    result: Residues = integers[..., None] * as_residues([mpz(1) << (slot_bits * at) for at in range(slots)], (slots,))
    return result


def share_slot_bits(factor_bits: int, terms: int, share_bits: int = RING_BITS) -> int:
    """Room for a sum of so many shares, each times an integer of a magnitude up to 2**factor_bits.

    No less than a share has: what is left of a slot's pad is one.
    """
    return max(share_bits + factor_bits + terms.bit_length() + 2, RING_BITS)


def _slots(residues: Residues, slot_bits: int, slots: int) -> Shares:
    """What lies in each slot, modulo 2**RING_BITS; the last axis is that much longer."""
    parts = [reduced(residues >> (slot_bits * slot)) for slot in range(slots)]
    return np.stack(parts, axis=-1).reshape(*residues.shape[:-1], residues.shape[-1] * slots)
