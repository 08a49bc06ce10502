"""A set that may be asked for its members, and is sometimes wrong about what is none (Bloom 1970)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fate_federated.errors import MessageRejected
from fate_federated.wire.payload import Wire

_MOST_HASHES = 64


@dataclass(frozen=True)
class BloomFilter:
    """Bits at ``hashes`` places of each member.

    Attributes:
        bits: bytes of the bit set, uint8.
        hashes: places of one member.
        method: of :mod:`hashlib`, from which the places come by double hashing (Kirsch, Mitzenmacher 2006).
        salt: goes before a member.
    """

    bits: npt.NDArray[np.uint8]
    hashes: int
    method: str
    salt: bytes

    @classmethod
    def of(cls, members: Sequence[bytes], rate: float, method: str, salt: bytes) -> BloomFilter:
        """The set of these, in which another is found with probability ``rate``."""
        size = max(math.ceil(-len(members) * math.log(rate) / math.log(2) ** 2), 8)
        hashes = min(max(round(size / max(len(members), 1) * math.log(2)), 1), _MOST_HASHES)
        empty = cls(np.zeros(-(-size // 8), np.uint8), hashes, method, salt)
        flags = np.zeros(8 * len(empty.bits), bool)
        flags[empty._places(members).ravel()] = True
        return cls(np.packbits(flags), hashes, method, salt)

    def contains(self, candidates: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which are members, or seem to be; shape (len(candidates),)."""
        places = self._places(candidates)
        found: npt.NDArray[np.bool_] = (self.bits[places >> 3] >> (7 - (places & 7)).astype(np.uint8) & 1).all(axis=1)
        return found

    def _places(self, members: Sequence[bytes]) -> npt.NDArray[np.int64]:
        digests = [hashlib.new(self.method, self.salt + member).digest()[:16] for member in members]
        halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        # Wraps modulo 2^64, as it may.
        spread = halves[:, :1] + np.arange(self.hashes, dtype=np.uint64) * (halves[:, 1:] | np.uint64(1))
        places: npt.NDArray[np.int64] = (spread % np.uint64(8 * len(self.bits))).astype(np.int64)
        return places

    def to_wire(self) -> dict[str, Wire]:
        """For the other party. It knows the method."""
        return {"bits": self.bits, "hashes": self.hashes, "salt": self.salt}

    @classmethod
    def from_wire(cls, value: Any, method: str) -> BloomFilter:
        """What a peer sent.

        Raises:
            MessageRejected: it is no filter.
        """
        if not isinstance(value, dict) or set(value) != {"bits", "hashes", "salt"}:
            raise MessageRejected("A message does not hold a filter.")
        bits, hashes, salt = value["bits"], value["hashes"], value["salt"]
        if not isinstance(bits, np.ndarray) or bits.dtype != np.uint8 or bits.ndim != 1 or not len(bits):
            raise MessageRejected("A message holds a filter that is no set of bits.")
        if type(hashes) is not int or not 1 <= hashes <= _MOST_HASHES or not isinstance(salt, bytes):
            raise MessageRejected("A message holds a filter of an impossible number of hashes.")
        return cls(bits, hashes, method, salt)
