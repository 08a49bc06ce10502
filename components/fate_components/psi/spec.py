"""PSI as a dsl sees it."""

from __future__ import annotations

from pydantic import field_validator

from fate_federated.catalog.modules.roles import GUEST_HOST
from fate_federated.catalog.shared_params import Fraction, ModuleParams, PositiveInt, Scalar
from fate_federated.catalog.spec import ComponentSpec


class PsiParams(ModuleParams):
    """FATE's parameters."""

    max_bin_num: PositiveInt = 20
    dense_missing_val: Scalar = None
    """A number that counts as missing."""
    binning_error: Fraction = 1e-4
    """How far a quantile may be off, as a share of the rows. They are exact here."""

    @field_validator("dense_missing_val")
    @classmethod
    def _a_number(cls, value: Scalar) -> float | None:
        if value is None:
            return None
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"features are numbers, {value!r} is none") from None


PSI = ComponentSpec(
    module="PSI",
    roles=GUEST_HOST,
    params=PsiParams,
    implementation="fate_components.psi.component:PSI",
    model_outputs=1,
    deploy=False,
)
