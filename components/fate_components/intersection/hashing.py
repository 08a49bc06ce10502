"""Ids as bytes: hashed with the method and the salt that the conf names."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import partial


def hashed_ids(ids: Sequence[str], method: str, salt: str) -> list[bytes]:
    """The digest of each id followed by the salt; the text itself where the method is "none"."""
    texts = [(text + salt).encode() for text in ids]
    if method == "none":
        return texts
    digest = getattr(hashlib, method, partial(hashlib.new, method))  # by name it takes twice as long
    return [digest(text).digest() for text in texts]


def written_ids(ids: Sequence[str], method: str, salt: str, in_base64: bool) -> list[str]:
    """What the method raw sends: the id as it is, its digest in hexadecimal, or either in base 64."""
    if method == "none":
        return [base64.b64encode(text.encode()).decode() for text in ids] if in_base64 else list(ids)
    digests = hashed_ids(ids, method, salt)
    return [base64.b64encode(digest).decode() if in_base64 else digest.hex() for digest in digests]
