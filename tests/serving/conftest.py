"""Sites that serve, and a model for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from serving_models import Trained, lr
from serving_sites import Sites


@pytest.fixture
async def sites(tmp_path: Path) -> AsyncIterator[Sites]:
    made = Sites(tmp_path)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def trained_lr() -> Trained:
    return lr()
