"""What the parameters of several modules have in common: the types of values, and the objects that FATE groups
parameters in.

Values are as strict as FATE's own checks: an integer is no text and no truth value, an integer is also a number. What
FATE takes in any case of letters is taken so here, and read back in FATE's own spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema, core_schema

from fate_federated.catalog.spec import ComponentParams


@dataclass(frozen=True, slots=True)
class AnyCase:
    """Marks a ``Literal`` of words whose case FATE does not mind.

    Attributes:
        also: other spellings, in lower case, each with the word that it stands for. Where the type permits None, the
            text "None" stands for it.
    """

    also: tuple[tuple[str, str], ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        words = {word.lower(): word for word in _words(source)}
        spellings: dict[str, str | None] = {**words, **dict(self.also)}
        if type(None) in get_args(source):
            spellings["none"] = None

        def spell(value: Any) -> Any:
            return spellings.get(value.lower(), value) if isinstance(value, str) else value

        return core_schema.no_info_before_validator_function(spell, handler(source))


def _words(source: Any) -> list[str]:
    return [word for part in get_args(source) for word in ([part] if isinstance(part, str) else _words(part))]


STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True, defer_build=True)


class ParameterGroup(BaseModel):
    """An object that FATE groups parameters in."""

    model_config = STRICT


class ModuleParams(ComponentParams):
    """What nearly every module has."""

    model_config = STRICT

    need_run: bool = True
    """False hands the data on unchanged."""


class AnyParams(ComponentParams):
    """Of a module whose parameters are not known: any name and any value is taken."""

    model_config = ConfigDict(extra="allow", defer_build=True)


def renamed(names: Mapping[str, str], legacy_defaults: Mapping[str, object]) -> Callable[[Any], Any]:
    """For a validator of a module: read what older releases called otherwise under its name of today.

    Args:
        names: the name of today by older name.
        legacy_defaults: of the module's spec. They carry the name of today, and do not count as written.
    """

    def rename(value: Any) -> Any:
        if not isinstance(value, dict) or names.keys().isdisjoint(value):
            return value
        given = dict(value)
        for old, new in names.items():
            if old in given:
                meant = given.pop(old)
                default = legacy_defaults.get(new)
                if given.get(new, default) == default:
                    given[new] = meant
        return given

    return rename


Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(ge=1)]
AtLeast2 = Annotated[int, Field(ge=2)]
Count = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Scalar = int | float | str | bool | None

Columns = Literal[-1] | list[int]
"""Positions of columns; -1 for all. Columns chosen by name are added to these."""
Names = list[str] | None

Frequency = PositiveInt | list[int] | None
"""Every so many iterations, or after these ones."""
Criterion = Annotated[Literal["diff", "weight_diff", "abs"], AnyCase()]
Penalty = Annotated[Literal["L2", "L1"] | None, AnyCase()]
Optimizer = Annotated[Literal["sgd", "rmsprop", "adam", "adagrad", "sqn", "nesterov_momentum_sgd"], AnyCase()]
TaskType = Annotated[Literal["classification", "regression"], AnyCase()]
Federation = Annotated[Literal["hetero", "homo"], AnyCase()]
Fill = Annotated[Literal["min", "max", "mean", "designated"] | None, AnyCase()]


class EncryptParams(ParameterGroup):
    """How numbers are encrypted."""

    method: Annotated[
        Literal["Paillier", "IPCL", "IterativeAffine"] | None,
        AnyCase(also=(("randomiterativeaffine", "IterativeAffine"),)),
    ] = "Paillier"
    """IterativeAffine, which was broken, stands for Paillier, as FATE has it since 1.7.1."""
    key_length: PositiveInt = 2048
    """Bits of the modulus."""


class EncryptedModeParams(ParameterGroup):
    """How often a number is encrypted anew."""

    mode: Annotated[Literal["strict", "fast", "balance", "confusion_opt", "confusion_opt_balance"], AnyCase()] = (
        "strict"
    )
    re_encrypted_rate: float = 1


class InitParams(ParameterGroup):
    """The weights to start from."""

    init_method: Annotated[Literal["random_uniform", "random_normal", "ones", "zeros", "const"], AnyCase()] = (
        "random_uniform"
    )
    init_const: float = 1
    """const: every weight."""
    fit_intercept: bool = True
    random_seed: int | None = None


class CrossValidationParams(ParameterGroup):
    """Cross validation in place of a fit."""

    need_cv: bool = False
    n_splits: PositiveInt = 5
    mode: Federation = "hetero"
    """Of no effect: the module says whether rows or columns are divided."""
    role: Annotated[Literal["guest", "host", "arbiter"], AnyCase()] = "guest"
    """Of no effect: a party's role is that of the conf."""
    shuffle: bool = True
    random_seed: int | None = 1
    output_fold_history: bool = True
    history_value_type: Annotated[Literal["score", "instance"], AnyCase()] = "score"
    evaluate_param: dict[str, Any] | None = None
    """Of FATE up to 1.4, which scored the folds by it. Of no effect here."""


