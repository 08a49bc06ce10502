"""``fate model`` against a real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.gateway.conftest import ALL, GUEST, Federation
from tests.gateway.model_federation import LR, model, run_training, train
from typer.testing import CliRunner, Result

from fate_federated.cli.main import app
from fate_federated.task_store import GatewayOutputStore


class Bank:
    """A site whose model has two versions on a branch and one on another."""

    def __init__(self, federation: Federation) -> None:
        settings = federation[GUEST].settings
        content = settings.model_dump(mode="json", exclude={"home"})
        (settings.home / "site.yaml").write_text(yaml.safe_dump(content))
        self.home, self.federation = settings.home, federation
        self.versions = [
            train(federation, 0.5, auc=0.8, model_message="The first"),
            train(federation, 0.6, auc=0.9, model_message="The second"),
            train(federation, 0.7, auc=0.7, model_branch="trial", model_message="A trial"),
        ]

    def fate(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["model", *arguments, "--site", str(self.home)])

    def output(self, *arguments: str) -> str:
        done = self.fate(*arguments)
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    federation = Federation(tmp_path_factory.mktemp("bank"), lambda name: "")
    yield Bank(federation.add_sites(ALL))
    federation.close()


def test_the_history_is_drawn_newest_first(bank: Bank) -> None:
    lines = bank.output("log", "credit@experiment").splitlines()
    first, second, _ = (version.version for version in bank.versions)
    assert [line.split()[:2] for line in lines] == [["*", second], ["*", first]]
    assert "(experiment)" in lines[0]
    assert "guest-9999: The second [auc 0.9000]" in lines[0]
    assert "A trial" in bank.output("log", "credit")
    assert [each["about"]["version"] for each in json.loads(bank.output("log", "credit@experiment", "--json"))] == [
        second,
        first,
    ]


def test_a_first_training_with_a_checkpoint_is_in_the_log_before_it_is_a_version(bank: Bank) -> None:
    assert "There is no model 'debit'" in bank.fate("log", "debit").output
    site, job = bank.federation[GUEST], run_training(bank.federation, 0.5, "debit", model_message="The very first")
    store = GatewayOutputStore(site.client(), job.job_id, 1, GUEST, site.settings.storage_url)
    store.save_checkpoint(LR, "model", 4, model(0.4))
    line = " ".join(bank.output("log", "debit").split())
    assert line.startswith(f"o {job.job_id} in progress: running (to experiment) ")
    assert line.endswith(f"guest-9999: The very first [step 4 of {LR}, at guest-9999]")
    assert "in progress" not in bank.output("log", "credit")


def test_a_version_is_shown_and_compared(bank: Bank) -> None:
    shown = bank.output("show", "credit@trial")
    for told in (
        "kind        trained",
        "message     A trial",
        f"component   {LR}.model HeteroLR",
        "experiment.breast at",
    ):
        assert told in shown
    assert json.loads(bank.output("list", "--json"))[0]["name"] == "credit"
    compared = bank.output("diff", "credit@experiment", "credit@trial")
    assert "+0.1" in compared
    assert "-0.2" in compared
    assert "are the same at this site" in bank.output("diff", "credit@trial", bank.versions[2].version)


def test_changes_say_what_was_done_and_what_was_not(bank: Bank, tmp_path: Path) -> None:
    assert "done at all parties" in bank.output("tag", "credit", "v1", bank.versions[0].version, "-m", "why")
    again = bank.fate("tag", "credit", "v1")
    assert again.exit_code == 1
    assert "has a tag v1 already" in again.output
    assert "deploy of credit, version" in bank.output(
        "deploy", "credit@v1", "--component", LR, "--component", "reader_0"
    )
    assert "rollback of credit" in bank.output("rollback", "credit")
    assert bank.output("pin", "credit@v1")
    assert "is pinned" in bank.fate("retire", "credit@v1").output
    assert bank.output("unpin", "credit@v1")
    assert "branch spare: none to" in bank.output("branch", "credit", "spare", "v1")
    assert "to none" in bank.output("branch", "credit", "spare", "--delete")
    assert bank.output("pending").strip() == "Nothing waits."
    assert "all is as it should be" in bank.output("check")
    file = bank.output("export", "credit@v1", "-o", str(tmp_path), "--party", "host-10000").partition(",")[0]
    assert Path(file).name.startswith("host#10000#")
    taken = bank.fate("import", file, "--party", "host-10000")
    assert taken.exit_code == 1
    unknown = bank.fate("show", "credits")
    assert unknown.exit_code == 1
