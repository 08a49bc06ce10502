"""What a person sees while something takes its time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fate_federated.site.health import HEALTHY
from fate_federated.site.supervision import Part


@contextmanager
def parts_progress(name: str) -> Iterator[Callable[[Mapping[Part, str]], None]]:
    """Shows the parts of a site as they become healthy: live in a terminal, a line per change elsewhere."""
    began = time.monotonic()
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        known: dict[Part, str] = {}

        def tell(health: Mapping[Part, str]) -> None:
            for part, word in health.items():
                if word == HEALTHY and known.get(part) != HEALTHY:
                    console.print(f"{part} is healthy after {time.monotonic() - began:.1f} s", highlight=False)
            known.update(health)

        yield tell
        return
    view = _PartsView(name, began)
    with Live(view, console=console, refresh_per_second=8, transient=True):
        yield view.update
    console.print(f"Site {name} is up after {time.monotonic() - began:.1f} s.", highlight=False)


class _PartsView:
    def __init__(self, name: str, began: float) -> None:
        self._name, self._began = name, began
        self._health: Mapping[Part, str] = {}
        self._spinner = Spinner("dots")

    def update(self, health: Mapping[Part, str]) -> None:
        self._health = health

    def __rich__(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(self._spinner, Text(f"site {self._name}"), Text(f"{time.monotonic() - self._began:.0f} s"))
        for part in Part:
            if part is Part.SERVING and part not in self._health:
                continue
            word = self._health.get(part, "waiting")
            grid.add_row("", Text(part), Text(word, style="green" if word == HEALTHY else "yellow"))
        return grid


@contextmanager
def bytes_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes read so far; nothing where standard error is no terminal."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
