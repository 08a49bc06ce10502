"""What Diffie-Hellman needs of a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Group(Protocol):
    """A group of prime order in which the decisional Diffie-Hellman problem is hard.

    Attributes:
        name: as both parties must mean it.
        width_bytes: of an element.
    """

    name: str
    width_bytes: int

    def random_scalar(self) -> bytes:
        """A secret exponent. One per party and task, never sent or logged."""
        ...

    def blind(self, keys: Sequence[bytes], scalar: bytes) -> bytes:
        """H(key)^scalar for each key, one after the other; H maps into the group like a random oracle."""
        ...

    def multiply(self, elements: bytes, scalar: bytes) -> bytes:
        """element^scalar for each element that a peer sent.

        Raises:
            MessageRejected: one is not in the group, or is its identity.
        """
        ...
