"""``make demo-sites``: three organisations with an Airflow each, mutual TLS between them, the same job."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

from demo.commands import ROOT, console, run
from demo.one_site import JOB, upload

SITES = ROOT / "sites"
PARTIES = {"bank": "guest-9999", "insurer": "host-10000", "neutral": "arbiter-10000"}
GATEWAY_PORTS = {"bank": 9471, "insurer": 9472, "neutral": 9473}
API_PORTS = {"bank": 8180, "insurer": 8190, "neutral": 8200}


def main() -> None:
    """Make the sites if there are none, start them, upload, drop the job at the bank, run it."""
    if not SITES.exists():
        make_sites()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: run("fate", "site", "up", site=SITES / name), PARTIES))
    bank = SITES / "bank"
    upload(bank, SITES / "insurer")
    for part in ("dsl", "conf"):
        shutil.copy(ROOT / "dags" / f"{JOB}_{part}.json", bank / "dags")
    run("fate", "job", "submit", "-d", f"dags/{JOB}_dsl.json", "-c", f"dags/{JOB}_conf.json", "--wait", site=bank)
    console.print("\nThe sites stay up: addresses and logins are above, [bold]make down[/] stops them.")


def make_sites() -> None:
    """Trial certificates, and one site for each organisation that accepts the others' jobs."""
    holders = [word for name, party in PARTIES.items() for word in ("--site", f"{name}={party}")]
    run("fate", "certs", "sites/certificates", *holders)
    for name, party in PARTIES.items():
        peers = [
            word
            for other, other_party in PARTIES.items()
            if other != name
            for word in ("--peer", f"127.0.0.1:{GATEWAY_PORTS[other]}={other_party}")
        ]
        run(
            "fate", "site", "init", f"sites/{name}", "--name", name, "--party", party, *peers,
            "--certificates", "sites/certificates", "--consent", "automatic",
            "--gateway-port", str(GATEWAY_PORTS[name]), "--api-port", str(API_PORTS[name]),
        )  # fmt: skip


if __name__ == "__main__":
    main()
