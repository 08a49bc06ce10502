"""LocalBaseline as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from fate_federated.catalog.shared_params import (
    AnyCase,
    Fraction,
    ModuleParams,
    ParameterGroup,
    PositiveFloat,
    PositiveInt,
    PredictParams,
)
from fate_federated.catalog.spec import ComponentSpec
from fate_federated.party import Role


class Options(ParameterGroup):
    """What scikit-learn's linear models have in common."""

    fit_intercept: bool = True


class LogisticRegressionOptions(Options):
    """Those that scikit-learn 1.0 to 1.7 has, so that what is written for FATE keeps its meaning."""

    penalty: Annotated[Literal["l1", "l2", "elasticnet"] | None, AnyCase()] = "l2"
    C: PositiveFloat = 1.0
    """Inverse of the penalty's weight."""
    l1_ratio: Fraction | None = None
    """penalty elasticnet: the share of L1."""
    dual: bool = False
    tol: PositiveFloat = 1e-4
    intercept_scaling: PositiveFloat = 1.0
    class_weight: Literal["balanced"] | dict[str, Annotated[float, Field(ge=0)]] | None = None
    """How much the rows of a label count, by label; balanced: as much as those of any other together."""
    random_state: int | None = None
    solver: Literal["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"] = "lbfgs"
    max_iter: PositiveInt = 100
    multi_class: Literal["auto", "ovr", "multinomial"] = "auto"
    """Of more than two classes. auto: multinomial, with liblinear ovr."""
    verbose: int = 0
    warm_start: bool = False
    n_jobs: int | None = None
    """Like the two above, without effect on the model."""

    @field_validator("class_weight")
    @classmethod
    def _of_numbers(cls, value: Any) -> Any:
        for label in value if isinstance(value, dict) else ():
            try:
                float(label)
            except ValueError:
                raise ValueError(f"labels are numbers, and {label!r} is none") from None
        return value

    @model_validator(mode="after")
    def _of_the_solver(self) -> LogisticRegressionOptions:
        allowed: tuple[str | None, ...] = {
            "liblinear": ("l1", "l2"),
            "saga": ("l1", "l2", "elasticnet", None),
        }.get(self.solver, ("l2", None))
        if self.penalty not in allowed:
            raise ValueError(f"the solver {self.solver} has no penalty {self.penalty}")
        if (self.penalty == "elasticnet") != (self.l1_ratio is not None):
            raise ValueError("the penalty elasticnet, and no other, needs l1_ratio")
        if self.dual and (self.solver, self.penalty) != ("liblinear", "l2"):
            raise ValueError("dual needs the solver liblinear and the penalty l2")
        if self.solver == "liblinear" and self.multi_class == "multinomial":
            raise ValueError("the solver liblinear has no multi_class multinomial")
        return self


class LinearRegressionOptions(Options):
    """Least squares."""

    positive: bool = False


class RidgeOptions(Options):
    """Least squares with an L2 penalty."""

    alpha: float = Field(1.0, ge=0)
    max_iter: PositiveInt | None = None
    tol: PositiveFloat = 1e-4
    solver: Literal["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga"] = "auto"
    random_state: int | None = None


class PoissonRegressorOptions(Options):
    """A generalised linear model of counts with an L2 penalty."""

    alpha: float = Field(1.0, ge=0)
    solver: Literal["lbfgs", "newton-cholesky"] = "lbfgs"
    max_iter: PositiveInt = 100
    tol: PositiveFloat = 1e-4


OPTIONS: dict[str, type[Options]] = {
    "LogisticRegression": LogisticRegressionOptions,
    "LinearRegression": LinearRegressionOptions,
    "Ridge": RidgeOptions,
    "PoissonRegressor": PoissonRegressorOptions,
}


class LocalBaselineParams(ModuleParams):
    """FATE's parameters. It has LogisticRegression only; the others are there for regressions to compare with."""

    model_name: Annotated[Literal["LogisticRegression", "LinearRegression", "Ridge", "PoissonRegressor"], AnyCase()] = (
        "LogisticRegression"
    )
    model_opts: dict[str, Any] | None = None
    """As scikit-learn names them."""
    predict_param: PredictParams = Field(default_factory=PredictParams)
    """threshold: of two classes, the probability above which the larger label is predicted."""

    @field_validator("model_opts")
    @classmethod
    def _of_the_model(cls, value: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        name = info.data.get("model_name")
        if name is not None:
            try:
                OPTIONS[name].model_validate(value or {})
            except ValidationError as error:
                found = error.errors(include_url=False, include_context=False)[0]
                option = ".".join(map(str, found["loc"]))
                if found["type"] == "extra_forbidden":
                    raise ValueError(f"the model {name} has no option {option}") from None
                of = f"option {option} of {name}: " if option else ""
                raise ValueError(of + found["msg"].removeprefix("Value error, ")) from None
        return value

    @property
    def options(self) -> Options:
        """model_opts with scikit-learn's defaults."""
        return OPTIONS[self.model_name].model_validate(self.model_opts or {})


LOCAL_BASELINE = ComponentSpec(
    module="LocalBaseline",
    roles=frozenset({Role.GUEST, Role.HOST}),
    needs=frozenset({Role.GUEST}),
    params=LocalBaselineParams,
    implementation="fate_components.local_baseline.component:LocalBaseline",
    model_outputs=1,
)
