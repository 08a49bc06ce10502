"""DataIO and DataTransform as a dsl sees them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from fate_federated.catalog.shared_params import AnyCase, Fill, ModuleParams
from fate_federated.catalog.spec import ComponentSpec, unavailable
from fate_federated.party import Role

Scalar = int | float | str
DataType = Annotated[Literal["float64", "float", "int64", "int", "long", "str"], AnyCase()]


class DataIoParams(ModuleParams):
    """FATE's parameters."""

    input_format: Annotated[Literal["dense", "sparse", "tag"], AnyCase()] = "dense"
    """dense: a column for each feature. sparse: rows of pairs index:value, which become the columns x0 to x<largest>.
    tag: rows of tags, each of which becomes a column. What a row does not list is 0."""
    output_format: Annotated[Literal["dense", "sparse"], AnyCase()] = "dense"
    """Either gives a column for each feature: the values are the same."""
    delimitor: str = Field(",", min_length=1)
    """sparse and tag: between the items of a row, the first of which is the label if there is one."""
    tag_with_value: bool = False
    """tag: each is followed by its value. With missing_fill a tag that a row does not list is missing, and not 0."""
    tag_value_delimitor: str = Field(":", min_length=1)
    """sparse and tag: between an index or a tag and its value."""
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

    @field_validator("default_value", "outlier_replace_value", mode="before")
    @classmethod
    def _none_is_zero(cls, value: Any) -> Any:
        return 0 if value is None else value

    @model_validator(mode="after")
    def _items_are_numbers(self) -> DataIoParams:
        types = {self.data_type, *(self.exclusive_data_type or {}).values()}
        if self.input_format != "dense" and "str" in types:
            raise unavailable("values that are texts are not supported in rows of input_format sparse or tag")
        return self


class DataTransformParams(DataIoParams):
    """FATE's parameters."""

    with_match_id: bool = False
    """Rows are matched with other parties' by a column, not by the table's id."""
    match_id_name: str = ""
    """with_match_id: that column."""
    match_id_index: int = Field(0, ge=0)
    """with_match_id: its position among the columns but the id, where it is not named."""

    @model_validator(mode="after")
    def _matched_by_a_column(self) -> DataTransformParams:
        if self.with_match_id and self.input_format != "dense":
            raise unavailable("a match id in rows of input_format sparse or tag is not supported")
        return self


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
