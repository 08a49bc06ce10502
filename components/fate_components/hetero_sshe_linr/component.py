"""Linear regression over vertically split features, on shares and without an arbiter.

See :mod:`fate_components.sshe`. The loss and the update rule are HeteroLinR's.
"""

from __future__ import annotations

from fate_components.hetero_linr.component import LeastSquares
from fate_components.hetero_sshe_linr.spec import HeteroSSHELinRParams
from fate_components.sshe.component import ArbiterFree


class HeteroSSHELinR(ArbiterFree[HeteroSSHELinRParams], LeastSquares[HeteroSSHELinRParams]):
    """See the module."""

    Params = HeteroSSHELinRParams
    module = "HeteroSSHELinR"
