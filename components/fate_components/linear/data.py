"""What a model makes of a party's table, and the small messages around a training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fate_components.linear.messages import Plan, Verdict
from fate_components.linear.model import Floats
from fate_federated.catalog.shared_params import InitParams
from fate_federated.errors import DataError, ModelError
from fate_federated.task.component import Inputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Labels:
    """What the guest's label means to a model.

    Attributes:
        numbers: y, shape (rows, models) or (rows, 1).
        models: that are trained: one, or one for each of more than two classes.
        classes: the labels of a classifier, rising; empty for predicted numbers.
    """

    numbers: Floats
    models: int
    classes: Floats


@dataclass(frozen=True, slots=True)
class Data:
    """One party's table as a model sees it.

    Attributes:
        features: shape (rows, len(header)).
        offset: log of the exposure, shape (rows,); zeros without.
    """

    table: Table
    header: tuple[str, ...]
    features: Floats
    offset: Floats


def tables_of(ctx: TaskContext, inputs: Inputs, *, alone: bool) -> tuple[Table | None, list[tuple[str, Table]]]:
    """What to train on, if at all, and what else to predict with the type that its rows are given.

    Args:
        alone: training data are not validated by others, as in a cross validation.

    Raises:
        DataError: there is nothing.
    """
    train = inputs.first("train_data") if inputs.model is not None else inputs.first("train_data", "data")
    if train is not None:
        if alone and inputs.model is not None:
            log.warning("the model to go on from has no effect in a cross validation or a stepwise choice of features")
        validate = None if alone else inputs.first("validate_data", "eval_data")
        return train, [] if validate is None else [("validate", validate)]
    test = inputs.first("test_data", "eval_data", "validate_data", "data")
    if test is None:
        raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
    return None, [("predict", test)]


def required_model(model: Model | None) -> Model:
    """The model to predict with.

    Raises:
        ModelError: there is none.
    """
    if model is None:
        raise ModelError("There is neither training data nor a model to predict with.")
    return model


def checked_weight(table: Table) -> Floats | None:
    """The sample weights of a table, shape (rows,), None without.

    Raises:
        DataError: one is negative, or too large, or all are 0.
    """
    weight = table.weight
    if weight is not None and not (np.isfinite(weight).all() and (weight >= 0).all() and weight.max() < 4096):
        raise DataError("Sample weights are numbers of at least 0 and below 4096. Set SampleWeight's normalize.")
    if weight is not None and not weight.any():
        raise DataError("All sample weights are 0: there is nothing to learn from.")
    return weight


def no_exposure(exposure: str) -> str:
    """What is told of a table without that column."""
    return f"the guest's data have no column {exposure!r}, which exposure_colname names"


def offset_of(table: Table, exposure: str | None) -> Floats:
    """The log of a table's exposure, shape (rows,); zeros without, and as in FATE without such a column.

    Raises:
        DataError: a value is not greater than 0.
    """
    if exposure is None:
        return np.zeros(len(table))
    if exposure not in table.data.column_names:
        log.warning("%s: every row counts as exposed by 1", no_exposure(exposure))
        return np.zeros(len(table))
    values = table.numbers([exposure])[:, 0]
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise DataError(f"The exposure {exposure!r} has values that are missing or not greater than 0.")
    offset: Floats = np.log(values)
    return offset


def initial_weights(ctx: TaskContext, params: InitParams, shape: tuple[int, int]) -> Floats:
    """Those of init_param."""
    rng = ctx.rng if params.random_seed is None else np.random.default_rng(abs(params.random_seed))
    match params.init_method:
        case "random_uniform":
            return rng.uniform(0, 1, shape)
        case "random_normal":
            return rng.normal(size=shape)
        case "zeros":
            return np.zeros(shape)
        case "ones":
            return np.ones(shape)
        case "const":
            return np.full(shape, float(params.init_const))


def announce(ctx: TaskContext, plan: Plan, parameters: Mapping[str, str]) -> None:
    """Tell the others what is going to be done, and with which parameters; see :func:`.alike.stated`."""
    for peers in (ctx.hosts, ctx.arbiters):
        peers.push("plan", plan.to_wire())
        peers.push("parameters", parameters)


def log_losses(ctx: TaskContext, iteration: int, verdict: Verdict, unit_name: str = "iters") -> None:
    """A point of each model's loss curve."""
    if len(verdict.losses) == 1:
        ctx.log_loss(iteration, verdict.losses[0], unit_name)
        return
    for model, loss in enumerate(verdict.losses):
        meta = {"metric_type": "LOSS", "name": "loss", "curve_name": f"loss.{model}", "unit_name": unit_name}
        ctx.tracker.log_metric("train", f"loss.{model}", [(float(iteration), loss)], meta)
    log.info("iteration %d: losses %s", iteration, ", ".join(f"{loss:.6f}" for loss in verdict.losses))
