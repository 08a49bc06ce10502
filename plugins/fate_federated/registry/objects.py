"""The files of versions, under DVC: its cache and its remote, used in process.

Not for two threads at once. DVC takes most of a second to import and is imported when it is first needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fate_federated.errors import RegistryError
from fate_federated.registry.new_repository import create_repository

if TYPE_CHECKING:
    from dvc.repo import Repo

CHUNK_BYTES = COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a version.

    Attributes:
        sha256, md5: hexadecimal; DVC knows it by the second.
    """

    sha256: str
    md5: str
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """What a version holds.

    Attributes:
        md5: DVC's name of the folder, with ``.dir``.
        files: by path in the folder ``model``.
    """

    md5: str
    files: Mapping[str, KeptFile]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())

    def part(self, party: str) -> dict[str, KeptFile]:
        """The files of one party, by path in its part."""
        prefix = f"{party}/"
        return {path.removeprefix(prefix): file for path, file in self.files.items() if path.startswith(prefix)}


def digest_of(part: Mapping[str, KeptFile]) -> str:
    """SHA-256 of the list of a part's files: equal exactly when the files are."""
    listing = "".join(f"{file.sha256}  {path}\n" for path, file in sorted(part.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


class Objects:
    """What DVC keeps for the repository at ``root``.

    Raises (every method):
        RegistryError: the repository or the remote cannot be read or written.
    """

    def __init__(self, root: Path, remote: str) -> None:
        self.root = root
        self._remote = remote
        self._cache: Path | None = None

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder beside the cache for files that are to be kept."""
        folder = self.root / ".dvc" / "tmp"
        create_repository(self.root, self._remote)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="version-") as name:
            yield Path(name)

    def keep(self, folder: Path) -> KeptFolder:
        """Add a folder's files to the DVC cache, and push them to the remote."""
        from dvc.fs import localfs
        from dvc_data.hashfile.build import build
        from dvc_data.hashfile.transfer import transfer
        from dvc_data.hashfile.tree import Tree

        sizes = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        sha256 = {name: (_sha256(path), path.stat().st_size) for name, path in sizes.items()}
        with self._dvc("keep") as repo:
            cache = repo.cache.local
            staged, _, tree = build(cache, str(folder), localfs, "md5")
            transfer(staged, cache, {tree.hash_info}, shallow=False, hardlink=True)
            if not isinstance(tree, Tree) or tree.hash_info is None:
                raise TypeError("DVC makes a tree of a folder")
            md5 = {"/".join(key): str(info.value) for key, _, info in tree}
            self._push(repo, tree.hash_info)
        files = {name: KeptFile(digest, md5[name], size) for name, (digest, size) in sha256.items()}
        return KeptFolder(str(tree.hash_info.value), files)

    @contextmanager
    def open(self, file: KeptFile) -> Iterator[BinaryIO]:
        """A kept file, fetched from the remote if the cache has lost it. Its content is not checked."""
        path = self.path_of(file.md5)
        if not path.is_file():
            self.fetch(file.md5)
        with path.open("rb") as stream:
            yield stream

    @contextmanager
    def open_intact(self, file: KeptFile) -> Iterator[BinaryIO]:
        """The same, after looking whether it is what was kept; fetched anew from the remote where it is not."""
        if not self.is_intact(file):
            self.restore(file)
        with self.path_of(file.md5).open("rb") as stream:
            yield stream

    def path_of(self, md5: str) -> Path:
        """Where the cache has an object."""
        if self._cache is None:
            with self._dvc("find") as repo:
                self._cache = Path(repo.cache.local.path)
        return self._cache / md5[:2] / md5[2:]

    def fetch(self, md5: str) -> None:
        """Get an object from the remote."""
        from dvc_data.hashfile.hash_info import HashInfo

        with self._dvc("fetch") as repo:
            result = repo.cloud.pull({HashInfo("md5", md5)})
            if result.failed or not Path(repo.cache.local.oid_to_path(md5)).is_file():
                raise RegistryError(
                    f"The DVC remote of {self.root} does not have {md5}. Restore it there, or put the remote that "
                    "has it into .dvc/config.local."
                )

    def push(self, md5: str) -> None:
        """See that the remote has an object, and what it names."""
        from dvc_data.hashfile.hash_info import HashInfo

        with self._dvc("push") as repo:
            self._push(repo, HashInfo("md5", md5))

    def push_object(self, md5: str) -> None:
        """Copy one object from the cache to the remote, whatever DVC remembers of that.

        Raises:
            RegistryError: the cache does not have it either.
        """
        with self._dvc("push") as repo:
            source, remote = repo.cache.local, repo.cloud.get_remote_odb(None, "push")
            if not Path(source.oid_to_path(md5)).is_file():
                raise RegistryError(f"Neither the cache of {self.root} nor its DVC remote has {md5}.")
            remote.add(source.oid_to_path(md5), source.fs, md5)

    def missing_in_remote(self, md5s: Sequence[str]) -> list[str]:
        """Those objects that the remote does not have."""
        with self._dvc("check") as repo:
            remote = repo.cloud.get_remote_odb(None, "check")
            there = set(remote.oids_exist(list(md5s)))
        return [md5 for md5 in md5s if md5 not in there]

    def link(self, file: KeptFile, target: Path) -> None:
        """Have a kept file in a staging folder too, without a copy where the disk allows it."""
        source = self.path_of(file.md5)
        if not source.is_file():
            self.fetch(file.md5)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def is_intact(self, file: KeptFile) -> bool:
        """Whether the cache has a file as it was kept."""
        path = self.path_of(file.md5)
        return path.is_file() and path.stat().st_size == file.bytes and _sha256(path) == file.sha256

    def restore(self, file: KeptFile) -> None:
        """Get a file anew from the remote, because the cache has lost it or has something else.

        Raises:
            RegistryError: what the remote has is not it either.
        """
        self.path_of(file.md5).unlink(missing_ok=True)
        self.fetch(file.md5)
        if not self.is_intact(file):
            self.path_of(file.md5).unlink(missing_ok=True)
            raise RegistryError(f"The file {file.md5} of a model is not what was kept, here and in the DVC remote.")

    def _push(self, repo: Repo, info: Any) -> None:
        from dvc_data.hashfile.transfer import transfer

        cache = repo.cache.local
        remote = repo.cloud.get_remote_odb(None, "push")
        # What a folder names goes first, so that a folder in the remote is a whole one.
        result = transfer(cache, remote, {info}, shallow=False, cache_odb=cache)
        if result.failed:
            raise RegistryError(
                f"{len(result.failed)} files could not be pushed to the DVC remote {self._remote_name(repo)}. "
                "Is it full, or not reachable? Then ask again: `fate model pending` shows what waits."
            )

    def _remote_name(self, repo: Repo) -> str:
        name = repo.config["core"].get("remote", "")
        return f"{name} ({repo.config['remote'].get(name, {}).get('url', 'without a URL')})"

    @contextmanager
    def _dvc(self, what: str) -> Iterator[Repo]:
        """DVC's own object, opened anew: it takes 10 ms, and sees what an admin has configured since."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
        from dvc_objects.errors import ObjectFormatError

        create_repository(self.root, self._remote)
        try:
            with Repo(str(self.root)) as repo:
                yield repo
        except (DvcException, ObjectFormatError) as error:
            raise RegistryError(
                f"DVC cannot {what} in {self.root}: {error}. `dvc remote list` there shows the remote; "
                "`dvc remote add --local -d NAME URL` sets it."
            ) from error
        except OSError as error:
            raise RegistryError(
                f"DVC cannot {what} in {self.root}: {error}. Is the disk or the remote full, or not reachable?"
            ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
