"""``fate site``."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json
from fate_federated.party import Party

if TYPE_CHECKING:
    from fate_federated.site.site import Site

app = typer.Typer(help="Make, start, look at and stop a site.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The site's folder; made if there is none.")],
    name: Annotated[str, typer.Option(help="Name of the site: small letters, digits, hyphens.")],
    party: Annotated[list[str], typer.Option(help="A party that it hosts, such as guest-9999. Repeat for more.")],
    peer: Annotated[
        list[str], typer.Option(metavar="HOST:PORT=PARTY,..", help="Another site's gateway and parties. Repeat.")
    ] = [],  # noqa: B006 - Typer's way; never changed
    certificates: Annotated[Path | None, typer.Option(help="Folder that `fate certs` filled.")] = None,
    api_port: Annotated[
        int | None, typer.Option(min=1, max=65526, help="Airflow's port; the first free one from 8080 on.")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The gateway's port; first free from 9370 on.")
    ] = None,
    consent: Annotated[
        Literal["ask", "automatic"], typer.Option(help="Whether jobs of other sites wait for a person here.")
    ] = "ask",
    dags: Annotated[Path | None, typer.Option(help="Folder of the jobs, instead of dags/ in the site.")] = None,
) -> None:
    """Write a new site: site.yaml, Airflow's configuration, the folders."""
    from fate_federated.site.create import PeerPlan, SitePlan, create_site

    settings = create_site(
        SitePlan(
            home=folder,
            name=name,
            parties=tuple(map(Party.parse, party)),
            peers=tuple(map(PeerPlan.parse, peer)),
            certificates=certificates,
            api_port=api_port,
            gateway_port=gateway_port,
            consent=consent,
            dags_folder=dags,
        )
    )
    console = output()
    console.print(f"Site {settings.name} is in {folder}: {', '.join(settings.parties)}.", highlight=False)
    console.print(f"Start it with: fate site up --site {folder}", highlight=False)


@app.command()
def up(
    site: SiteOption = DEFAULT_SITE,
    wait: Annotated[bool, typer.Option(help="Return when all is healthy, or at once.")] = True,
) -> None:
    """Start the site: the gateway and Airflow's four processes."""
    from fate_federated.cli.progress import parts_progress
    from fate_federated.site.site import Site

    target = Site(site)
    # As Ctrl-C: what was started is stopped again.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with parts_progress(target.name) as report:
        target.up(wait=wait, report=report)
    console = output()
    console.print(f"Airflow   {target.settings.airflow.url}   login: admin / {target.admin_password}", highlight=False)
    console.print(f"Gateway   {target.gateway_address}   hosts {', '.join(target.settings.parties)}", highlight=False)
    console.print(f"Jobs go to {target.settings.path(target.settings.airflow.dags_folder)}", highlight=False)
    console.print("For Airflow's own command:", highlight=False)
    for line in airflow_lines(target):
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


@app.command()
def down(site: SiteOption = DEFAULT_SITE) -> None:
    """Stop the site, and everything that it started."""
    from fate_federated.site.site import Site

    target = Site(site)
    ran = target.down()
    output().print(f"Site {target.name} is stopped." if ran else f"Site {target.name} was not running.")


@app.command()
def status(site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show the site's processes. Exits with 1 unless all are healthy."""
    from dataclasses import asdict

    from rich.table import Table

    from fate_federated.cli.times import duration
    from fate_federated.site.site import Site

    current = Site(site).status()
    if json:
        print_json({**asdict(current), "running": current.running, "healthy": current.healthy})
    else:
        table = Table(title=f"Site {current.name}", title_justify="left")
        for column in ("part", "state", "pid", "uptime", "memory", "health"):
            table.add_column(column, justify="right" if column in ("pid", "uptime", "memory") else "left")
        for part in current.parts:
            table.add_row(
                part.part,
                part.state.lower(),
                str(part.pid or ""),
                duration(part.uptime_seconds) if part.pid else "",
                _megabytes(part.memory.pss_bytes) if part.pid else "",
                part.health,
            )
        console = output()
        console.print(table)
        if current.running:
            memory = current.memory
            console.print(
                f"Resident memory {_megabytes(memory.pss_bytes)} in all "
                f"({_megabytes(memory.rss_bytes)} if shared pages are counted once per process).",
                highlight=False,
            )
    raise typer.Exit(0 if current.healthy else 1)


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="gateway, api-server, scheduler, dag-processor, triggerer.")] = "gateway",
    site: SiteOption = DEFAULT_SITE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")] = 50,
) -> None:
    """Show the log of one of the site's processes."""
    from fate_federated.cli.follow import follow_file, last_lines
    from fate_federated.errors import SiteError, suggest
    from fate_federated.site.layout import SiteLayout
    from fate_federated.site.site import Site
    from fate_federated.site.supervision import Part

    if part not in list(Part):
        raise SiteError(f"No part of a site is named {part!r}. {suggest(part, Part)}")
    file = SiteLayout(Site(site).settings.home).log_of(part)
    if not file.exists():
        raise SiteError(f"There is no {file}: the site was never started.")
    shown, end = last_lines(file, lines)
    for line in shown:
        typer.echo(line)
    if follow:
        for line in follow_file(file, end):
            typer.echo(line)


def airflow_lines(site: Site) -> tuple[str, str]:
    """What to type in a shell for Airflow's own command to mean this site."""
    values = site.environment
    names = ("FATE_SITE", "AIRFLOW_HOME")
    airflow = Path(sys.executable).with_name("airflow")
    return (
        f"export {' '.join(f'{name}={shlex.quote(values[name])}' for name in names)}",
        f"{shlex.quote(str(airflow))} dags list",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
