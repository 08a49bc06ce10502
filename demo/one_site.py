"""``make demo``: one site with three parties, real data, one federated job in Airflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.commands import ROOT, console, run
from demo.data import write_csv

SITE = ROOT / "site"
PARTIES = ("guest-9999", "host-10000", "arbiter-10000")
JOB = "breast_cancer"


def main() -> None:
    """Make the site if there is none, start it, and unless told otherwise run the job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-up", action="store_true", help="start the site and run nothing")
    options = parser.parse_args()
    if not (SITE / "site.yaml").exists():
        parties = [word for party in PARTIES for word in ("--party", party)]
        run("fate", "site", "init", "site", "--name", "demo", *parties, "--dags", "dags")
    run("fate", "site", "up", site=SITE)
    if options.only_up:
        return
    upload(SITE, SITE)
    run("fate", "job", "submit", "-d", f"dags/{JOB}_dsl.json", "-c", f"dags/{JOB}_conf.json", "--wait", site=SITE)
    console.print("\nThe site stays up: the address and the login are above, [bold]make down[/] stops it.")


def upload(guest: Path, host: Path) -> None:
    """Make the demo's data and upload each side to its site."""
    for site, file in zip((guest, host), write_csv(guest / "demo-data"), strict=True):
        run("fate", "data", "upload", file, "--namespace", "experiment", "--name", file.stem, "--replace", site=site)


if __name__ == "__main__":
    main()
