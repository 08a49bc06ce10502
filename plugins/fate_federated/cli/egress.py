"""``fate egress``."""

from __future__ import annotations

from typing import Annotated

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json

app = typer.Typer(help="What left this site's parties.", no_args_is_help=True, rich_markup_mode=None)

DIGEST_DIGITS = 12
"""Shown of a SHA-256; all of it is in --json."""


@app.command("list")
def list_messages(
    job_id: Annotated[str, typer.Argument(help="Only this job's messages.")] = "",
    component: Annotated[str, typer.Option(help="Only this component's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=99_999, help="At most so many, the newest.")] = 1000,
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Show every message that was sent: by which task, to whom, of what kind, how large."""
    from dataclasses import asdict

    from rich.table import Table

    from fate_federated.cli.times import moment
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        # One more than is shown, to know whether there are more.
        found = gateway.egress(job_id, component, limit + 1)
        if job_id and not found:
            gateway.get_job(job_id)
    records = found[-limit:]
    if len(found) > limit:
        typer.echo(f"Only the newest {limit} messages: there are more. Raise --limit to see them.", err=True)
    if json:
        print_json(
            [
                {
                    **asdict(record),
                    "sender": str(record.sender),
                    "receiver": str(record.receiver),
                    "digest": record.digest.hex(),
                }
                for record in records
            ]
        )
        return
    table = Table()
    for column in ("sent", "component", "attempt", "from", "to", "tag", "kind", "shape"):
        table.add_column(column)
    table.add_column("bytes", justify="right")
    table.add_column("digest")
    table.add_column("left the site")
    for record in records:
        table.add_row(
            moment(record.sent_at),
            record.task.component,
            str(record.attempt),
            str(record.sender),
            str(record.receiver),
            record.tag,
            record.kind,
            record.shape,
            str(record.bytes),
            record.digest.hex()[:DIGEST_DIGITS],
            "yes" if record.left_site else "no",
        )
    console = output()
    console.print(table if records else "Nothing was sent.")
    if records:
        console.print(f"{len(records)} messages, {sum(record.bytes for record in records)} bytes.", highlight=False)
