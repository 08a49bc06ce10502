"""SBTFeatureTransformer: see the package."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa

from fate_components.sbt_feature_transformer.model import (
    MODULE,
    boosted_model,
    is_dense,
    leaf_features,
    leaf_names,
    transformer_model,
)
from fate_components.sbt_feature_transformer.spec import SBTFeatureTransformerParams
from fate_components.secureboost.messages import Plan
from fate_components.secureboost.model import forest_of, host_forest_of
from fate_components.secureboost.prediction import features_for, pull_answers, push_answers
from fate_components.tables import input_table, row_digest
from fate_federated.errors import ModelError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.model import Model

log = logging.getLogger(__name__)


class SBTFeatureTransformer(Component[SBTFeatureTransformerParams]):
    """Replace the guest's features by the leaves of boosted trees in which rows end, see
    :mod:`fate_components.sbt_feature_transformer`. Hosts hand their tables on as they are.

    The trees are those of an isometric model of HeteroSecureBoost or HeteroFastSecureBoost; with a model of this module
    they are that one's.
    """

    Params = SBTFeatureTransformerParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        transformer, table = self._transformer(inputs), input_table(ctx, inputs)
        plan = Plan(False, row_digest(table), len(table), b"", 0, 1, 1, True)
        ctx.hosts.push("plan", plan.to_wire())
        boosted = boosted_model(transformer)
        forest = forest_of(boosted)
        features = features_for(table, forest.header, boosted)
        parts = [
            leaf_features(forest, features[rows], answers)
            for rows, answers in pull_answers(ctx, forest, len(table), "routes")
        ]
        kind = pa.float64() if is_dense(transformer) else pa.int8()
        columns = {
            name: pa.array(
                np.concatenate([part[name] for part in parts] or [np.empty(0, np.bool_)]).astype(np.int8)
            ).cast(kind)
            for name in leaf_names(forest)
        }
        log.info("%d trees made %d columns", len(forest.trees), len(columns))
        ctx.tracker.set_summary({"trees": len(forest.trees), "leaves": len(columns)})
        return Outputs([table.with_columns(columns)], transformer)

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        transformer, table = self._transformer(inputs), input_table(ctx, inputs)
        Plan.from_wire(ctx.guest.pull("plan")).check(ctx, table, None)
        boosted = boosted_model(transformer)
        forest = host_forest_of(boosted)
        push_answers(ctx, forest, features_for(table, forest.header, boosted), "routes")
        return Outputs([table], transformer)

    def _transformer(self, inputs: Inputs) -> Model:
        if inputs.model is not None and inputs.model.module == MODULE:
            return inputs.model
        given = [*([] if inputs.model is None else [inputs.model]), *inputs.isometric.values()]
        if len(given) != 1:
            raise ModelError(f"{MODULE} takes one model of boosted trees as isometric_model; it is given {len(given)}.")
        return transformer_model(given[0], dense=self.params.dense_format)
