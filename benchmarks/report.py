"""How a benchmark reports: a table for people, or with ``--json`` one line per figure."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows ``--json``; add what else the benchmark takes."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object per line and figure")
    return parser


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        baseline: what it is compared with, in the same unit; None where there is nothing.
        ratio: how many times better than the baseline.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None


@dataclass(slots=True)
class Report:
    """Figures in the order they were measured."""

    title: str
    as_json: bool
    figures: list[Figure] = field(default_factory=list)

    def add(
        self, name: str, value: float, unit: str, baseline: float | None = None, *, more_is_better: bool = False
    ) -> None:
        """A figure and how it compares."""
        ratio = None
        if baseline is not None and baseline > 0 and value > 0:
            ratio = value / baseline if more_is_better else baseline / value
        figure = Figure(name, value, unit, baseline, ratio)
        self.figures.append(figure)
        if self.as_json:
            print(json.dumps(asdict(figure)), flush=True)

    def print(self) -> None:
        """The table, unless each figure was printed as JSON."""
        if self.as_json:
            return
        table = Table(title=self.title)
        for heading, justify in (("figure", "left"), ("value", "right"), ("unit", "left"), ("baseline", "right")):
            table.add_column(heading, justify="right" if justify == "right" else "left")
        table.add_column("times better", justify="right")
        for figure in self.figures:
            table.add_row(
                escape(figure.name),
                f"{figure.value:,.4g}",
                figure.unit,
                "" if figure.baseline is None else f"{figure.baseline:,.4g}",
                "" if figure.ratio is None else f"{figure.ratio:.1f}",
            )
        Console().print(table)


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Best wall time of some runs of ``work``: what else the machine does can only slow it down."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
