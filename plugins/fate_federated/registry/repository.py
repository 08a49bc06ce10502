"""A site's git repository of models, with its DVC cache and remote: written and read in process.

Nothing here touches the index, the working files or the branch that a person has checked out. Not for two threads at
once. DVC and libgit2 take most of a second to import and are imported when they are first needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fate_federated.errors import RegistryError

if TYPE_CHECKING:
    import pygit2
    from dvc.repo import Repo

log = logging.getLogger(__name__)

MODEL = "model"
MANIFEST = "manifest.json"
ABOUT = "version.json"
METRICS = "metrics.json"
PARAMS = "params.json"
BASE_BRANCH = "main"
CHUNK_BYTES = COPY_BYTES = 1 << 20

_DVC_YAML = b"metrics:\n  - metrics.json\nparams:\n  - params.json\n"
_README = """\
# The models of this site

Each version of a model is a commit: branches and tags are called `models/<model>/<name>`, those of table snapshots
`data/<namespace>/<table>`. The site's gateway writes them; `fate model` shows and changes them, at all parties.

    git log --graph models/<model>/experiment
    git checkout models/<model>/experiment && dvc pull
    dvc diff models/<model>/<one> models/<model>/<other>
    dvc metrics diff models/<model>/<one> models/<model>/<other>

