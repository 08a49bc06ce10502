"""FATE's own example files, where the folder is there: each gets the verdict that its modules make.

With every component of FATE's installed all would be ``ok`` but what :data:`INVALID` and :data:`REFUSED` name. As long
as some are not, a job is ``not-installed`` for just these modules.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fate_federated.catalog.discovery import component_names
from fate_federated.dsl.check import Checked, Checker, Verdict
from fate_federated.dsl.pairs import find_pairs

FOLDER = Path(__file__).parents[3] / "shared" / "fate-examples"
INDEX = FOLDER / "index.tsv"
V1 = "v1.4.6/examples/federatedml-1.x-examples"

INVALID = {f"{V1}/experiment/config/test_predict_conf.json": {"/role/guest", "/role/host", "/role/arbiter"}}
"""Templates, with where they are to be filled in, by their confs."""

REFUSED = {
    f"{V1}/intersect/test_intersect_job_rsa_using_cache.json": {
        "/algorithm_parameters/intersect_0/intersect_cache_param/use_cache"
    }
}
"""What asks an installed component for what it does not do, with where, by their confs."""

pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="FATE's examples are not beside this repository")


def modules_by_conf() -> dict[str, tuple[str, ...]]:
    with INDEX.open(encoding="utf-8") as file:
        return {
            f"{row['tag']}/{row['conf']}": () if row["dsl"] == "-" else tuple(row["modules"].split(","))
            for row in csv.DictReader(file, delimiter="\t")
        }


@pytest.fixture(scope="module")
def checked() -> dict[str, Checked]:
    checker = Checker()
    return {str(pair.conf.relative_to(FOLDER)): checker.check(pair) for pair in find_pairs([FOLDER]) if pair.conf}


def test_every_job_has_the_verdict_of_its_modules(checked: dict[str, Checked]) -> None:
    expected = {}
    for conf, modules in modules_by_conf().items():
        missing = bool(set(modules) - component_names())
        refused = missing or conf in REFUSED
        expected[conf] = Verdict.INVALID if conf in INVALID else Verdict.NOT_INSTALLED if refused else Verdict.OK
    assert {conf: found.verdict for conf, found in checked.items()} == expected


def test_what_is_not_installed_is_named_and_nothing_else(checked: dict[str, Checked]) -> None:
    index = modules_by_conf()
    for conf, found in checked.items():
        told = {problem.pointer for problem in found.problems}
        missing = sum(module not in component_names() for module in index[conf])
        if conf in INVALID:
            assert told == INVALID[conf]
        else:
            elsewhere = {pointer for pointer in told if not pointer.startswith("/components/")}
            assert elsewhere == REFUSED.get(conf, set())
            assert len(told - elsewhere) == missing, conf
