"""Modules that make features of features: binning, encoding, scores."""

from __future__ import annotations

from pydantic import Field

from fate_federated.catalog.shared_params import (
    Columns,
    EncryptParams,
    Fraction,
    ModuleParams,
    Names,
    OptimalBinningParams,
    PositiveFloat,
    PositiveInt,
    TransformParams,
)


class BinningParams(ModuleParams):
    """What binning takes in either federation."""

    compress_thres: PositiveInt = 10000
    head_size: PositiveInt = 10000
    error: Fraction = 1e-4
    """How far a quantile may be off, as a share of the rows."""
    bin_num: PositiveInt = 10
    bin_indexes: Columns | None = -1
    bin_names: Names = None
    adjustment_factor: PositiveFloat = 0.5
    """Count in place of none in the logarithm of WOE."""
    transform_param: TransformParams = Field(default_factory=TransformParams)
    optimal_binning_param: OptimalBinningParams = Field(default_factory=OptimalBinningParams)
    local_only: bool = False
    category_indexes: Columns | None = None
    category_names: Names = None
    encrypt_param: EncryptParams = Field(default_factory=EncryptParams)
    skip_static: bool = False
    split_points_by_index: dict[str, list[float]] | None = None
    split_points_by_col_name: dict[str, list[float]] | None = None
