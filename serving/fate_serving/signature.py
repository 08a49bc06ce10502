"""FATE-Serving's signatures on requests between parties.

The signature is Base64(HMAC(secret, timestamp + newline + header + newline + body)), where header and body are the
Packet's messages as protobuf prints them in JSON, in one line, with the names of the proto file. FATE-Serving's HMAC is
SHA-1's. It looks whether a request is too old and no further; here one from the future, and one that was seen before,
are refused too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from fate_serving.codes import Code, ServingError
from fate_serving.pb.proxy_pb2 import Packet
from fate_serving.settings import KeySettings, SignatureSettings

_ESCAPES = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&='\u2028\u2029"})
"""What Java's printer escapes beside what JSON has to."""


def sign(packet: Packet, key: KeySettings, digest: str, now: float) -> None:
    """Put a timestamp, a key's name and the signature into a packet."""
    packet.auth.timestamp = int(now * 1000)
    packet.auth.appKey = key.app_key
    packet.auth.nonce = uuid.uuid4().hex
    packet.auth.signature = signature_of(packet, key.app_secret, digest)


def signature_of(packet: Packet, secret: str, digest: str) -> str:
    """The signature that a packet must have."""
    text = "\n".join((str(packet.auth.timestamp), _printed(packet.header), _printed(packet.body)))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()


class Signatures:
    """Checks the packets of other parties.

    Args:
        folder: where processes that share a port note which requests they have seen.
    """

    def __init__(self, settings: SignatureSettings, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._folder, self._clock = settings, folder, clock
        self._keys = {(key.party_id, key.app_key): key.app_secret for key in settings.keys}
        self._period = 0

    def sign(self, packet: Packet) -> None:
        """Sign a request of this site, if it has a key."""
        packet.auth.applyId = self._settings.apply_id
        if self._settings.own is not None:
            sign(packet, self._settings.own, self._settings.digest, self._clock())

    def check(self, packet: Packet) -> None:
        """Refuse what is not signed by the party that it names, is too old, or was seen before.

        Raises:
            ServingError: AUTH.
        """
        party_id, auth = packet.header.src.partyId, packet.auth
        secret = self._keys.get((party_id, auth.appKey))
        if secret is None:
            raise ServingError(Code.AUTH, f"auth.appKey {auth.appKey[:80]!r} is no key of party {party_id[:80]!r}.")
        if not hmac.compare_digest(signature_of(packet, secret, self._settings.digest), auth.signature):
            raise ServingError(Code.AUTH, "auth.signature is not that of the request.")
        now, expire = self._clock(), self._settings.expire_seconds
        if abs(now - auth.timestamp / 1000) > expire:
            raise ServingError(Code.AUTH, f"auth.timestamp is more than {expire:g} seconds from this machine's clock.")
        if not auth.nonce:
            raise ServingError(Code.AUTH, "auth.nonce is missing.")
        self._note(auth.appKey, auth.nonce, now)

    def _note(self, app_key: str, nonce: str, now: float) -> None:
        name = hashlib.sha256(f"{app_key}\n{nonce}".encode()).hexdigest()
        # A request is valid for twice expire_seconds, which reaches over three periods at most.
        period = int(now // (2 * self._settings.expire_seconds))
        if period != self._period:
            self._forget(period)
            self._period = period
        if any((self._folder / str(each) / name).exists() for each in (period - 1, period + 1)):
            raise ServingError(Code.AUTH, "auth.nonce was used before.")
        folder = self._folder / str(period)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise ServingError(Code.AUTH, "auth.nonce was used before.") from None

    def _forget(self, period: int) -> None:
        if self._folder.exists():
            for folder in self._folder.iterdir():
                if folder.name.isdecimal() and int(folder.name) < period - 1:
                    shutil.rmtree(folder, ignore_errors=True)


def _printed(message: Message) -> str:
    """A message of texts as Java prints it; bytes are base64, in which it escapes nothing."""
    binary = {field.name for field in message.DESCRIPTOR.fields if field.type == field.TYPE_BYTES}
    found = MessageToDict(message, preserving_proto_field_name=True)
    parts = []
    for name, value in found.items():
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        parts.append(f'"{name}":{text if name in binary else text.translate(_ESCAPES)}')
    return "{" + ",".join(parts) + "}"
