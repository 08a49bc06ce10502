"""A site's git repository of models, written and read in process.

Nothing here touches the index, the working files or the branch that a person has checked out. Not for two threads at
once. libgit2 is slow to import and is imported when it is first needed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fate_federated.errors import RegistryError
from fate_federated.registry.new_repository import BASE_BRANCH, create_repository
from fate_federated.registry.objects import KeptFile, KeptFolder, Objects

if TYPE_CHECKING:
    import pygit2

log = logging.getLogger(__name__)

MODEL = "model"
MANIFEST = "manifest.json"
ABOUT = "version.json"
METRICS = "metrics.json"
PARAMS = "params.json"

_DVC_YAML = b"metrics:\n  - metrics.json\nparams:\n  - params.json\n"


class ModelRepository:
    """The repository at ``root``.

    Attributes:
        objects: the files of its versions, which DVC keeps.

    Raises (every method):
        RegistryError: it is not there, cannot be read, or its remote cannot be written.
    """

    def __init__(self, root: Path, remote: str = "") -> None:
        self.root = root
        self.objects = Objects(root, remote)
        self._remote = remote
        self._git: pygit2.Repository | None = None

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


def _ref(kind: str, group: str, name: str) -> str:
    return f"refs/{'tags' if kind == 'tag' else 'heads'}/{group}/{name}"


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, default=str) + "\n").encode()


def _dvc_file(md5: str, size: int, files: int, path: str) -> bytes:
    return f"outs:\n- md5: {md5}\n  size: {size}\n  nfiles: {files}\n  hash: md5\n  path: {path}\n".encode()


def _printable(author: str) -> str:
    return "".join(character for character in author if character.isprintable() and character not in "<>").strip()
