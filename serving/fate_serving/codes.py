"""FATE-Serving's return codes, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum

from fate_federated.errors import FateFederatedError


class Code(IntEnum):
    """As FATE-Serving 2.1 numbers them."""

    OK = 0
    PARAMETER = 100
    FEATURE = 102
    NO_MODEL = 104
    NETWORK = 105
    ROUTER = 106
    LOAD = 107
    MERGE = 108
    BIND = 109
    SYSTEM = 110
    SHUTDOWN = 111
    NO_FEATURES = 113
    ADAPTER = 116
    ROLE = 121
    NO_SERVICE = 122
    MODEL_INIT = 123
    OVERLOAD = 124
    COMMAND = 125
    UNBIND = 126
    PROXY_ROUTER = 128
    AUTH = 129
    SYNCHRONIZE = 130
    PROXY_PARAMETER = 134
    RESPONSE = 135
    TREES = 136


def code_of_host(code: int) -> int:
    """A host's code as an application sees it: with the digit 2 before it."""
    return int(f"2{code}")


class ServingError(FateFederatedError):
    """A request, a row or a model that cannot be served.

    Attributes:
        code: FATE-Serving's, as the caller of this process sees it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = int(code)
