"""Telling of parameters that are set and do nothing."""

from __future__ import annotations

import logging

from fate_components.linear.params import TrainingParams

log = logging.getLogger(__name__)


def warn_of_no_effect(params: TrainingParams, *, validates: bool) -> None:
    """Say which settings of a training have no effect for lack of others.

    Args:
        validates: whether there are validation data.
    """
    callbacks, callback_param = params.callback_param.callbacks, "callback_param.callbacks"
    if "EarlyStopping" in callbacks and params.patience is None:
        log.warning("%s EarlyStopping has no effect: early_stopping_rounds is not set", callback_param)
    if params.patience is not None and not validates:
        log.warning("early_stopping_rounds has no effect: there are no validation data")
    if "PerformanceEvaluate" in callbacks and params.validated is None:
        log.warning("%s PerformanceEvaluate has no effect: validation_freqs is not set", callback_param)
    if params.cv_param.need_cv and params.stepwise_param.need_stepwise:
        log.warning("cv_param has no effect: stepwise_param chooses features instead")
