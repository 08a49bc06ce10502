"""The form with which a person triggers a job in Airflow's UI."""

from __future__ import annotations

from airflow.sdk import Param

from fate_federated.catalog.discovery import find_component
from fate_federated.dsl.airflow_block import FormParam
from fate_federated.dsl.document import pointer
from fate_federated.dsl.pipeline import Mode, Pipeline
from fate_federated.dsl.run_conf import MODEL_VERSION, OVERRIDES, default_of


def trigger_form(pipeline: Pipeline) -> dict[str, Param]:
    """The fields: those of the conf's airflow block, then what every job has."""
    form = {name: _param(pipeline, param) for name, param in pipeline.airflow.params.items()}
    if pipeline.mode is Mode.PREDICT:
        form[MODEL_VERSION] = Param(
            pipeline.job_parameters.model_version,
            type=["null", "string"],
            title="Model version",
            description="Id of the job that trained the models to predict with.",
        )
    form[OVERRIDES] = Param(
        {},
        type="object",
        title="Component parameters",
        description=(
            'For this run, at every party: `{"common": {"<component>": {…}}, "role": {"host": {"0": {"<component>": '
            "{…}}}}`. What is said here goes over the conf and over the other fields."
        ),
    )
    return form


def _param(pipeline: Pipeline, param: FormParam) -> Param:
    schema = dict(param.schema)
    if param.sets:
        schema.setdefault("description", f"Sets `{pointer(param.sets)}`.")
    return Param(default_of(pipeline, param, find_component), **schema)
