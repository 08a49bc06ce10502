"""A site's folders, and the demo's job to drop into them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEMO = Path(__file__).parents[2] / "dags"
LONG_AGO = 1_600_000_000


def demo(dialect: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """The demo's dsl and conf."""
    name = {1: "breast_cancer_v1", 2: "breast_cancer"}[dialect]
    texts = ((DEMO / f"{name}_{half}.json").read_text() for half in ("dsl", "conf"))
    dsl, conf = map(json.loads, texts)
    return dsl, conf


@dataclass(frozen=True)
class Site:
    """Folders as `fate site init` makes them."""

    home: Path

    @property
    def dags(self) -> Path:
        return self.home / "dags"

    @property
    def received(self) -> Path:
        return self.home / "gateway/jobs/guest-1"

    def configure(self, **settings: Any) -> None:
        """Write site.yaml."""
        self.dags.mkdir(parents=True, exist_ok=True)
        settings = {"name": "trial", "parties": ["guest-9999", "host-10000"], **settings}
        (self.home / "site.yaml").write_text(yaml.safe_dump(settings))

    def drop(self, name: str, dsl: Any, conf: Any, folder: Path | None = None) -> tuple[Path, Path]:
        """Write a pair of files, as if it had been done long ago."""
        pair = tuple((folder or self.dags) / f"{name}_{half}.json" for half in ("dsl", "conf"))
        for path, content in zip(pair, (dsl, conf), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
            os.utime(path, (LONG_AGO, LONG_AGO))
        return pair[0], pair[1]
