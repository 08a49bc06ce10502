"""A guest's Paillier key at a host."""

from __future__ import annotations

from fate_components.alike import check_alike
from fate_components.crypto.paillier import PublicKey
from fate_federated.task.context import TaskContext


def receive_guest_key(ctx: TaskContext, parameter: str, least_bits: int) -> PublicKey:
    """What the guest pushed as ``key``.

    Args:
        parameter: that says how long it is, by which the host insists on ``least_bits``.

    Raises:
        ConfigError: the guest's parameter is less.
        CryptoError: it is no key.
    """
    key = PublicKey.from_wire(ctx.guest.pull("key"))
    if key.n.bit_length() < least_bits:
        check_alike(ctx, ctx.guest.party, {parameter: str(least_bits)}, {parameter: str(key.n.bit_length())})
    return key
