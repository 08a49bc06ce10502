"""The canonical form of a job: all that the rest of the code knows of FATE's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fate_federated.dsl.airflow_block import AirflowOptions
from fate_federated.errors import DslProblem
from fate_federated.party import Party, Role


class EdgeKind(StrEnum):
    """What flows along an edge."""

    DATA = "data"
    MODEL = "model"
    ISOMETRIC_MODEL = "isometric_model"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a node.

    Attributes:
        kind: what it is.
        port: the input's key: data, train_data, validate_data, test_data, eval_data; else the kind's own name.
        source: the node that makes it.
        output: the name that the source gives it.
        trained: the source is a component of the job that trained the model which this job predicts with, and no
            node of this one.
    """

    kind: EdgeKind
    port: str
    source: str
    output: str
    trained: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One component of the pipeline.

    Attributes:
        parameters: by participating party, as the user gave them and checked against the component's schema.
            Defaults are not filled in, but those of FATE up to 1.4 that differ from the component's are there for a
            job of dsl version 1.
        written: by participating party and parameter, the JSON pointer to where the conf says it.
    """

    name: str
    module: str
    inputs: tuple[Edge, ...]
    data_outputs: tuple[str, ...]
    model_outputs: tuple[str, ...]
    parameters: Mapping[Party, Mapping[str, Any]]
    participants: tuple[Party, ...]
    need_deploy: bool = True
    cache_outputs: tuple[str, ...] = ()
    written: Mapping[Party, Mapping[str, str]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the nodes it depends on, each once, in the order of its inputs."""
        return tuple(dict.fromkeys(edge.source for edge in self.inputs if not edge.trained))


class Mode(StrEnum):
    """What a job is for."""

    TRAIN = "train"
    PREDICT = "predict"


@dataclass(frozen=True, slots=True)
class JobParameters:
    """What a conf says of the job as a whole. What is None is not said.

    Attributes:
        timeout: of the job, in seconds.
        task_parallelism: how many tasks of the job may run side by side.
        auto_retries: how often a failed task is tried again.
        auto_retry_delay: seconds between two tries.
        model_id, model_version: the model that a job of mode predict uses; the version is the id of the job that
            trained it.
        settings: all of them as the conf writes them, engine settings that mean nothing here included.
        by_party: those of single parties, as the conf writes them.
        of_party: of these parties, what holds there in the end.
    """

    timeout: float | None = None
    task_parallelism: int | None = None
    auto_retries: int | None = None
    auto_retry_delay: float | None = None
    model_id: str | None = None
    model_version: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    by_party: Mapping[Party, Mapping[str, Any]] = field(default_factory=dict)
    of_party: Mapping[Party, JobParameters] = field(default_factory=dict)

    def at(self, party: Party) -> JobParameters:
        """What holds at a party."""
        return self.of_party.get(party, self)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A job, ready to become a DAG at each party. Equal pipelines do the same, whatever dialect they were written in.

    Attributes:
        dsl_version: dialect of the files, 1 or 2; only for people to read.
        parties: all that take part, by role, in the conf's order.
        nodes: in a topological order.
        warnings: what the files say and this job passes over.
    """

    dsl_version: int = field(compare=False)
    initiator: Party
    parties: tuple[Party, ...]
    nodes: tuple[Node, ...]
    mode: Mode = Mode.TRAIN
    job_parameters: JobParameters = field(default_factory=JobParameters)
    airflow: AirflowOptions = field(default_factory=AirflowOptions)
    warnings: tuple[DslProblem, ...] = field(default=(), compare=False)

    @property
    def model_id(self) -> str:
        """FATE's name of the models of this job: roles in alphabetical order, the ids of a role joined by ``_``."""
        if self.job_parameters.model_id:
            return self.job_parameters.model_id
        roles = sorted({party.role for party in self.parties})
        return "#".join([*(f"{role}-{'_'.join(p.party_id for p in self.of_role(role))}" for role in roles), "model"])

    def of_role(self, role: Role) -> tuple[Party, ...]:
        """The parties of one role, in the conf's order."""
        return tuple(party for party in self.parties if party.role is role)

    def node(self, name: str) -> Node:
        """The node of that name; KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
