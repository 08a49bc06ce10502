"""``fate certs``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from fate_federated.cli.where import output
from fate_federated.errors import SiteError
from fate_federated.party import Party

DEFAULT_HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who gets a certificate, as ``--site NAME=PARTY,PARTY@HOST,HOST`` says."""

    name: str
    parties: tuple[Party, ...]
    hosts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Holder:
        name, _, rest = text.partition("=")
        parties, _, hosts = rest.partition("@")
        if not name or not parties:
            raise SiteError(
                f"{text!r} is not a site. Write NAME=PARTY,PARTY@HOST,HOST such as bank=guest-9999@fl.bank.example."
            )
        return cls(
            name,
            tuple(Party.parse(part.strip()) for part in parties.split(",")),
            tuple(part.strip() for part in hosts.split(",")) if hosts else DEFAULT_HOSTS,
        )


def certs(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")],
    site: Annotated[
        list[str],
        typer.Option(
            "--site",
            metavar="NAME=PARTY,..[@HOST,..]",
            help="A site, its parties, and the names and addresses of its gateway (localhost,127.0.0.1 if not given).",
        ),
    ],
    authority: Annotated[str, typer.Option(help="Name of the authority.")] = "fate trial authority",
    days: Annotated[int, typer.Option(min=1, help="How long they are valid.")] = 365,
) -> None:
    """Make an authority and one certificate per site, for trials.

    Run again with other sites, it uses the authority that is in the folder.
    """
    from fate_federated.site.airflow_config import write_private
    from fate_federated.site.certificates import issue_certificate, make_authority

    holders = [Holder.parse(text) for text in site]
    for holder in holders:
        if (folder / f"{holder.name}.key").exists():
            raise SiteError(f"There is a {folder / holder.name}.key already. Remove it first.")
    folder.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = folder / "authority.pem", folder / "authority.key"
    if certificate_file.exists() and key_file.exists():
        authority_cert, authority_key = certificate_file.read_bytes(), key_file.read_bytes()
    else:
        authority_cert, authority_key = make_authority(authority, days)
        certificate_file.write_bytes(authority_cert)
        write_private(key_file, authority_key)
    console = output()
    for holder in holders:
        certificate, key = issue_certificate(
            authority_cert, authority_key, holder.name, holder.parties, holder.hosts, days
        )
        write_private(folder / f"{holder.name}.key", key)
        (folder / f"{holder.name}.pem").write_bytes(certificate)
        parties = ", ".join(map(str, holder.parties))
        console.print(f"{folder / holder.name}.pem, .key: {parties} at {', '.join(holder.hosts)}", highlight=False)
    console.print(
        f"\n[bold yellow]For trials only.[/] Whoever has {key_file} can speak for any party. Between organisations, "
        "each makes its own key and has its own authority sign it; they exchange only the authorities' certificates.",
        highlight=False,
    )
