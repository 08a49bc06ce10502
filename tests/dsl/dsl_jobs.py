"""Components that exist for these tests only, and how a job is compiled with them."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Pipeline
from fate_federated.dsl.render import render
from fate_federated.errors import DslError, DslProblem
from fate_federated.party import Role

Job = dict[str, Any]


class TableName(BaseModel):
    model_config = ConfigDict(extra="forbid")

    namespace: str
    name: str


class ReaderParams(ComponentParams):
    table: TableName


class DataIoParams(ComponentParams):
    with_label: bool = False
    label_name: str = "y"
    label_type: Literal["int", "float"] = "int"


class EncryptParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key_length: Literal[1024, 2048] = 2048


class HeteroLrParams(ComponentParams):
    learning_rate: float = Field(0.15, gt=0)
    max_iter: int = Field(30, ge=1)
    alpha: float | None = 1.0
    encrypt_param: EncryptParams = EncryptParams()


class EvaluationParams(ComponentParams):
    pos_label: int = 1


GUEST_HOST = frozenset({Role.GUEST, Role.HOST})
SPECS = {
    spec.module: spec
    for spec in (
        ComponentSpec(
            module="Reader",
            roles=GUEST_HOST | {Role.LOCAL},
            params=ReaderParams,
            needs_data=False,
            implementation="no.module:Reader",
        ),
        ComponentSpec(
            module="DataIO",
            roles=GUEST_HOST,
            params=DataIoParams,
            implementation="no.module:DataIO",
            model_outputs=1,
            legacy_defaults={"with_label": True},
        ),
        ComponentSpec(
            module="HeteroLR",
            roles=GUEST_HOST | {Role.ARBITER},
            params=HeteroLrParams,
            implementation="no.module:HeteroLR",
            model_outputs=1,
            legacy_defaults={"alpha": 0.01, "encrypt_param": {"key_length": 1024}},
            legacy_names={"lambda": "alpha"},
            needs=GUEST_HOST | {Role.ARBITER},
            neutral_arbiter=True,
        ),
        ComponentSpec(
            module="Evaluation",
            roles=frozenset({Role.GUEST}),
            params=EvaluationParams,
            implementation="no.module:Evaluation",
            data_outputs=0,
            deploy=False,
        ),
    )
}


def parse(dsl: Job, conf: Job) -> Pipeline:
    """Compile with the components of these tests."""
    texts = json.dumps(dsl, indent=1), json.dumps(conf, indent=1)
    return parse_job(*texts, dsl_file="job_dsl.json", conf_file="job_conf.json", catalog=SPECS.get)


def rendered(pipeline: Pipeline) -> tuple[Job, Job]:
    """A pipeline as dsl and conf of version 2."""
    job = render(pipeline)
    return job.dsl, job.conf


def problems(dsl: Job, conf: Job) -> dict[str, DslProblem]:
    """What is wrong with a job, by file and pointer, such as ``dsl /components``."""
    with pytest.raises(DslError) as caught:
        parse(dsl, conf)
    found = caught.value.problems
    by_place = {f"{problem.file[4:-5]} {problem.pointer}": problem for problem in found}
    assert len(by_place) == len(found), "two problems at one place"
    return by_place
