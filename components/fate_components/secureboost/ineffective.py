"""Telling of parameters of trees that are set and do nothing."""

from __future__ import annotations

import logging

from fate_components.secureboost.spec import HeteroSecureBoostParams, TreeTrainingParams

log = logging.getLogger(__name__)


def warn_of_no_effect(params: TreeTrainingParams, *, validates: bool, outputs: int) -> None:
    """Say which settings of a training have no effect for lack of others.

    Args:
        validates: whether there are validation data.
        outputs: numbers that a row is scored with.
    """
    callbacks = params.callback_param.callbacks
    # What is set, what it needs, whether it is set, whether there is what it needs.
    lacking: list[tuple[str, str, object, object]] = [
        ("callback_param.callbacks EarlyStopping", "early_stopping_rounds",
         "EarlyStopping" in callbacks, params.patience),
        ("early_stopping_rounds", "validation data", params.patience, validates),
        ("callback_param.early_stopping_rounds", "the callback EarlyStopping",
         params.callback_param.early_stopping_rounds, "EarlyStopping" in callbacks),
        ("callback_param.callbacks PerformanceEvaluate", "validation_freqs",
         "PerformanceEvaluate" in callbacks, params.validated),
        ("validation_freqs", "validation data", params.validated and params.patience is None, validates),
        ("tol", "n_iter_no_change", "tol" in params.model_fields_set, params.n_iter_no_change),
        ("zero_as_missing", "use_missing",
         params.zero_as_missing or params.tree_param.zero_as_missing, params.knows_missing),
        ("multi_mode multi_output", "more than two classes", params.multi_mode == "multi_output", outputs > 1),
    ]  # fmt: skip
    if isinstance(params, HeteroSecureBoostParams):
        given, strategy = params.model_fields_set, params.strategy
        lacking += [
            ("top_rate, other_rate", "run_goss", given & {"top_rate", "other_rate"}, params.run_goss),
            ("tree_num_per_party", "the strategy mix", "tree_num_per_party" in given, strategy == "mix"),
            ("guest_depth, host_depth", "the strategy layered",
             given & {"guest_depth", "host_depth"}, strategy == "layered"),
            ("EINI_random_mask, EINI_complexity_check", "EINI_inference",
             params.EINI_random_mask or params.EINI_complexity_check, params.EINI_inference),
        ]  # fmt: skip
        if strategy == "layered" and "max_depth" in params.tree_param.model_fields_set:
            log.warning("tree_param.max_depth has no effect: trees have the levels of host_depth and guest_depth")
    for name, lack, is_set, there in lacking:
        if is_set and not there:
            log.warning("%s has no effect without %s", name, lack)