class StepwiseParams(ParameterGroup):
    """Choice of features by adding them and taking them away one at a time."""

    need_stepwise: bool = False
    score_name: Annotated[Literal["AIC", "BIC"], AnyCase()] = "AIC"
    mode: Federation = "hetero"
    """Of no effect: the module says whether rows or columns are divided."""
    role: Annotated[Literal["guest", "host", "arbiter"], AnyCase()] = "guest"
    """Of no effect: a party's role is that of the conf."""
    direction: Annotated[Literal["forward", "backward", "both"], AnyCase()] = "both"
    max_step: PositiveInt = 10
    nvmin: AtLeast2 = 2
    nvmax: AtLeast2 | None = None

    @model_validator(mode="after")
    def _some_number_of_features(self) -> Self:
        if self.nvmax is not None and self.nvmin > self.nvmax:
            raise ValueError(f"nvmin {self.nvmin} is greater than nvmax {self.nvmax}")
        return self


class SqnParams(ParameterGroup):
    """Of the optimizer sqn (stochastic quasi-Newton)."""

    update_interval_L: PositiveInt = 3  # noqa: N815 - as FATE writes it
    memory_M: PositiveInt = 5  # noqa: N815 - as FATE writes it
    sample_size: PositiveInt = 5000
    random_seed: int | None = None


class PredictParams(ParameterGroup):
    """How a probability becomes a class."""

    threshold: Fraction = 0.5


class CallbackParams(ParameterGroup):
    """What is done between iterations."""

    callbacks: list[Annotated[Literal["EarlyStopping", "ModelCheckpoint", "PerformanceEvaluate"], AnyCase()]] = Field(
        default_factory=list
    )
    validation_freqs: Frequency = None
    early_stopping_rounds: PositiveInt | None = None
    metrics: list[str] | None = Field(default_factory=list)
    use_first_metric_only: bool = False
    save_freq: PositiveInt = 1


class ObjectiveParams(ParameterGroup):
    """The loss that trees are grown for."""

    objective: Annotated[
        Literal["cross_entropy", "lse", "lae", "huber", "fair", "log_cosh", "tweedie"] | None, AnyCase()
    ] = "cross_entropy"
    params: list[float] | None = None
    """huber: delta; fair: c; tweedie: the power of the variance, at least 1 and less than 2."""

    @model_validator(mode="after")
    def _has_its_parameter(self) -> ObjectiveParams:
        if self.objective in ("huber", "fair", "tweedie"):
            if not self.params:
                raise ValueError(f"the objective {self.objective} needs its parameter: write params as a list of one")
            if self.objective == "tweedie" and not 1 <= self.params[0] < 2:
                raise ValueError("the parameter of tweedie is at least 1 and less than 2")
            if self.params[0] <= 0:
                raise ValueError(f"the parameter of {self.objective} is greater than 0")
        return self


class TreeParams(ParameterGroup):
    """How one tree is grown."""

    criterion_method: Annotated[Literal["xgboost"], AnyCase()] = "xgboost"
    criterion_params: list[float] | dict[str, float] = Field(default_factory=lambda: [0.1, 0])
    """Weights of the L2 and L1 penalties on the leaves."""
    max_depth: PositiveInt = 3
    min_sample_split: Count = 2
    min_impurity_split: float = 1e-3
    min_leaf_node: Count = 1
    max_split_nodes: PositiveInt = 65536
    """Of no effect: FATE's limit on the nodes whose histograms are sent at once. Here each is sent by itself."""
    feature_importance_type: Annotated[Literal["split", "gain"], AnyCase()] = "split"
    n_iter_no_change: bool = True
    """Of no effect: a tree has no rounds, see the module's own."""
    tol: float = 1e-3
    """Of no effect, like n_iter_no_change."""
    min_child_weight: float = Field(0, ge=0)
    use_missing: bool = False
    zero_as_missing: bool = False
    deterministic: bool = False
    """Of no effect: results never depend on the order in which sums are made."""

    @field_validator("criterion_params")
    @classmethod
    def _two_penalties(cls, value: list[float] | dict[str, float]) -> list[float] | dict[str, float]:
        unknown = sorted(value.keys() - {"l1", "l2"}) if isinstance(value, dict) else value[2:]
        if unknown:
            raise ValueError(f"criterion_params are the weights of the L2 and L1 penalties, and not {unknown} besides")
        if not all(weight >= 0 for weight in (value.values() if isinstance(value, dict) else value)):
            raise ValueError("the weights of penalties are at least 0")
        return value


class TransformParams(ParameterGroup):
    """What replaces a value once its bin is known."""

    transform_cols: Columns | None = -1
    transform_names: Names = None
    transform_type: Annotated[Literal["bin_num", "woe"] | None, AnyCase()] = "bin_num"


class OptimalBinningParams(ParameterGroup):
    """Merging of many small bins into those that tell the classes apart best."""

    metric_method: Annotated[
        Literal["iv", "gini", "chi_square", "ks"], AnyCase(also=(("chi-square", "chi_square"),))
    ] = "iv"
    min_bin_pct: Fraction = 0.05
    max_bin_pct: Fraction = 1.0
    init_bin_nums: PositiveInt = 1000
    mixture: bool = True
    init_bucket_method: Annotated[Literal["quantile", "bucket"], AnyCase()] = "quantile"


def batch_size_of_at_least_10(value: int) -> int:
    """Validator of batch_size: -1 for all rows, or enough of them.

    Raises:
        ValueError: a batch that hides too little of a row.
    """
    if value != -1 and value < 10:
        raise ValueError("batch_size is -1, for all rows, or at least 10: fewer rows hide too little")
    return value
