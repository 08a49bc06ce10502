"""HeteroSecureBoost: see the package. What the roles do around the trees."""

from __future__ import annotations

import logging
from typing import ClassVar

from fate_components.secureboost.agreement import announce, check_agreement
from fate_components.secureboost.cross_validation import validate_as_guest, validate_as_host
from fate_components.secureboost.guest_training import train_guest
from fate_components.secureboost.hidden_routes import hidden_scores, strike_out
from fate_components.secureboost.host_training import train_host
from fate_components.secureboost.messages import Plan
from fate_components.secureboost.model import forest_of, host_forest_of
from fate_components.secureboost.prediction import (
    features_for,
    prediction_table,
    push_answers,
    scores_with_hosts,
)
from fate_components.secureboost.spec import HeteroFastSecureBoostParams, HeteroSecureBoostParams
from fate_components.tables import row_digest
from fate_federated.errors import DataError, MessageRejected, ModelError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model
from fate_federated.task.table import Table

log = logging.getLogger(__name__)


class HeteroSecureBoost(Component[HeteroSecureBoostParams]):
    """SecureBoost, see :mod:`fate_components.secureboost`: gradient boosted trees over vertically split features.

    Training data and a model: more trees. Other data and a model: prediction. With ``cv_param.need_cv`` a training for
    each fold and no model. Rows count by their weight where the table has one.
    """

    Params = HeteroSecureBoostParams
    module: ClassVar[str] = "HeteroSecureBoost"

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, other = _modes(ctx, inputs)
        announce(ctx, self.params, fit=train is not None)
        if train is not None:
            self._warn_of_weak_keys()
            if self.params.cv_param.need_cv:
                return validate_as_guest(ctx, self.module, self.params, train)
            return train_guest(ctx, self.module, self.params, train, other, inputs.model)
        model, table = _required(inputs.model), _required_table(ctx, other)
        plan = Plan(False, row_digest(table), len(table), b"", 0, 1, 1, True)
        ctx.hosts.push("plan", plan.to_wire())
        forest = forest_of(model)
        features = features_for(table, forest.header, model)
        if self.params.EINI_inference:
            scores = hidden_scores(ctx, forest, features, self.params)
        else:
            scores = scores_with_hosts(ctx, forest, features, "predicted")
        predicted = prediction_table(table, scores, forest.classes, model, self.params, "predict")
        return Outputs([predicted], model)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        train, other = _modes(ctx, inputs)
        check_agreement(ctx, self.params, fit=train is not None)
        if train is not None and self.params.cv_param.need_cv:
            return validate_as_host(ctx, self.module, self.params, train)
        plan = Plan.from_wire(ctx.guest.pull("plan"))
        if plan.fit != (train is not None):
            raise MessageRejected("The guest's plan is not what it announced.")
        if train is not None:
            plan.check(ctx, train, other)
            self._warn_of_weak_keys()
            return train_host(ctx, self.module, self.params, plan, train, other, inputs.model)
        model, table = _required(inputs.model), _required_table(ctx, other)
        plan.check(ctx, table, None)
        forest = host_forest_of(model)
        features = features_for(table, forest.header, model)
        if self.params.EINI_inference:
            strike_out(ctx, forest, features, self.params)
        else:
            push_answers(ctx, forest, features, "predicted")
        return Outputs(model=model)

    def _warn_of_weak_keys(self) -> None:
        encrypt = self.params.encrypt_param
        if self.params.EINI_inference and self.params.EINI_random_mask:
            log.warning("EINI_random_mask: predicted scores will be multiplied by a random number")
        if encrypt.method == "IterativeAffine":
            log.warning("encrypt_param.method IterativeAffine is broken: Paillier is used instead")
        if encrypt.key_length < 2048:
            log.warning("encrypt_param.key_length %d is short of today's 2048", encrypt.key_length)


class HeteroFastSecureBoost(HeteroSecureBoost):
    """SecureBoost, see :mod:`fate_components.secureboost`, with trees (mix) or layers (layered) of one party each.

    mix: in each round one party alone offers splits, ``tree_num_per_party`` rounds in turn, the guest first. layered:
    one host offers splits in the upper ``host_depth`` levels, another in each round, and the guest in ``guest_depth``
    below. Everything else is as in HeteroSecureBoost.
    """

    Params = HeteroFastSecureBoostParams
    module = "HeteroFastSecureBoost"


def _modes(ctx: TaskContext, inputs: Inputs) -> tuple[Table | None, Table | None]:
    """What to train on, if at all, and what to validate or predict."""
    train = inputs.first("train_data") if inputs.model is not None else inputs.first("train_data", "data")
    if train is not None:
        validate = inputs.first("validate_data", "eval_data")
        return train, None if validate is None or not len(validate) else validate
    return None, inputs.first("test_data", "eval_data", "validate_data", "data")


def _required(model: Model | None) -> Model:
    if model is None:
        raise ModelError("There is neither training data nor a model to predict with.")
    return model


def _required_table(ctx: TaskContext, table: Table | None) -> Table:
    if table is None:
        raise DataError(f"{ctx.component} has no input data at {ctx.party}.")
    return table
