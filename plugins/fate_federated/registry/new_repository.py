"""Making a site's repository of models."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path

from fate_federated.errors import RegistryError

BASE_BRANCH = "main"

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
