"""How long Airflow takes over a job's DAG file, beyond importing itself, and over a dags folder in which jobs change.

Parsing is one process at work: its CPU time is told, which other work on the machine does not blur.

``python benchmarks/dag_parse.py [--json] [--jobs 500]``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from report import Report, arguments, seconds

DAGS = Path(__file__).parents[1] / "dags"
BUDGET_MILLISECONDS = 150.0

# What the process that parses has imported of Airflow before it looks at the first file.
AIRFLOW = """
import airflow.dag_processing.manager, airflow.dag_processing.processor
import airflow.serialization.serialized_objects, airflow.sdk.execution_time.task_runner
"""

FIRST_PARSE = f"""
{AIRFLOW}
import runpy, sys, time
started = time.process_time()
runpy.run_path(sys.argv[1])
print(time.process_time() - started)
"""

# Airflow parses each file in a process that is forked from one which has loaded the bundle.
FORKED_PARSE = f"""
{AIRFLOW}
import fate_federated.bundle, os, runpy, sys, time
fate_federated.bundle._load_specs()
reading, writing = os.pipe()
if not os.fork():
    started = time.process_time()
    runpy.run_path(sys.argv[1])
    os.write(writing, str(time.process_time() - started).encode())
    os._exit(0)
print(os.read(reading, 99).decode())
"""

LATER_PARSES = f"""
{AIRFLOW}
import runpy, sys, time
runpy.run_path(sys.argv[2])
times = []
for _ in range(5):
    started = time.process_time()
    runpy.run_path(sys.argv[1])
    times.append(time.process_time() - started)
print(min(times))
"""


ALL_PARSES = f"""
{AIRFLOW}
import runpy, sys, time
runpy.run_path(sys.argv[1])
started = time.process_time()
for path in sys.argv[1:]:
    runpy.run_path(path)
print(time.process_time() - started)
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=500, help="jobs in the large dags folder")
    options = parser.parse_args()
    report = Report("A job's DAG file", options.json)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(AIRFLOW_HOME=str(folder / "airflow"), AIRFLOW__CORE__LOAD_EXAMPLES="False")
        # The first of the runs compiles what has no bytecode yet, as the first start of an installation does.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        demo, large = _site(folder / "demo", [_demo()]), _site(folder / "large", [_large(200)])
        small_file, large_file = _generated(demo), _generated(large)
        cold = min(_run(FIRST_PARSE, small_file) for _ in range(3))
        forked = min(_run(FORKED_PARSE, small_file) for _ in range(3))
        report.add(
            "a job of 6 components, as Airflow's processor parses it", 1e3 * forked, "ms CPU", BUDGET_MILLISECONDS
        )
        report.add("the same in a process that has loaded nothing of ours", 1e3 * cold, "ms CPU", BUDGET_MILLISECONDS)
        report.add("later parses, the package loaded", 1e3 * _run(LATER_PARSES, small_file, small_file), "ms CPU")
        report.add("the same, 402 components", 1e3 * _run(LATER_PARSES, large_file, small_file), "ms CPU")
        _measure_folder(report, folder, options.jobs)
        _measure_growth(report, folder, options.jobs)
    report.print()


def _measure_folder(report: Report, folder: Path, jobs: int) -> None:
    """What the bundle does at its every look at a dags folder, in the process that also schedules the parsing."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base

    from fate_federated.bundle import FateDagBundle

    import_all_models()
    Base.metadata.create_all(settings.get_engine())
    os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH"] = str(folder / "bundles")
    site = _site(folder / "many", [_demo()] * jobs)
    bundle = FateDagBundle(name="fate", site=str(site))
    report.add(f"bundle: {jobs} new jobs", 1e3 * seconds(bundle.initialize, repeats=1), "ms")
    conf = site / "dags/job0_conf.json"

    def edit() -> None:
        conf.write_text(conf.read_text() + "\n")
        bundle.refresh()

    report.add(f"bundle: one of {jobs} jobs edited", 1e3 * seconds(edit), "ms")
    for path in (site / "dags").iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    report.add(f"bundle: none of {jobs} jobs changed", 1e3 * seconds(bundle.refresh), "ms")


def _measure_growth(report: Report, folder: Path, jobs: int) -> None:
    """All files of folders of several sizes, generated and parsed one after the other as Airflow's processor does."""
    for count in (jobs // 10, jobs // 4, jobs // 2, jobs):
        site = _site(folder / f"growth{count}", [_demo()] * count)
        _generated(site)
        files = sorted(str(path) for path in site.glob("job*.py"))
        taken = _run(ALL_PARSES, *files)
        report.add(f"parsing {count} jobs, per job", 1e3 * taken / count, "ms CPU")


def _site(home: Path, jobs: list[tuple[str, str]]) -> Path:
    (home / "dags").mkdir(parents=True)
    (home / "site.yaml").write_text("name: bench\nparties: [guest-9999, host-10000, arbiter-10000]\n")
    for index, texts in enumerate(jobs):
        for half, text in zip(("dsl", "conf"), texts, strict=True):
            (home / "dags" / f"job{index}_{half}.json").write_text(text)
    return home


def _generated(site: Path) -> str:
    from fate_federated.dag_factory.generate import SiteJobs
    from fate_federated.settings import load_site

    for name, content in SiteJobs.find(load_site(site)).generate().items():
        (site / name).write_bytes(content)
    return str(site / "job0.py")


def _demo() -> tuple[str, str]:
    return (DAGS / "breast_cancer_dsl.json").read_text(), (DAGS / "breast_cancer_conf.json").read_text()


def _large(branches: int) -> tuple[str, str]:
    """As many components as the largest of FATE's own benchmarks has: readers, each with a transform behind it."""
    dsl, conf = map(json.loads, _demo())
    roles: Any = conf["component_parameters"]["role"]
    for index in range(1, branches - 1):
        reader, transform = f"reader_{index}", f"data_transform_{index}"
        dsl["components"][reader] = dsl["components"]["reader_0"]
        behind = {"input": {"data": {"data": [f"{reader}.data"]}}}
        dsl["components"][transform] = dsl["components"]["data_transform_0"] | behind
        for by_index in roles.values():
            by_index["0"] |= {reader: by_index["0"]["reader_0"], transform: by_index["0"]["data_transform_0"]}
    return json.dumps(dsl, indent=1), json.dumps(conf, indent=1)


def _run(program: str, *files: str) -> float:
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
