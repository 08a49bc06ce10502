"""The process in which the library spu runs: ``python -m fate_components.intersection.spu_worker <order in JSON>``."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import types
from typing import Any

RECEIVE_MILLISECONDS = 600_000
CONNECT_RETRIES, RETRY_MILLISECONDS = 600, 100


def load() -> tuple[Any, Any]:
    """The library's modules of private set intersection and of links.

    What the package itself imports (jax, an older NumPy) is for other parts of it, and need not be installed.
    """
    spec = importlib.util.find_spec("spu")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("spu")
    package = types.ModuleType("spu")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["spu"] = package
    return importlib.import_module("spu.libpsi"), importlib.import_module("spu.libspu").link


def main() -> None:
    """Find the common ids of one order."""
    order = json.loads(sys.argv[1])
    psi, link = load()
    parties = link.Desc()
    parties.recv_timeout_ms = RECEIVE_MILLISECONDS
    parties.connect_retry_times, parties.connect_retry_interval_ms = CONNECT_RETRIES, RETRY_MILLISECONDS
    for number, address in enumerate(order["addresses"]):
        parties.add_party(f"party-{number}", address)
    protocol = psi.PsiProtocolConfig(
        protocol=getattr(psi.PsiProtocol, order["protocol"]),
        receiver_rank=0,
        broadcast_result=order["broadcast"],
        ecdh_params=psi.EcdhParams(curve=psi.EllipticCurveType.CURVE_25519),
    )
    config = psi.PsiExecuteConfig(
        protocol_conf=protocol,
        input_params=psi.InputParams(path=order["source"], selected_keys=[order["column"]], keys_unique=True),
        # Whoever reads the common ids brings them into an order.
        output_params=psi.OutputParams(path=order["found"], disable_alignment=True),
    )
    psi.psi_execute(config, link.create_brpc(parties, order["rank"]))


if __name__ == "__main__":
    main()
