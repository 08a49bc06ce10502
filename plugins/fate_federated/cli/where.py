"""Which site a command is about, and how its output looks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

SiteOption = Annotated[
    Path,
    typer.Option(
        "--site",
        "-s",
        envvar="FATE_SITE",
        help="The site's folder, or its site.yaml.",
        show_default=True,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

DEFAULT_SITE = Path("site")


def output() -> Console:
    """Where results go. Piped, lines are as long as they need to be and have no colours."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=200, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
