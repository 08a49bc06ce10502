"""The methods that the library spu runs: spu_rr22, spu_kkrt and spu_ecdh, for one host.

- RR22: Raghuraman, Rindal 2022, "Blazing fast PSI from improved OKVS and subfield VOLE";
- KKRT: Kolesnikov, Kumaresan, Rosulek, Trieu 2016, "Efficient batched oblivious PRF with applications to private set
  intersection";
- ECDH over curve25519, as in :mod:`.commutative`.

All against parties that follow the protocol. What is learnt: the guest, which of its own ids the host has, and how many
it has; the host, how many the guest has and, with ``sync_intersect_ids``, which of its ids are common. That is by the
library's word: what crosses is its own, in a tunnel of the exchange.

The library runs in a process of its own, on hashes of the ids, in a folder that is removed, and speaks with sockets of
this machine alone. While it runs, other users of the machine could connect to those. It is installed beside this
project with ``pip install --no-deps spu==0.9.5`` (Python 3.11 on x86-64): it asks for an older NumPy and for jax, which
this part of it does not use.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fate_components.intersection.matching import Rows
from fate_federated.errors import ConfigError, DataError
from fate_federated.task.context import Peer
from fate_federated.transport.tunnel import LOOPBACK, Tunnel

log = logging.getLogger(__name__)

PROTOCOLS = {"spu_rr22": "PROTOCOL_RR22", "spu_kkrt": "PROTOCOL_KKRT", "spu_ecdh": "PROTOCOL_ECDH"}
KEY_BYTES = 16
"""Of an id's hash: among 2^40 ids two of the same meet with probability 2^-49."""
COLUMN = "id"
_POLL_SECONDS = 0.02


def guest_positions(host: Peer, method: str, keys: Sequence[bytes], broadcast: bool) -> Rows:
    """The guest's part: for each key its position among the common ones, in the order of the keys, or -1."""
    places = _common(host, method, keys, broadcast, rank=0)
    positions = np.full(len(keys), -1, np.int64)
    positions[places] = np.arange(len(places))
    return positions


def host_order(guest: Peer, method: str, keys: Sequence[bytes], broadcast: bool) -> Rows:
    """The host's part: the place of each common key, in their order; nothing where it may not know."""
    return _common(guest, method, keys, broadcast, rank=1)


def _common(peer: Peer, method: str, keys: Sequence[bytes], broadcast: bool, rank: int) -> Rows:
    """Places of the common keys, in the order of the keys."""
    if importlib.util.find_spec("spu") is None:
        raise ConfigError(
            f"intersect_method {method} needs the library spu, which is not installed here. Install it with "
            "`pip install --no-deps spu==0.9.5`, or use ecdh."
        )
    texts = np.array([key[:KEY_BYTES].hex() for key in keys], f"S{2 * KEY_BYTES}")
    with tempfile.TemporaryDirectory(prefix="fate-psi-") as name:
        folder = Path(name)
        source, found = folder / "mine.csv", folder / "common.csv"
        source.write_bytes(b"\n".join([COLUMN.encode(), *texts.tolist()]) + b"\n")
        _speak(peer, PROTOCOLS[method], source, found, broadcast, rank)
        if rank and not broadcast:
            return np.empty(0, np.int64)
        lines = np.array(found.read_bytes().replace(b'"', b"").split()[1:], texts.dtype)
    order = np.argsort(texts)
    places = order[np.searchsorted(texts[order], np.sort(lines)) % max(len(texts), 1)] if len(lines) else order[:0]
    if not np.array_equal(texts[places], np.sort(lines)):
        raise DataError("The library spu found common ids that this party does not have.")
    return places.astype(np.int64)


def _speak(peer: Peer, protocol: str, source: Path, found: Path, broadcast: bool, rank: int) -> None:
    """Run the library against its like at the peer's."""
    with socket.create_server((LOOPBACK, 0)) as reserved:
        own_port = reserved.getsockname()[1]
    with Tunnel(peer.transport, peer.party, "psi", own_port) as tunnel:
        ports = [own_port, tunnel.port] if rank == 0 else [tunnel.port, own_port]
        order = {
            "rank": rank, "addresses": [f"{LOOPBACK}:{port}" for port in ports], "protocol": protocol,
            "source": str(source), "found": str(found), "broadcast": broadcast, "column": COLUMN,
        }  # fmt: skip
        said = source.with_name("said.log")
        with said.open("wb") as output:
            worker = subprocess.Popen(  # noqa: S603 - this interpreter, with numbers and paths of our own
                [sys.executable, "-P", "-m", "fate_components.intersection.spu_worker", json.dumps(order)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=source.parent,
                env={**os.environ, "TMPDIR": str(source.parent)},
            )  # fmt: skip
        try:
            while True:
                tunnel.check()
                try:
                    code = worker.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            worker.kill()
            worker.wait()
            _remove_traces(said)
        if code:
            last = said.read_text(errors="replace").strip().splitlines()[-1:]
            raise DataError(f"The library spu failed (exit code {code}): {''.join(last)[:500]}")
    peer.traffic.sent += tunnel.sent
    peer.traffic.sent_bytes += tunnel.sent_bytes


def _remove_traces(said: Path) -> None:
    """The library leaves a file of timings, for which it knows only one folder."""
    for name in re.findall(r"Trace has been written to (/tmp/psi_[\w-]+\.trace)", said.read_text(errors="replace")):
        Path(name).unlink(missing_ok=True)
