"""What the commands say, without a running site or with its gateway only."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Fate
from tests.site.new_site import new_site
from typer.testing import CliRunner

from fate_federated.cli.follow import follow_file, last_lines
from fate_federated.cli.main import app
from fate_federated.cli.site import airflow_lines
from fate_federated.site.site import Site

COMMAND = str(Path(sys.executable).with_name("fate"))


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom fate_federated.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'airflow', 'grpc', 'numpy', 'pyarrow', 'pydantic', 'rich', 'httpx', 'psutil'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for group in ("certs", "site", "data", "job", "dsl", "egress"):
        assert group in done.stdout


def test_an_error_is_one_plain_message_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "site", "status", "--site", str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There is no site in")
    assert "Traceback" not in done.stderr


def test_certs_makes_an_authority_once_and_a_certificate_per_site(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    run = CliRunner().invoke
    first = run(app, ["certs", str(folder), "--site", "bank=guest-9999@fl.bank.example", "--site", "shop=host-1"])
    assert first.exit_code == 0, first.output
    assert "For trials only" in first.output
    assert {file.name for file in folder.iterdir()} == {
        "authority.pem", "authority.key", "bank.pem", "bank.key", "shop.pem", "shop.key",
    }  # fmt: skip
    for file in folder.glob("*.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    authority = (folder / "authority.pem").read_bytes()
    assert run(app, ["certs", str(folder), "--site", "notary=arbiter-1"]).exit_code == 0
    assert (folder / "authority.pem").read_bytes() == authority
    again = run(app, ["certs", str(folder), "--site", "bank=guest-9999"])
    assert again.exit_code == 1
    assert "already" in again.output


@pytest.mark.parametrize("text", ["bank", "bank=", "=guest-1", "bank=nobody-1"])
def test_certs_says_what_a_site_looks_like(tmp_path: Path, text: str) -> None:
    result = CliRunner().invoke(app, ["certs", str(tmp_path), "--site", text])
    assert result.exit_code == 1
    assert "guest-9999" in result.output


def test_init_then_status_of_a_site_that_does_not_run(tmp_path: Path) -> None:
    run = CliRunner().invoke
    home = str(tmp_path / "bank")
    made = run(app, ["site", "init", home, "--name", "bank", "--party", "guest-9999", "--party", "host-10000"])
    assert made.exit_code == 0, made.output
    assert "fate site up --site" in made.output
    status = run(app, ["site", "status", "--site", home, "--json"])
    assert status.exit_code == 1
    content = json.loads(status.output)
    assert (content["running"], content["healthy"]) == (False, False)
    assert {part["state"] for part in content["parts"]} == {"STOPPED"}
    down = run(app, ["site", "down", "--site", home])
    assert (down.exit_code, down.output) == (0, "Site bank was not running.\n")
    logs = run(app, ["site", "logs", "schedular", "--site", home])
    assert logs.exit_code == 1
    assert "Did you mean 'scheduler'?" in logs.output


def test_the_lines_for_airflows_own_command_are_a_shells(tmp_path: Path) -> None:
    home = tmp_path / "a bank"
    made = CliRunner().invoke(app, ["site", "init", str(home), "--name", "bank", "--party", "guest-9999"])
    assert made.exit_code == 0, made.output
    export, airflow = airflow_lines(Site(home))
    script = f'{export}; printf "%s\\n" "$FATE_SITE" "$AIRFLOW_HOME"'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(home), str(home / "airflow")]
    assert Path(airflow.split()[0]).is_file()


def test_ports_that_cannot_be_are_usage_errors(tmp_path: Path) -> None:
    for words in (["--api-port", "99999"], ["--gateway-port", "0"]):
        asked = ["site", "init", str(tmp_path / "bank"), "--name", "bank", "--party", "guest-9999", *words]
        assert CliRunner().invoke(app, asked).exit_code == 2
    assert not (tmp_path / "bank").exists()


def test_a_site_that_is_down_says_how_to_start_it(tmp_path: Path) -> None:
    new_site(tmp_path / "bank")
    refused = CliRunner().invoke(app, ["job", "list", "--site", str(tmp_path / "bank")])
    assert refused.exit_code == 1
    assert "`fate site up`" in refused.output


def test_tables_are_uploaded_listed_shown_and_deleted(fate: Fate, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("id,x\na,1\nb,2\n")
    assert "2 rows" in fate("data", "upload", str(file), "--namespace", "cli", "--name", "rows").output
    (table,) = json.loads(fate("data", "list", "--namespace", "cli", "--json").output)
    assert (table["name"], table["rows"], table["columns"]) == ("rows", 2, [{"name": "x", "type": "int64"}])
    assert "cli.rows" in fate("data", "list").output
    assert "x: int64" in fate("data", "show", "cli", "rows").output
    refused = fate("data", "upload", str(file), "--namespace", "cli", "--name", "rows", status=1)
    assert "--replace" in refused.output
    conf = tmp_path / "conf.json"
    conf.write_text(json.dumps({"file": "rows.csv", "namespace": "cli", "table_name": "rows", "drop": 1}))
    fate("data", "upload", "--conf", str(conf))
    fate("data", "delete", "cli", "rows")
    assert "There is no table cli.rows" in fate("data", "show", "cli", "rows", status=1).output
    assert json.loads(fate("data", "list", "--namespace", "cli", "--json").output) == []


def test_upload_asks_for_what_it_needs(fate: Fate, tmp_path: Path) -> None:
    for words in (["rows.csv"], ["--namespace", "cli", "--name", "x"], ["rows.csv", "--conf", "conf.json"]):
        assert "--conf" in fate("data", "upload", *words, status=1).output


def test_a_log_is_shown_from_its_end_and_followed_through_rotation(tmp_path: Path, gateway_site: Site) -> None:
    file = tmp_path / "part.log"
    file.write_text("".join(f"line {number}\n" for number in range(10)))
    with file.open("a") as log:
        log.write("half")
    shown, end = last_lines(file, 2)
    assert shown == ["line 8", "line 9"]
    with file.open("a") as log:
        log.write(" done\n")
    lines = follow_file(file, end)
    assert next(lines) == "half done"
    file.rename(tmp_path / "part.log.1")
    file.write_text("after\n")
    assert next(lines) == "after"