The remote is in `.dvc/config.local`: `dvc remote add --local -d NAME URL`, then `fate model check --repair`.
Commits of your own on other branches disturb nothing. `fate model check --repair` puts back what is changed here.
"""


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


def import_tools() -> None:
    """Import DVC and libgit2, which takes most of a second."""
    for name in ("dvc.repo", "dvc_data.hashfile.build", "pygit2"):
        importlib.import_module(name)


def create_repository(root: Path, remote: str) -> None:
    """Make the repository, or leave the one that is there.

    Args:
        remote: URL of the DVC remote, as DVC takes it.

    Raises:
        RegistryError: it cannot be made.
    """
    if (root / ".dvc").is_dir() and (root / ".git").exists():
        return
    import pygit2
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        root.mkdir(parents=True, exist_ok=True)
        if not (root / ".git").exists():
            pygit2.init_repository(str(root), initial_head=BASE_BRANCH)
        with _silent_dvc():
            repo = Repo.init(str(root), force=True)
        with repo:
            with repo.config.edit("repo", validate=False) as config:
                config["core"]["analytics"] = False
                config["core"]["check_update"] = False
            with repo.config.edit("local", validate=False) as config:
                config["core"]["remote"] = "store"
                config["remote"]["store"] = {"url": remote}
        (root / "README.md").write_text(_README, encoding="utf-8")
        git = pygit2.Repository(str(root))
        index = git.index
        for name in ("README.md", ".dvcignore", ".dvc/.gitignore", ".dvc/config"):
            index.add(name)
        index.write()
        signature = pygit2.Signature("fate", "fate@localhost")
        git.create_commit(
            f"refs/heads/{BASE_BRANCH}", signature, signature, "A site's models\n", index.write_tree(), []
        )
    except (OSError, DvcException, pygit2.GitError) as error:
        raise RegistryError(f"The repository of models at {root} cannot be made: {error}.") from error


class ModelRepository:
    """The repository at ``root``.

    Raises (every method):
        RegistryError: it is not there, cannot be read, or its remote cannot be written.
    """

    def __init__(self, root: Path, remote: str = "") -> None:
        self.root = root
        self._remote = remote
        self._git: pygit2.Repository | None = None
        self._cache: Path | None = None

    @property
    def git(self) -> pygit2.Repository:
        if self._git is None:
            import pygit2

            create_repository(self.root, self._remote)
            try:
                self._git = pygit2.Repository(str(self.root))
            except pygit2.GitError as error:
                raise RegistryError(f"The repository of models at {self.root} cannot be opened: {error}.") from error
        return self._git

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder beside the cache for files that are to be kept."""
        folder = self.root / ".dvc" / "tmp"
        self.git  # noqa: B018 - made if need be
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

    def write_tree(self, kept: KeptFolder, about: Mapping[str, Any], metrics: object, params: object) -> str:
        """A version's git tree; nothing points to it yet."""
        content = {
            ABOUT: _json(about),
            MANIFEST: _json(
                {
                    path: {"sha256": file.sha256, "md5": file.md5, "bytes": file.bytes}
                    for path, file in kept.files.items()
                }
            ),
            METRICS: _json(metrics),
            PARAMS: _json(params),
            "dvc.yaml": _DVC_YAML,
            f"{MODEL}.dvc": _dvc_file(kept.md5, kept.bytes, len(kept.files), MODEL),
            ".gitignore": f"/{MODEL}\n".encode(),
        }
        return self.write_files(content)

    def write_files(self, content: Mapping[str, bytes]) -> str:
        """A git tree of these files at its top, beside what makes it a DVC repository."""
        import pygit2

        git = self.git
        base = git.revparse_single(f"{self._base()}^{{tree}}")
        if not isinstance(base, pygit2.Tree):
            raise TypeError("a commit has a tree")
        builder = git.TreeBuilder()
        for name in (".dvc", ".dvcignore"):
            if name in base:
                builder.insert(name, base[name].id, base[name].filemode)
        for name, data in content.items():
            builder.insert(name, git.create_blob(data), pygit2.enums.FileMode.BLOB)
        return str(builder.write())

    def commit(self, tree: str, parents: Sequence[str], message: str, author: str, email: str, when: float) -> str:
        """A commit of a tree; the same again for the same arguments."""
        import pygit2

        signature = pygit2.Signature(_printable(author) or "fate", email, int(when), 0)
        return str(self.git.create_commit(None, signature, signature, message, pygit2.Oid(hex=tree), list(parents)))

    def keep_commit(self, version: str, commit: str) -> None:
        """Have git never forget a version's commit, whatever branches do."""
        self._set(f"refs/fate/{version}", commit)

    def ref(self, kind: str, group: str, name: str) -> str:
        """The commit that a branch or tag points to; empty for none."""
        return self._get(_ref(kind, group, name))

    def point(self, kind: str, group: str, name: str, commit: str) -> None:
        """Let a branch or tag point to a commit; delete it where that is empty."""
        self._set(_ref(kind, group, name), commit)

    def refs(self, group: str) -> dict[tuple[str, str], str]:
        """Branches and tags of a group, by kind and name."""
        found = {}
        names = self.git.listall_references()
        for kind, prefix in (("branch", f"refs/heads/{group}/"), ("tag", f"refs/tags/{group}/")):
            for name in names:
                if name.startswith(prefix):
                    found[kind, name.removeprefix(prefix)] = self._get(name)
        return found

    def has_commit(self, commit: str) -> bool:
        """Whether a commit is there."""
        try:
            return commit in self.git
        except ValueError:
            return False

    def read_git(self, commit: str, name: str) -> bytes:
        """A file that is in git itself."""
        import pygit2

        try:
            blob = self.git.revparse_single(f"{commit}:{name}")
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise RegistryError(
                f"{name} of commit {commit[:12]} is missing in {self.root}. `fate model check` says what else is."
            ) from error
        if not isinstance(blob, pygit2.Blob):
            raise RegistryError(f"{name} of commit {commit[:12]} is no file.")
        return blob.data

    def folder_of(self, commit: str) -> KeptFolder:
        """What a version's commit says that it holds."""
        try:
            manifest = json.loads(self.read_git(commit, MANIFEST))
            text = self.read_git(commit, f"{MODEL}.dvc").decode()
            md5 = text.split("md5: ", 1)[1].split("\n", 1)[0].strip()
            return KeptFolder(
                md5, {path: KeptFile(said["sha256"], said["md5"], said["bytes"]) for path, said in manifest.items()}
            )
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise RegistryError(f"Commit {commit[:12]} in {self.root} is no version of a model: {error}.") from error

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

        self.git  # noqa: B018 - made if need be
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

    def _base(self) -> str:
        """The commit whose .dvc folder new commits take: that of the base branch, else any there is."""
        base = self._get(f"refs/heads/{BASE_BRANCH}")
        if not base:
            raise RegistryError(
                f"{self.root} has no branch {BASE_BRANCH} any more. Make it again where `git log --all` shows the "
                f"first commit: git branch {BASE_BRANCH} COMMIT."
            )
        return base

    def _get(self, name: str) -> str:
        found = self.git.references.get(name)
        return "" if found is None else str(found.resolve().target)

    def _set(self, name: str, commit: str) -> None:
        import pygit2

        git = self.git
        try:
            self._leave(name)
            if commit:
                git.references.create(name, commit, force=True)
            elif name in git.references:
                git.references.delete(name)
        except (pygit2.GitError, OSError, ValueError, KeyError) as error:
            raise RegistryError(f"{name} cannot be moved in {self.root}: {error}.") from error

    def _leave(self, name: str) -> None:
        """Where a person has this branch checked out: keep them at its commit, as in `git checkout --detach`."""
        head = self.git.references.get("HEAD")
        if head is not None and head.target == name and not self.git.head_is_unborn:
            self.git.set_head(self.git.head.target)
            log.info("%s was checked out in %s and moves on: HEAD is detached", name, self.root)


@contextlib.contextmanager
def _silent_dvc() -> Iterator[None]:
    """DVC greets who makes a repository."""
    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _ref(kind: str, group: str, name: str) -> str:
    return f"refs/{'tags' if kind == 'tag' else 'heads'}/{group}/{name}"


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, default=str) + "\n").encode()


def _dvc_file(md5: str, size: int, files: int, path: str) -> bytes:
    return f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {files}\n  hash: md5\n  path: {path}\n".encode()


def _printable(author: str) -> str:
    return "".join(character for character in author if character.isprintable() and character not in "<>").strip()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
