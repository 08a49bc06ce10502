"""``fate data``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json
from fate_federated.errors import ConfigError

app = typer.Typer(help="The site's tables.", no_args_is_help=True, rich_markup_mode=None)

NAMESPACE = Annotated[str, typer.Argument(help="The table's namespace.")]
NAME = Annotated[str, typer.Argument(help="The table's name.")]


@app.command()
def upload(
    file: Annotated[Path | None, typer.Argument(help="A CSV file, one row per sample, in UTF-8.")] = None,
    conf: Annotated[Path | None, typer.Option("--conf", "-c", help="FATE's upload configuration instead.")] = None,
    namespace: Annotated[str, typer.Option(help="The table's namespace.")] = "",
    name: Annotated[str, typer.Option(help="The table's name.")] = "",
    head: Annotated[bool, typer.Option(help="Whether the first line names the columns.")] = True,
    id_column: Annotated[str, typer.Option(help="Name of the id's column; the first if not given.")] = "",
    delimiter: Annotated[str, typer.Option(help="The character between columns.")] = ",",
    lines: Annotated[
        bool, typer.Option("--lines", help="Rows list tags or index:value pairs: keep them whole.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the table of that name.")] = False,
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Make a table of a CSV file: an id, and columns of numbers. All of it, or nothing when a row cannot be taken."""
    from dataclasses import replace as changed

    from rich.filesize import decimal

    from fate_federated.cli.progress import bytes_progress
    from fate_federated.site.csv_source import CsvFormat
    from fate_federated.site.site import Site
    from fate_federated.site.upload import upload_table
    from fate_federated.site.upload_conf import UploadPlan, read_upload_conf

    if conf is not None:
        if file is not None or namespace or name:
            raise ConfigError("Give a file with --namespace and --name, or --conf, which has them.")
        plan = read_upload_conf(conf)
        plan = changed(plan, replace=plan.replace or replace)
    else:
        if file is None or not namespace or not name:
            raise ConfigError("Give a file, --namespace and --name; or FATE's configuration with --conf.")
        if len(delimiter) != 1:
            raise ConfigError(f"--delimiter is {delimiter!r}; it must be one character.")
        plan = UploadPlan(file, namespace, name, CsvFormat(head, id_column, delimiter, lines=lines), replace)
    target = Site(site)
    began = time.monotonic()
    with bytes_progress(f"{plan.file.name} to {plan.namespace}.{plan.name}") as report:
        record = upload_table(target, plan, report)
    output().print(
        f"{record.namespace}.{record.name}: {record.rows} rows, {len(record.columns)} columns, "
        f"id {record.id_column!r}, {decimal(record.bytes)}, in {time.monotonic() - began:.1f} s.",
        highlight=False,
    )


@app.command("list")
def list_tables(
    namespace: Annotated[str, typer.Option(help="Only this one.")] = "",
    site: SiteOption = DEFAULT_SITE,
    json: JsonOption = False,
) -> None:
    """Show the tables there are."""
    from dataclasses import asdict

    from rich.filesize import decimal
    from rich.table import Table

    from fate_federated.cli.times import moment
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        records = gateway.list_tables(namespace)
    if json:
        print_json([asdict(record) for record in records])
        return
    table = Table()
    for column, justify in (
        ("table", "left"),
        ("rows", "right"),
        ("columns", "right"),
        ("size", "right"),
        ("made", "left"),
    ):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    for record in records:
        table.add_row(
            f"{record.namespace}.{record.name}",
            str(record.rows),
            str(len(record.columns)),
            decimal(record.bytes),
            moment(record.created_at),
        )
    output().print(table if records else "There are no tables. Make one with `fate data upload`.")


@app.command()
def show(namespace: NAMESPACE, name: NAME, site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show a table's columns. Its rows are not shown."""
    from dataclasses import asdict

    from fate_federated.cli.times import moment
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        record = gateway.get_table(namespace, name)
    if json:
        print_json(asdict(record))
        return
    console = output()
    console.print(f"{record.namespace}.{record.name}, made {moment(record.created_at)}", highlight=False)
    console.print(f"{record.rows} rows, {record.bytes} bytes at {record.location}", highlight=False)
    console.print(f"{record.id_column}: id", highlight=False)
    for column in record.columns:
        console.print(f"{column.name}: {column.type}", highlight=False, markup=False)


@app.command()
def snapshot(
    namespace: NAMESPACE,
    name: NAME,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the log.")] = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Keep a table as it is now under DVC. Versions of models that are trained on it from now on name the snapshot."""
    from fate_federated.site.site import Site

    with Site(site).gateway() as gateway:
        taken = gateway.models.snapshot(namespace, name, message)
    how = "is as in its last snapshot" if taken.unchanged else "is kept"
    output().print(f"{namespace}.{name} {how}: md5 {taken.digest}, git commit {taken.commit[:12]}", highlight=False)


@app.command()
def delete(namespace: NAMESPACE, name: NAME, site: SiteOption = DEFAULT_SITE) -> None:
    """Remove a table and its file."""
    from fate_federated.site.site import Site
    from fate_federated.site.upload import delete_table

    record = delete_table(Site(site), namespace, name)
    output().print(f"{record.namespace}.{record.name} is gone.", highlight=False)
