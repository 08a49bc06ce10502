"""ModelLoader as a dsl sees it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, field_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec, unavailable
from fate_federated.party import Role

Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class ModelLoaderParams(ComponentParams):
    """One component's model of a version, or of a job while it trained."""

    model_id: str | None = None
    """With a branch or tag as version, the model that has it; else of no effect, since versions are never the same."""
    model_version: Text | None = None
    """A version or a job's id; or <model>@<branch or tag>, where it points to when the job runs."""
    component_name: str | None = None
    model_alias: str = "model"
    step_index: Annotated[int | None, BeforeValidator(lambda value: int(value) if type(value) is str else value)] = None
    """A checkpoint that the job's ModelCheckpoint kept; the finished model if not given."""
    step_name: str | None = None

    @field_validator("model_alias", mode="before")
    @classmethod
    def _usual(cls, value: object) -> object:
        return "model" if value is None else value

    @field_validator("step_name")
    @classmethod
    def _by_number(cls, value: str | None) -> str | None:
        if value is not None:
            raise unavailable("checkpoints have no names here: give step_index")
        return value


MODEL_LOADER = ComponentSpec(
    module="ModelLoader",
    roles=frozenset({Role.GUEST, Role.HOST, Role.ARBITER}),
    params=ModelLoaderParams,
    implementation="fate_components.model_loader.component:ModelLoader",
    data_outputs=0,
    model_outputs=1,
    needs_data=False,
)
