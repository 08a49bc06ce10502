"""How long ``fate dsl check`` takes over a folder of job files on one core, and how long one pair takes.

    python benchmarks/dsl_check.py [--folder FOLDER] [--json]

Where there is no folder of FATE's own examples, as many copies of the demo's job stand in for them. The baseline is
what the command may take over those 198 pairs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fate_federated.dsl.document import read_json
from fate_federated.dsl.job_files import load_job
from fate_federated.dsl.pairs import find_pairs
from report import Report, arguments, seconds

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT.parent / "shared" / "fate-examples"
DSL, CONF = ROOT / "dags/breast_cancer_dsl.json", ROOT / "dags/breast_cancer_conf.json"
PAIRS = 198
BUDGET_SECONDS = 10.0


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--folder", type=Path, default=EXAMPLES, help="job files to check")
    options = parser.parse_args()
    report = Report("Job files", options.json)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        empty, copies = Path(name, "empty"), Path(name, "copies")
        empty.mkdir()
        folder = options.folder if options.folder.is_dir() else _copies(copies)
        pairs = len(find_pairs([folder]))
        report.add("fate dsl check: start and end", seconds(lambda: _check(empty)), "s")
        report.add(f"fate dsl check: {pairs} pairs", seconds(lambda: _check(folder)), "s", BUDGET_SECONDS)
        report.add(f"finding {pairs} pairs", 1e3 * seconds(lambda: find_pairs([folder])), "ms")
    texts = DSL.read_text(), CONF.read_text()
    report.add("reading one pair", 1e3 * seconds(lambda: [read_json(text) for text in texts], repeats=20), "ms")
    report.add("reading and compiling one pair", 1e3 * seconds(lambda: load_job(DSL, CONF).compile(), repeats=20), "ms")
    report.print()


def _check(folder: Path) -> None:
    """As a user runs it; some of the pairs may be invalid."""
    command = [str(Path(sys.executable).with_name("fate")), "dsl", "check", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or done.stderr:
        raise SystemExit(done.stderr or f"{command} exited with {done.returncode}")
    for line in done.stdout.splitlines():
        json.loads(line)


def _copies(folder: Path) -> Path:
    folder.mkdir()
    for index in range(PAIRS):
        for half, path in (("dsl", DSL), ("conf", CONF)):
            (folder / f"job{index}_{half}.json").write_bytes(path.read_bytes())
    return folder


if __name__ == "__main__":
    main()
