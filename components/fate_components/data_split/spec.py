"""HeteroDataSplit and HomoDataSplit as a dsl sees them."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from fate_federated.catalog.modules.roles import GUEST_HOST, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import ModuleParams
from fate_federated.catalog.spec import ComponentSpec

Size = int | float | None

TOLERANCE = 1e-8
"""How far sizes may be from filling a table, as a share of it."""


class DataSplitParams(ModuleParams):
    """FATE's parameters. A size is a count when it is an integer, else a share of the rows.

    What is left out follows from the others; without any, 0.8 of the rows are for training, 0.2 for validation.
    """

    random_state: int | None = None
    test_size: Size = None
    train_size: Size = None
    validate_size: Size = None
    stratified: bool = False
    """Give every label the same shares."""
    shuffle: bool = True
    """False takes the rows in the order of their ids: the first are for training, the last for test."""
    split_points: list[float] | None = None
    """stratified: upper ends of the intervals of a label of real numbers, each included."""

    @property
    def sizes(self) -> tuple[Size, Size, Size]:
        """Of training, validation and test, as given."""
        return self.train_size, self.validate_size, self.test_size

    @field_validator("test_size", "train_size", "validate_size")
    @classmethod
    def _a_count_or_a_share(cls, value: Size) -> Size:
        if value is not None and (value < 0 or (isinstance(value, float) and value > 1)):
            raise ValueError("a size is a count of rows or a share between 0.0 and 1.0")
        return value

    @model_validator(mode="after")
    def _shares_of_one_whole(self) -> DataSplitParams:
        given = [size for size in self.sizes if size is not None]
        if not any(isinstance(size, float) for size in given):
            return self
        if any(isinstance(size, int) and size > 1 for size in given):
            raise ValueError("sizes are all counts of rows or all shares of them")
        total = sum(given)
        if total > 1 + TOLERANCE or (len(given) == 3 and total < 1 - TOLERANCE):
            raise ValueError(f"train_size, validate_size and test_size together are {total:g} of the rows, not 1")
        return self


HETERO_DATA_SPLIT = ComponentSpec(
    module="HeteroDataSplit",
    roles=GUEST_HOST,
    params=DataSplitParams,
    implementation="fate_components.data_split.component:HeteroDataSplit",
    data_outputs=3,
)
HOMO_DATA_SPLIT = ComponentSpec(
    module="HomoDataSplit",
    roles=GUEST_HOST_ARBITER,
    params=DataSplitParams,
    implementation="fate_components.data_split.component:HomoDataSplit",
    data_outputs=3,
)
