"""Logistic regression over vertically split features, on shares and without an arbiter.

See :mod:`fate_components.sshe`. The loss and the update rule are HeteroLR's.
"""

from __future__ import annotations

from fate_components.hetero_lr.component import Logistic
from fate_components.hetero_sshe_lr.spec import HeteroSSHELRParams
from fate_components.sshe.component import ArbiterFree


class HeteroSSHELR(ArbiterFree[HeteroSSHELRParams], Logistic[HeteroSSHELRParams]):
    """See the module."""

    Params = HeteroSSHELRParams
    module = "HeteroSSHELR"
