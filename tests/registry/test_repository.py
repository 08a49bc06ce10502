"""Versions under git and DVC, as the gateway writes them and a person reads them."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from dvc.repo import Repo

from fate_federated.errors import RegistryError
from fate_federated.registry.objects import KeptFolder, digest_of
from fate_federated.registry.repository import ModelRepository

GROUP = "models/credit"


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "models", str(tmp_path / "remote"))


def keep(repository: ModelRepository, **content: str) -> KeptFolder:
    with repository.objects.staging() as folder:
        for name, text in content.items():
            (folder / "guest-9999").mkdir(exist_ok=True)
            (folder / "guest-9999" / name).write_text(text)
        return repository.objects.keep(folder)


def commit(repository: ModelRepository, kept: KeptFolder, auc: float, *parents: str) -> str:
    tree = repository.write_tree(kept, {"model_version": "1"}, {"auc": auc}, {"alpha": 1})
    return repository.commit(tree, parents, "a version\n", "somebody <x@y>", "guest-9999@fate", 1e9)


def test_a_person_sees_with_git_and_dvc_what_was_kept(repository: ModelRepository) -> None:
    first = commit(repository, keep(repository, a="1", b="2"), 0.8)
    second = commit(repository, keep(repository, a="1", b="3"), 0.9, first)
    for name, at in (("v1", first), ("v2", second)):
        repository.point("tag", GROUP, name, at)
    repository.point("branch", GROUP, "experiment", second)
    git = pygit2.Repository(str(repository.root))
    assert [str(each.id) for each in git.walk(second)] == [second, first]
    assert git.status() == {}, "nothing of what is checked out has changed"
    with Repo(str(repository.root)) as repo:
        assert repo.metrics.diff(f"{GROUP}/v1", f"{GROUP}/v2")["diff"]["metrics.json"]["auc"]["diff"] == pytest.approx(
            0.1
        )
        modified = [entry["path"] for entry in repo.diff(f"{GROUP}/v1", f"{GROUP}/v2")["modified"]]
        assert "model/guest-9999/b" in modified
        assert "model/guest-9999/a" not in modified


def test_a_clone_pulls_the_files_from_the_remote(repository: ModelRepository, tmp_path: Path) -> None:
    repository.point("branch", GROUP, "experiment", commit(repository, keep(repository, a="1"), 0.8))
    clone = tmp_path / "clone"
    pygit2.clone_repository(str(repository.root), str(clone), checkout_branch=f"{GROUP}/experiment")
    with Repo(str(clone)) as repo, repo.config.edit("local", validate=False) as config:
        config["core"]["remote"] = "store"
        config["remote"]["store"] = {"url": str(tmp_path / "remote")}
    with Repo(str(clone)) as repo:
        repo.pull()
    assert (clone / "model/guest-9999/a").read_text() == "1"


def test_what_is_kept_again_is_the_same(repository: ModelRepository) -> None:
    kept = keep(repository, a="1", b="2")
    assert keep(repository, b="2", a="1") == kept
    assert digest_of(kept.part("guest-9999")) != digest_of(keep(repository, a="1", b="3").part("guest-9999"))
    one = commit(repository, kept, 0.8)
    assert commit(repository, kept, 0.8) == one
    assert repository.folder_of(one) == kept


def test_a_branch_that_somebody_has_checked_out_moves_without_them(repository: ModelRepository) -> None:
    first = commit(repository, keep(repository, a="1"), 0.8)
    repository.point("branch", GROUP, "experiment", first)
    git = pygit2.Repository(str(repository.root))
    git.checkout(f"refs/heads/{GROUP}/experiment")
    assert (repository.root / "metrics.json").read_text()
    repository.point("branch", GROUP, "experiment", commit(repository, keep(repository, a="2"), 0.9, first))
    git = pygit2.Repository(str(repository.root))
    assert git.head_is_detached
    assert str(git.head.target) == first
    assert git.status() == {}


def test_a_file_comes_back_from_the_remote(repository: ModelRepository) -> None:
    file = keep(repository, a="1").files["guest-9999/a"]
    repository.objects.path_of(file.md5).unlink()
    assert not repository.objects.is_intact(file)
    with repository.objects.open_intact(file) as stream:
        assert stream.read() == b"1"


def test_a_remote_that_cannot_be_written_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "remote").write_text("no folder")
    with pytest.raises(RegistryError, match=r"[Ii]s (it|the disk or the remote) full, or not reachable"):
        keep(ModelRepository(tmp_path / "models", str(tmp_path / "remote")), a="1")


def test_a_repository_without_its_base_is_said_with_the_remedy(repository: ModelRepository) -> None:
    keep(repository, a="1")
    pygit2.Repository(str(repository.root)).references.delete("refs/heads/main")
    with pytest.raises(RegistryError, match="has no branch main any more"):
        commit(repository, keep(repository, a="2"), 0.5)


def test_a_commit_that_is_none_is_said(repository: ModelRepository) -> None:
    keep(repository, a="1")
    with pytest.raises(RegistryError, match=r"manifest\.json of commit 000000000000 is missing"):
        repository.folder_of("0" * 40)


def test_importing_the_registry_imports_neither_dvc_nor_git() -> None:
    import subprocess
    import sys

    code = (
        "import sys, fate_federated.gateway.server, fate_federated.cli.main; "
        "print([name for name in ('dvc', 'pygit2', 'dvc_data') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
