"""FATE's own example files, where the folder is there: those of the components that are installed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fate_federated.catalog.discovery import component_names
from fate_federated.dsl.job_files import load_job
from fate_federated.errors import DslError

FOLDER = Path(__file__).parents[3] / "shared" / "fate-examples"
INDEX = FOLDER / "index.tsv"

NOT_HONOURED = {
    "cv_param": "cross validation",
    "stepwise_param": "stepwise",
    "callback_param": "callbacks",
    "validation_freqs": "validation while training",
    "early_stopping_rounds": "validation while training",
    "metrics": "validation while training",
    "optimizer": "sqn",
    "input_format": "rows of tags",
    "output_format": "sparse rows",
    "tag_with_value": "rows of tags",
    "delimitor": "rows of tags",
    "intersect_method": "raw",
    "intersect_cache_param": "caches",
    "cardinality_only": "cardinality",
    "cardinality_method": "cardinality",
    "run_preprocess": "preprocessing",
    "sync_cardinality": "cardinality",
    "with_encode": "ids in clear",
    "eval_type": "several classes",
}
"""Parameters by which FATE's examples ask for what these components do not do."""


def examples() -> list[tuple[Path, Path]]:
    if not INDEX.exists():
        return []
    with INDEX.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["dsl"] != "-"]
    return [
        (FOLDER / row["tag"] / row["dsl"], FOLDER / row["tag"] / row["conf"])
        for row in rows
        if set(row["modules"].split(",")) <= component_names()
    ]


@pytest.mark.skipif(not INDEX.exists(), reason="FATE's examples are not beside this repository")
@pytest.mark.parametrize(("dsl", "conf"), examples(), ids=lambda path: path.stem)
def test_an_example_compiles_or_asks_for_what_is_not_there(dsl: Path, conf: Path) -> None:
    try:
        pipeline = load_job(dsl, conf).compile()
    except DslError as error:
        for problem in error.problems:
            if problem.file != str(conf) or not set(problem.pointer.split("/")) & set(NOT_HONOURED):
                raise
    else:
        assert pipeline.nodes
