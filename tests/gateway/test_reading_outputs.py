"""Readers that name what another job left: no table of the catalogue, and not for a site that names its tables."""

from __future__ import annotations

import json

import pytest
from tests.gateway.conftest import DSL, GUEST, HOST, RUN_ID, Federation, conf

from fate_federated.errors import JobError
from fate_federated.status import JobStatus
from fate_federated.wire.records import Job, JobFiles

OF_A_JOB = {"table": {"job_id": "1", "component_name": "intersection_0", "data_name": "data"}}


def start(federation: Federation) -> Job:
    written = json.loads(conf((GUEST, HOST)))
    written["component_parameters"] = {"common": {"reader_0": OF_A_JOB}}
    files = JobFiles("demo", DSL, json.dumps(written))
    federation.drop(GUEST, files)
    return federation[GUEST].client().start_job(GUEST, f"demo.{GUEST}", RUN_ID, files)


def test_an_output_is_looked_for_when_it_is_read(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"tables": "any"})
    assert start(federation).status is JobStatus.RUNNING


def test_a_site_that_names_its_tables_hands_out_no_outputs(new_federation: Federation) -> None:
    federation = new_federation.add_sites((GUEST,), (HOST,), policy={"tables": ["experiment.*"]})
    with pytest.raises(JobError, match="reader_0 may not read what another job left at host-10000"):
        start(federation)
