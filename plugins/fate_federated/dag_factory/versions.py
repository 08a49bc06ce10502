"""Versions of a site's generated files: folders that never change, and the contents from which they can be made again.

::

    <base>/files/<sha256>        every content once
    <base>/manifests/<version>   the names of a version's files and their contents' hashes
    <folders>/<version>/<name>   hard links to the contents

Airflow removes version folders that no run has used for a while. The contents stay, they are small, so that a run of
any age can be repeated.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fate_federated.errors import ConfigError

SETTLE_SECONDS = 2.0
"""How far ahead of now the time of a changed file is set.

Airflow parses a file again when it is newer than its last parse has ended. A parse of the old version that was still
under way when the new one appeared would end later than the new file's true time, and hide it for
``[dag_processor] min_file_process_interval``.
"""


@dataclass(frozen=True, slots=True)
class VersionStore:
    """Keeps versions.

    Attributes:
        base: folder of contents and manifests.
        folders: folder of the version folders, on the same file system.
    """

    base: Path
    folders: Path

    def save(self, files: Mapping[str, bytes], previous: str | None) -> str:
        """Keep a version and make its folder.

        Args:
            files: content by name.
            previous: the version that was current so far; a file keeps its time when it is the same there.

        Returns:
            the version's name, a hash of the files.
        """
        manifest = {name: self._keep(content) for name, content in sorted(files.items())}
        text = json.dumps(manifest, indent=0)
        version = sha256(text.encode()).hexdigest()[:24]
        path = self._manifest(version)
        if not path.exists():
            _write(path, text.encode())
        self.restore(version)
        if previous is not None and previous != version:
            before = self.manifest(previous)
            now = time.time() + SETTLE_SECONDS
            for name in manifest:
                if before.get(name) != manifest[name]:
                    os.utime(self.folders / version / name, (now, now))
        return version

    def restore(self, version: str) -> Path:
        """The folder of a version, made again where it is missing.

        Raises:
            ConfigError: this machine does not have that version.
        """
        folder = self.folders / version
        if folder.is_dir():
            return folder
        self.folders.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folders))
        try:
            for name, digest in self.manifest(version).items():
                _link(self.base / "files" / digest, building / name)
            building.chmod(0o755)
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building)
            raise
        return folder

    def manifest(self, version: str) -> dict[str, str]:
        """By name of a version's files, the hash of their content.

        Raises:
            ConfigError: this machine does not have that version.
        """
        try:
            manifest: dict[str, str] = json.loads(self._manifest(version).read_bytes())
        except FileNotFoundError:
            raise ConfigError(
                f"This machine has no version {version} of the jobs: {self._manifest(version)} is missing. "
                "Clear the task with the option to use the latest version, or share [dag_processor] "
                "dag_bundle_storage_path between the machines of this site."
            ) from None
        return manifest

    def content(self, digest: str) -> bytes:
        """A file's content by its hash, as a manifest has it."""
        return (self.base / "files" / digest).read_bytes()

    def _manifest(self, version: str) -> Path:
        return self.base / "manifests" / version

    def _keep(self, content: bytes) -> str:
        digest = sha256(content).hexdigest()
        path = self.base / "files" / digest
        if not path.exists():
            _write(path, content)
        return digest


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # not every file system has hard links
        shutil.copy2(source, target)
