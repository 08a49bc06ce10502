"""What a job publishes and waits for, as Airflow assets."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetAll, AssetAny

from fate_federated.dsl.airflow_block import AssetCondition, JobModels, Schedule
from fate_federated.dsl.pipeline import Mode, Pipeline
from fate_federated.party import Party, Role


def models_asset(job: str, party: Party) -> Asset:
    """The models that a job leaves at a party: updated with each run that trains them."""
    return Asset(name=f"{job}.{party}.models", uri=f"fate://models/{job}/{party}", group="fate")


def published_models(pipeline: Pipeline, job: str, party: Party) -> tuple[Asset, ...]:
    """What a run of a job updates at a party when it succeeds. An arbiter has no part of a model."""
    if pipeline.mode is not Mode.TRAIN or party.role is Role.ARBITER:
        return ()
    trains = any(node.model_outputs and party in node.participants for node in pipeline.nodes)
    return (models_asset(job, party),) if trains else ()


def models_are(pipeline: Pipeline, party: Party) -> dict[str, Any]:
    """What an event of a party's models says of them, beside the version: FATE's model id, and whose parts of which
    components they are.
    """
    trained = [node.name for node in pipeline.nodes if node.model_outputs and party in node.participants]
    return {"model_id": pipeline.model_id, "party": str(party), "components": trained}


def airflow_schedule(schedule: Schedule, party: Party) -> Any:
    """A conf's schedule as Airflow takes it, for the DAG of a party."""
    return _condition(schedule, party) if isinstance(schedule, AssetCondition) else schedule


def _condition(condition: AssetCondition, party: Party) -> AssetAll | AssetAny:
    members = [_member(member, party) for member in condition.members]
    return (AssetAll if condition.every else AssetAny)(*members)


def _member(member: str | JobModels | AssetCondition, party: Party) -> Any:
    if isinstance(member, AssetCondition):
        return _condition(member, party)
    if isinstance(member, JobModels):
        return models_asset(member.job, member.party or party)
    return Asset.ref(uri=member) if "://" in member else Asset.ref(name=member)
