"""``fate serving``."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from fate_federated.cli.where import DEFAULT_SITE, JsonOption, SiteOption, output, print_json
from fate_federated.errors import SiteError

app = typer.Typer(help="Online scores from trained models.", no_args_is_help=True, rich_markup_mode=None)

SERVICE = Annotated[str, typer.Argument(help="What applications call the model.")]
REF = Annotated[str, typer.Argument(help="A version's digits, or <model>@<branch or tag>.")]
PARTY = Annotated[str, typer.Option(help="Whose part of the model; the site's first guest or host if not given.")]


@app.command()
def up(site: SiteOption = DEFAULT_SITE) -> None:
    """Serve, in the foreground, until SIGTERM or ctrl-C. See docs/serving.md for serving.yaml."""
    from fate_serving.__main__ import main

    raise typer.Exit(main(["--site", str(site)]))


@app.command()
def load(
    ref: Annotated[str, typer.Argument(help="A version's digits, <model>@<branch or tag>, or a zip file.")],
    bind: Annotated[str, typer.Option(help="Bind this service to it.")] = "",
    party: PARTY = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Load a model of the site's registry, or of a zip that `fate model export` or FATE has made."""
    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        loaded = client.load(ref, party)
        output().print(f"{loaded.namespace} {loaded.version} is loaded.", highlight=False, markup=False)
        if bind:
            client.bind(bind, loaded.namespace, loaded.version)
            output().print(f"{bind} is bound to it.", highlight=False, markup=False)


@app.command()
def bind(service: SERVICE, ref: REF, party: PARTY = "", site: SiteOption = DEFAULT_SITE) -> None:
    """Let a service be answered by a version of the registry, as soon as all parties have it loaded, or not at all."""
    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        loaded = client.switch(service, ref, party)
    output().print(f"{service} is bound to {loaded.namespace} {loaded.version}.", highlight=False, markup=False)


@app.command()
def unbind(service: SERVICE, site: SiteOption = DEFAULT_SITE) -> None:
    """Let a service be without a model."""
    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        client.unbind(service)
    output().print(f"{service} is not bound any more.", highlight=False, markup=False)


@app.command()
def unload(
    version: Annotated[str, typer.Argument(help="A loaded model's version.")],
    party: PARTY = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Serve a model no more. Services that are bound to it have none then."""
    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        for loaded in client.unload(version, party):
            output().print(f"{loaded.namespace} {loaded.version} is unloaded.", highlight=False, markup=False)


@app.command("list")
def list_models(site: SiteOption = DEFAULT_SITE, json: JsonOption = False) -> None:
    """Show what is loaded, and the services that are bound to it."""
    from dataclasses import asdict

    from rich.table import Table

    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        found = client.models()
    if json:
        print_json([asdict(loaded) for loaded in found])
        return
    table = Table()
    for column in ("model", "version", "services"):
        table.add_column(column)
    for loaded in found:
        table.add_row(loaded.namespace, loaded.version, ", ".join(loaded.services))
    output().print(table if found else "Nothing is loaded. See `fate serving load`.")


@app.command()
def score(
    service: SERVICE,
    features: Annotated[str, typer.Argument(help="The guest's own features: a JSON object, or @FILE with one.")],
    remote: Annotated[str, typer.Argument(help="What names the row at hosts: a JSON object, such as its id.")] = "",
    site: SiteOption = DEFAULT_SITE,
) -> None:
    """Ask for one score."""
    from fate_serving.client import ManagementClient

    with ManagementClient.of_site(site) as client:
        answer = client.score(service, _object(features), _object(remote) if remote else {})
    print_json(answer)
    if answer["retcode"]:
        raise typer.Exit(1)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json_text.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    except (OSError, ValueError) as error:
        raise SiteError(f"{text[:100]!r} is no JSON object: {error}") from None
    if not isinstance(found, dict):
        raise SiteError(f"{text[:100]!r} is no JSON object.")
    return found
