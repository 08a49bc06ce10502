"""A new site's folder: valid, private where it must be, and no trace of one that failed."""

from __future__ import annotations

import configparser
import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.site.new_site import new_site

from fate_federated.errors import ConfigError, SiteError
from fate_federated.party import Party
from fate_federated.settings import load_site
from fate_federated.site.certificates import issue_certificate, make_authority
from fate_federated.site.create import PeerPlan, SitePlan, create_site

GUEST, HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "arbiter-10000"))


def _certificates(folder: Path) -> Path:
    folder.mkdir()
    authority, key = make_authority("trial")
    certificate, private_key = issue_certificate(authority, key, "bank", [GUEST], ["localhost"])
    for name, content in (("authority.pem", authority), ("bank.pem", certificate), ("bank.key", private_key)):
        (folder / name).write_bytes(content)
    return folder


def _airflow_cfg(home: Path) -> configparser.RawConfigParser:
    config = configparser.RawConfigParser()
    config.read(home / "airflow" / "airflow.cfg")
    return config


def test_site_yaml_says_what_was_asked(tmp_path: Path) -> None:
    peer = PeerPlan.parse("10.0.0.2:9370=host-10000,arbiter-10000")
    create_site(
        SitePlan(
            tmp_path / "bank",
            "bank",
            (GUEST,),
            peers=(peer,),
            certificates=_certificates(tmp_path / "certificates"),
            api_port=18080,
            gateway_port=19370,
            consent="automatic",
            dags_folder=tmp_path / "jobs",
        )
    )
    settings = load_site(tmp_path / "bank")
    assert settings.hosted == (GUEST,)
    assert settings.gateway.listen == "0.0.0.0:19370"
    assert settings.airflow.url == "http://127.0.0.1:18080"
    assert settings.policy.consent == "automatic"
    assert settings.airflow.dags_folder == tmp_path / "jobs"
    assert [(each.address, each.parties) for each in settings.peers] == [
        ("10.0.0.2:9370", ("host-10000", "arbiter-10000"))
    ]
    assert settings.tls is not None
    assert settings.tls.private_key == tmp_path / "certificates" / "bank.key"


def test_without_peers_elsewhere_the_gateway_listens_on_this_machine_only(tmp_path: Path) -> None:
    site = new_site(tmp_path / "bank")
    assert site.settings.gateway.listen.startswith("127.0.0.1:")
    assert site.settings.tls is None
    assert site.settings.policy.consent == "ask"


def test_secrets_are_drawn_anew_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    secrets = []
    for name in ("one", "two"):
        site = new_site(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700
        airflow = site.layout.airflow_home
        for file in (airflow / "airflow.cfg", airflow / "passwords.json", airflow / "gateway.password"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        config = _airflow_cfg(tmp_path / name)
        passwords = json.loads((airflow / "passwords.json").read_text())
        assert (airflow / "gateway.password").read_text().strip() == passwords["gateway"]
        assert site.admin_password == passwords["admin"]
        secrets += [
            *passwords.values(),
            config["core"]["fernet_key"],
            config["api"]["secret_key"],
            config["api_auth"]["jwt_secret"],
        ]
    assert len(set(secrets)) == len(secrets)


def test_sites_side_by_side_share_no_port(tmp_path: Path) -> None:
    ports: list[str] = []
    for name, party in (("bank", GUEST), ("shop", HOST), ("notary", ARBITER)):
        settings = create_site(SitePlan(tmp_path / name, name, (party,)))
        config = _airflow_cfg(tmp_path / name)
        assert config["core"]["execution_api_server_url"] == f"{settings.airflow.url}/execution/"
        ports += [
            settings.gateway.listen.rpartition(":")[2],
            config["api"]["port"],
            config["scheduler"]["scheduler_health_check_server_port"],
            config["logging"]["worker_log_server_port"],
            config["logging"]["trigger_log_server_port"],
        ]
    assert len(set(ports)) == len(ports) == 15


def test_an_existing_site_is_left_as_it_is(tmp_path: Path) -> None:
    new_site(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(SiteError, match="There is a site in"):
        new_site(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("bank", {"certificates": Path("nowhere")}, "bank.pem"),
        ("Bank!", {}, "name"),
        ("bank: x", {}, "cannot be read"),
        ("bank", {"api_port": 99999}, "Airflow's port is 99999"),
        ("bank", {"api_port": 65530}, "to 65526"),
        ("bank", {"gateway_port": 0}, "The gateway's port is 0"),
        ("bank", {"gateway_port": 18080}, "keeps 18080 to 18089"),
        ("bank", {"peers": (PeerPlan("10.0.0.2:99999", (HOST,)),)}, "not host:port"),
        ("bank", {"peers": (PeerPlan("10.0.0.2:9370", (HOST,)),)}, "peers need tls"),
        ("bank", {"peers": (PeerPlan("127.0.0.1:9371", (GUEST,)),)}, "peers need tls"),
    ],
)
def test_a_site_that_cannot_be_is_not_begun(tmp_path: Path, name: str, change: dict[str, object], says: str) -> None:
    home = tmp_path / "bank"
    asked: dict[str, object] = {"api_port": 18080, "gateway_port": 19370, **change}
    with pytest.raises(ConfigError, match=says) as error:
        create_site(SitePlan(home, name, (GUEST,), **asked))  # type: ignore[arg-type]
    assert "site.yaml" not in str(error.value)
    assert "Value error" not in str(error.value)
    assert not home.exists()


def test_a_certificate_must_name_the_parties_of_the_site(tmp_path: Path) -> None:
    certificates = _certificates(tmp_path / "certificates")
    with pytest.raises(SiteError, match=r"bank\.pem names guest-9999, and not host-10000"):
        create_site(SitePlan(tmp_path / "bank", "bank", (GUEST, HOST), certificates=certificates))
    assert not (tmp_path / "bank").exists()
    new_site(tmp_path / "bank")
    file = tmp_path / "bank" / "site.yaml"
    names = {"certificate": "bank.pem", "private_key": "bank.key", "authority": "authority.pem"}
    tls = "\n".join(f"  {key}: {certificates / name}" for key, name in names.items())
    file.write_text(f"{file.read_text()}\ntls:\n{tls}\n")
    command = [sys.executable, "-m", "fate_federated.gateway", "--site", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "bank.pem names guest-9999, and not host-10000, arbiter-10000" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("url", "http://127.0.0.1:99999"), ("url", "127.0.0.1:80"), ("listen", "127.0.0.1:99999"), ("listen", "9370")],
)
def test_a_broken_neighbour_says_what_is_wrong_and_hinders_nobody(tmp_path: Path, key: str, wrong: str) -> None:
    new_site(tmp_path / "bank")
    file = tmp_path / "bank" / "site.yaml"
    file.write_text(re.sub(rf"^  {key}: .*$", f"  {key}: {wrong!r}", file.read_text(), flags=re.MULTILINE))
    with pytest.raises(ConfigError, match=rf"site\.yaml: \w+\.{key}: '{wrong}' is not"):
        load_site(file)
    create_site(SitePlan(tmp_path / "shop", "shop", (HOST,)))


def test_a_path_that_configuration_files_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="plainer path"):
        create_site(SitePlan(tmp_path / "50%; off", "bank", (GUEST,)))


@pytest.mark.parametrize("text", ["10.0.0.2=host-1", "10.0.0.2:x=host-1", "10.0.0.2:9370", ":9370=host-1", ""])
def test_a_peer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SiteError, match="is not a peer"):
        PeerPlan.parse(text)
