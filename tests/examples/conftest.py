from __future__ import annotations

import pytest
from tests.examples.shared_jobs import ExampleTables


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ExampleTables:
    return ExampleTables(tmp_path_factory.mktemp("uploaded"))
