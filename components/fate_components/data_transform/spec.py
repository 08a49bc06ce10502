"""DataIO and DataTransform as a dsl sees them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import field_validator

from fate_federated.catalog.shared_params import AnyCase, Fill, ModuleParams
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

Scalar = int | float | str
DataType = Annotated[Literal["float64", "float", "int64", "int", "long", "str"], AnyCase()]


class DataIoParams(ModuleParams):
    """FATE's parameters. Tables are dense."""

    input_format: Annotated[Literal["dense", "sparse", "tag"], AnyCase()] = "dense"
    output_format: Annotated[Literal["dense", "sparse"], AnyCase()] = "dense"
    delimitor: str = ","
    """Of FATE's text rows; a table here has columns."""
    tag_with_value: bool = False
    """Of input_format tag."""
    tag_value_delimitor: str = ":"
    data_type: DataType = "float64"
    exclusive_data_type: dict[str, DataType] | None = None
    """Data type by column, where it is not data_type."""
    missing_fill: bool = False
    default_value: Scalar | list[Scalar] = 0
    """What designated fills with; a list gives one value per column."""
    missing_fill_method: Fill = None
    """None fills with default_value."""
    missing_impute: Scalar | list[Scalar] | None = None
    """What counts as missing beside an absent value; None for the empty text, none, null, na, None and nan."""
    outlier_replace: bool = False
    outlier_replace_value: Scalar | list[Scalar] = 0
    outlier_replace_method: Fill = None
    outlier_impute: Scalar | list[Scalar] | None = None
    """What counts as an outlier; None for what counts as missing by default."""
    with_label: bool = False
    label_name: str = "y"
    label_type: DataType = "int"

    @field_validator("input_format")
    @classmethod
    def _one_column_per_feature(cls, value: str) -> str:
        if value != "dense":
            raise unavailable(f"{value} is not supported: upload the rows with one column per feature and use dense")
        return value

    @field_validator("output_format")
    @classmethod
    def _columns(cls, value: str) -> str:
        if value != "dense":
            raise unavailable(f"{value} is not supported: features are columns here. Leave output_format out")
        return value


class DataTransformParams(DataIoParams):
    """FATE's parameters. Tables are dense, and their rows are matched by their id."""

    with_match_id: bool = False
    match_id_name: str = ""
    """with_match_id: the column of the id that rows are matched by."""
    match_id_index: int = 0
    """with_match_id: its position, where several columns could be meant."""

    @field_validator("with_match_id")
    @classmethod
    def _matched_by_their_id(cls, value: bool) -> bool:
        if value:
            raise unavailable("a column of match ids is not supported: upload the table with the match id as its id")
        return value


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
