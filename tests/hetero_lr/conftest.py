"""Small data sets, split over parties."""

from __future__ import annotations

import pytest
from split_data import Split, split


@pytest.fixture(scope="session")
def data() -> Split:
    """50 rows; 2 features at the guest, 3 at a host."""
    return split(50, 2, 3)


@pytest.fixture(scope="session")
def two_hosts() -> Split:
    """40 rows; 1 feature at the guest, 2 at each host."""
    return split(40, 1, 2, 2)
