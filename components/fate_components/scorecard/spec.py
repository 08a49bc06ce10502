"""Scorecard as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import AnyCase, ModuleParams
from fate_federated.catalog.spec import ComponentSpec


class ScorecardParams(ModuleParams):
    """FATE's parameters."""

    method: Annotated[Literal["credit"], AnyCase()] = "credit"
    offset: float = 500
    """The score where both classes are as likely."""
    factor: float = 20
    """Points for odds that are factor_base times as high."""
    factor_base: float = Field(2, gt=0)
    upper_limit_ratio: float = 3
    """Scores are at most this times the offset."""
    lower_limit_value: float = 0
    """Scores are at least this."""

    @field_validator("factor_base")
    @classmethod
    def _has_a_logarithm(cls, value: float) -> float:
        if value == 1:
            raise ValueError("odds that are 1 times as high are the same odds: give another factor_base")
        return value

    @model_validator(mode="after")
    def _limits_in_order(self) -> ScorecardParams:
        if self.upper_limit_ratio * self.offset < self.lower_limit_value:
            raise ValueError("lower_limit_value is above upper_limit_ratio times offset")
        return self


SCORECARD = ComponentSpec(
    module="Scorecard",
    roles=GUEST_HOST,
    params=ScorecardParams,
    implementation="fate_components.scorecard.component:Scorecard",
)
