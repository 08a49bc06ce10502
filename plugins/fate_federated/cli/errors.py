"""How the command line says that something went wrong."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from fate_federated.errors import FateFederatedError


class PlainErrors(TyperGroup):
    """Prints an error of ours in its own words, without a traceback, and exits with status 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FateFederatedError as error:
            from rich.console import Console

            console = Console(stderr=True)
            console.print("Error:", style="bold red", end=" ")
            console.print(str(error), markup=False, highlight=False, soft_wrap=True)
            ctx.exit(1)
