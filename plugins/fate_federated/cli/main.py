"""``fate``: the commands of a site. Each group is a module; what is slow to import is imported inside commands."""

from __future__ import annotations

import typer

from fate_federated.cli import certs, data, dsl, egress, job, model, serving, site
from fate_federated.cli.errors import PlainErrors

app = typer.Typer(
    name="fate",
    cls=PlainErrors,
    help="Federated learning jobs in FATE's JSON, on the Airflow of your organisation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half of the time of `fate --help`
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("certs")(certs.certs)
app.add_typer(site.app, name="site")
app.add_typer(data.app, name="data")
app.add_typer(job.app, name="job")
app.add_typer(model.app, name="model")
app.add_typer(serving.app, name="serving")
app.add_typer(dsl.app, name="dsl")
app.add_typer(egress.app, name="egress")
