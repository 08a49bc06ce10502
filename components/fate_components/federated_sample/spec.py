"""FederatedSample as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, Federation, ModuleParams
from fate_federated.catalog.spec import ComponentSpec


class FederatedSampleParams(ModuleParams):
    """FATE's parameters."""

    mode: Annotated[Literal["random", "stratified", "exact_by_weight"], AnyCase()] = "random"
    """exact_by_weight takes each row as many times as its weight says, rounded up, and needs no method."""
    method: Annotated[Literal["downsample", "upsample"], AnyCase()] = "downsample"
    """downsample draws a row once at most, upsample with replacement."""
    fractions: float | list[list[float | str]] | None = None
    """random: the share of the rows. stratified: pairs of a label (number or text) and the share of its rows. A share
    is 0 to 1 when rows are drawn once, else greater than 0."""
    random_state: int | None = None
    task_type: Federation = "hetero"
    """hetero: the guest draws for all. homo: each party draws for itself."""

    @property
    def copies(self) -> bool:
        """A row may be drawn several times."""
        return self.mode == "exact_by_weight" or self.method == "upsample"

    @field_validator("fractions")
    @classmethod
    def _of_the_mode(
        cls, value: float | list[list[float | str]] | None, info: ValidationInfo
    ) -> float | list[list[float | str]] | None:
        mode, method = info.data.get("mode"), info.data.get("method")
        match mode, value:
            case (None, _) | ("exact_by_weight", None):
                return value
            case "exact_by_weight", _:
                raise ValueError("with mode exact_by_weight the weights say how many; leave fractions out")
            case "random", int() | float():
                shares = [float(value)]
            case "stratified", list() if value and all(len(pair) == 2 for pair in value):
                shares = [_number(share) for _, share in value]
                if len({_label(label) for label, _ in value}) < len(value):
                    raise ValueError("a label has two shares")
            case "random", _:
                raise ValueError("with mode random, fractions is the share of the rows, such as 0.5")
            case _:
                raise ValueError(
                    "with mode stratified, fractions lists labels and the shares of their rows: [[0, 0.2], [1, 1.0]]"
                )
        if method == "downsample" and not all(0 <= share <= 1 for share in shares):
            raise ValueError("with method downsample, a share is between 0 and 1")
        if method == "upsample" and not all(share > 0 for share in shares):
            raise ValueError("with method upsample, a share is greater than 0")
        return value


def _label(value: float | str) -> float | str:
    """The same for 1, 1.0 and "1"."""
    try:
        return float(value)
    except ValueError:
        return value


def _number(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"shares are numbers, {value!r} is none") from None


FEDERATED_SAMPLE = ComponentSpec(
    module="FederatedSample",
    roles=GUEST_HOST,
    params=FederatedSampleParams,
    implementation="fate_components.federated_sample.component:FederatedSample",
    deploy=False,
    legacy_defaults={"fractions": 0.9},
)
