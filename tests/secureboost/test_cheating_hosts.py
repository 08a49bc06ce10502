"""A host that sends other sums than it should: the training ends at all parties, with a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from boosting_parties import GUEST, HOSTS, OURS, REGRESSION, some_rows, split_tables

from fate_components.crypto.encrypted_array import EncryptedArray
from fate_components.crypto.paillier import generate_keypair
from fate_federated.errors import AttemptEnded, FateFederatedError, public_text
from fate_federated.party import Party
from fate_federated.task.component import Inputs
from fate_federated.task.context import MemoryTracker, TaskContext
from fate_federated.task.run import build_params, run_component, spec_of
from fate_federated.transport.base import Transport
from fate_federated.transport.memory import MemoryHub

Change = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Cheating:
    """A host's messages, the sums of derivatives and the sides of rows changed."""

    inner: Transport
    kind: str
    change: Change

    def push(self, receiver: Party, tag: str, value: Any) -> int:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return self.inner.push(receiver, tag, self.change(value) if tag.startswith(f"{self.kind}.") else value)

    def pull(self, sender: Party, tag: str) -> Any:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return self.inner.pull(sender, tag)

    def background(self) -> Transport:
        """See :class:`~fate_federated.transport.base.Transport`."""
        return Cheating(self.inner.background(), self.kind, self.change)


def of_another_key(value: Any) -> Any:
    """Ciphertexts that say they are under the guest's key."""
    theirs = value["ciphertexts"]
    own = EncryptedArray.encrypt(generate_keypair(1024), np.arange(1, theirs.shape[0] + 1)).to_wire()
    return value | {"ciphertexts": replace(own, key_fingerprint=theirs.key_fingerprint, exponent=theirs.exponent)}


def longer(value: Any) -> Any:
    """Each ciphertext twice."""
    theirs = value["ciphertexts"]
    return value | {"ciphertexts": replace(theirs, shape=(2 * theirs.shape[0],), data=theirs.data * 2)}


CHEATS: list[tuple[str, Change, str]] = [
    ("sums", lambda value: value | {"count": value["count"] + 1000}, "does not hold"),
    ("sums", lambda value: value | {"count": 1}, "larger than it can be"),
    ("sums", lambda value: value | {"count": -1}, "something else than sums"),
    ("sums", longer, "does not hold"),
    ("sums", of_another_key, "(larger than it can be|no ciphertexts under the key)"),
    ("sums", lambda value: value | {"ciphertexts": b""}, "ciphertexts were agreed"),
    ("sides", lambda value: value | {"count": value["count"] + 1}, "which were agreed"),
    ("sides", lambda value: value | {"features": []}, "something else than the sides"),
]


@pytest.mark.parametrize(("kind", "change", "reason"), CHEATS)
def test_everybody_is_told_why_a_training_ends(kind: str, change: Change, reason: str) -> None:
    features, label = some_rows(60, 5)
    tables = split_tables(features, label, {GUEST: [0], HOSTS[0]: [1, 2], HOSTS[1]: [3, 4]})
    hub = MemoryHub(tuple(tables), deadline_seconds=20)
    spec = spec_of("HeteroSecureBoost")
    params = build_params(spec, OURS | REGRESSION, "/HeteroSecureBoost")

    def work(party: Party) -> FateFederatedError:
        transport: Transport = hub.transport(party)
        if party == HOSTS[0]:
            transport = Cheating(transport, kind, change)
        ctx = TaskContext(
            party=party, participants=tuple(tables), job_id="job", component="sbt_0", attempt=1,
            transport=transport, tracker=MemoryTracker(), seed=0,
        )  # fmt: skip
        with pytest.raises(FateFederatedError) as caught:
            run_component(spec, params, ctx, Inputs(data={"train_data": [tables[party]]}))
        hub.fail(party, public_text(caught.value))
        return caught.value

    with ThreadPoolExecutor() as threads:
        errors = dict(zip(tables, threads.map(work, tables), strict=True))
    assert not isinstance(errors[GUEST], AttemptEnded)
    assert all(isinstance(errors[host], AttemptEnded) for host in HOSTS)
    assert all(re.search(reason, str(error)) for error in errors.values())
