"""LabelTransform as a dsl sees it."""

from __future__ import annotations

from pydantic import model_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import ModuleParams
from fate_federated.catalog.spec import ComponentSpec

Label = int | float | str


class LabelTransformParams(ModuleParams):
    """FATE's parameters."""

    label_encoder: dict[str, Label] | None = None
    """The new label by the old one, as text; a label that it does not name stays, unless another one becomes the
    same. None numbers the labels from 0 in their order."""
    label_list: list[Label] | None = None
    """The old labels: those that label_encoder names, or all that there are."""

    @model_validator(mode="after")
    def _same_labels(self) -> LabelTransformParams:
        if self.label_encoder is not None and self.label_list is not None:
            listed, named = set(map(str, self.label_list)), set(self.label_encoder)
            if listed != named:
                raise ValueError(
                    f"label_list and label_encoder name different labels: {', '.join(sorted(listed ^ named))}"
                )
        return self


LABEL_TRANSFORM = ComponentSpec(
    module="LabelTransform",
    roles=GUEST_HOST,
    params=LabelTransformParams,
    implementation="fate_components.label_transform.component:LabelTransform",
    model_outputs=1,
)
