"""Parts of versions that were unpacked at this site and wait until all parties have theirs."""

from __future__ import annotations

import json
from pathlib import Path

from fate_federated.registry.archive import ArchiveAbout
from fate_federated.settings import SiteSettings

ABOUT = "about.json"


def staged_imports(site: SiteSettings, version: str) -> Path:
    """Where the parts of a version wait that were unpacked here."""
    return site.path("gateway/imports") / version


def staged_about(site: SiteSettings, version: str) -> ArchiveAbout | None:
    """What the staged parts say of a version; None where there are none."""
    try:
        said = json.loads((staged_imports(site, version) / ABOUT).read_bytes())
    except FileNotFoundError:
        return None
    return ArchiveAbout(**{**said, "parties": tuple(said["parties"])})
