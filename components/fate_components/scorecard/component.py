"""A credit score of each predicted probability."""

from __future__ import annotations

import json
import logging

import numpy as np
import pyarrow as pa

from fate_components.scorecard.model import Scale, credit_score
from fate_components.scorecard.spec import ScorecardParams
from fate_components.tables import input_table
from fate_federated.errors import DataError
from fate_federated.task.component import Component, Inputs, Outputs
from fate_federated.task.context import TaskContext
from fate_federated.task.table import Table

log = logging.getLogger(__name__)

LABEL, RESULT, SCORE, DETAIL, TYPE, CREDIT = (
    "label", "predict_result", "predict_score", "predict_detail", "type", "credit_score",
)  # fmt: skip


class Scorecard(Component[ScorecardParams]):
    """Score predictions of two classes: credit_score beside label, predict_result and predict_score. Each party by
    itself; nothing is sent. A host, which has no predictions, has nothing to do.
    """

    Params = ScorecardParams

    def run_guest(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        return self._scored(ctx, input_table(ctx, inputs))

    def run_host(self, ctx: TaskContext, inputs: Inputs) -> Outputs:
        table = inputs.first("data")
        return Outputs() if table is None else self._scored(ctx, table)

    def _scored(self, ctx: TaskContext, table: Table) -> Outputs:
        probability = _probability(table)
        params = self.params
        highest = params.upper_limit_ratio * params.offset
        scale = Scale.of(params.offset, params.factor, params.factor_base, params.lower_limit_value, highest)
        formula = f"Score = {params.offset:g} + {params.factor:g} / ln({params.factor_base:g}) * ln(Odds)"
        log.info("%d rows: %s", len(table), formula)
        ctx.tracker.log_metric("train", "scorecard", (), {"metric_type": "SCORECARD", "name": "scorecard"})
        ctx.tracker.set_summary({"scorecard_compute_formula": formula})
        names = [name for name in (table.id_column, LABEL, RESULT, SCORE) if name in table.data.column_names]
        data = table.data.select(names).append_column(CREDIT, pa.array(credit_score(scale, probability)))
        if TYPE in table.data.column_names:
            data = data.append_column(TYPE, table.data.column(TYPE))
        return Outputs((Table(data, table.id_column, LABEL if table.label_column == LABEL else None),))


def _probability(table: Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if SCORE not in table.data.column_names:
        raise DataError(f"The table has no column {SCORE}: a scorecard takes the predictions of a model.")
    if DETAIL in table.data.column_names and len(table):
        detail = json.loads(table.data.column(DETAIL)[0].as_py())
        if len(detail) != 2:
            raise DataError(f"The predictions are of {len(detail)} classes; a scorecard takes those of two.")
    probability = table.numbers([SCORE])[:, 0]
    wrong = int((~((probability >= 0) & (probability <= 1))).sum())
    if wrong:
        raise DataError(f"{wrong} values of {SCORE} are not between 0 and 1: they are no probabilities.")
    return probability
