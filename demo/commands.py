"""Runs the commands of the demo the way a person would type them, and shows each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[1]
console = Console(highlight=False)


def run(*command: str | Path, site: Path | None = None) -> None:
    """Show a command and run it from the project's folder; its failure ends the demo with its exit status."""
    words = [str(word) for word in command]
    environment = {**os.environ, **({"FATE_SITE": str(site)} if site else {})}
    console.print(f"\n[bold]$ {' '.join(words)}[/]" + (f"   [dim](at {site.name})[/]" if site else ""))
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run([str(program), *words[1:]], cwd=ROOT, env=environment, check=False)  # noqa: S603 - no shell
    if done.returncode:
        raise SystemExit(done.returncode)
