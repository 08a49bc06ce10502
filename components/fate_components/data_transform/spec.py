"""DataIO and DataTransform as a dsl sees them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import StrictFloat, StrictInt, StrictStr, field_validator

from fate_federated.catalog.spec import ComponentParams, ComponentSpec
from fate_federated.party import Role

Scalar = StrictInt | StrictFloat | StrictStr
DataType = Literal["float64", "float", "int64", "int", "long", "str"]
FillMethod = Literal["min", "max", "mean", "designated"]


class DataIoParams(ComponentParams):
    """FATE's parameters, for dense tables."""

    input_format: Literal["dense"] = "dense"
    output_format: Literal["dense"] = "dense"
    delimitor: str = ","
    """Of FATE's text rows; a table here has columns."""
    tag_with_value: Literal[False] = False
    tag_value_delimitor: str = ":"
    data_type: DataType = "float64"
    exclusive_data_type: dict[str, DataType] | None = None
    """Data type by column, where it is not data_type."""
    missing_fill: bool = False
    default_value: Scalar | list[Scalar] = 0
    """What designated fills with; a list gives one value per column."""
    missing_fill_method: FillMethod | None = None
    """None fills with default_value."""
    missing_impute: Scalar | list[Scalar] | None = None
    """What counts as missing beside an absent value; None for the empty text, none, null, na, None and nan."""
    outlier_replace: bool = False
    outlier_replace_value: Scalar | list[Scalar] = 0
    outlier_replace_method: FillMethod | None = None
    outlier_impute: Scalar | list[Scalar] | None = None
    """What counts as an outlier; None for what counts as missing by default."""
    with_label: bool = False
    label_name: str = "y"
    label_type: DataType = "int"
    need_run: bool = True

    @field_validator("input_format", mode="before")
    @classmethod
    def _one_column_per_feature(cls, value: Any) -> Any:
        if value in ("sparse", "svmlight", "tag"):
            raise ValueError(f"{value} is not supported: upload the rows with one column per feature and use dense")
        return value

    @field_validator("output_format", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        if value == "sparse":
            raise ValueError("sparse is not supported: features are columns here. Leave output_format out")
        return value


class DataTransformParams(DataIoParams):
    """FATE's parameters, for dense tables whose rows are matched by their id."""

    with_match_id: Literal[False] = False
    match_id_name: Literal[""] = ""
    match_id_index: Literal[0] = 0


_IMPLEMENTATION = "fate_components.data_transform.component:"

DATA_IO = ComponentSpec(
    module="DataIO",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=DataIoParams,
    implementation=_IMPLEMENTATION + "DataIO",
    model_outputs=1,
    legacy_defaults={"with_label": True},
)

DATA_TRANSFORM = ComponentSpec(
    module="DataTransform",
    roles=frozenset({Role.GUEST, Role.HOST}),
    params=DataTransformParams,
    implementation=_IMPLEMENTATION + "DataTransform",
    model_outputs=1,
)
