"""Whether the guest and a host do the same with the same parameters, before they do anything else."""

from __future__ import annotations

import json

from fate_components.alike import check_alike, stated
from fate_components.secureboost.spec import HeteroSecureBoostParams
from fate_federated.errors import DataError, MessageRejected
from fate_federated.task.context import TaskContext

IN_TRAINING = (
    "encrypt_param.key_length", "cipher_compress", "cipher_compress_error", "num_trees", "tree_param.max_depth",
    "subsample_feature_rate", "run_goss", "tree_num_per_party", "guest_depth", "host_depth", "cv_param.need_cv",
    "cv_param.n_splits",
)  # fmt: skip
"""Parameters that have to be the same at all parties.

The others concern one party alone: the guest has the objective and decides when to stop, a host cuts its own columns
into bins, says whether they have holes, and may insist on more rows in ``min_leaf_node`` than the guest does.
"""
IN_PREDICTION = ("EINI_inference", "EINI_random_mask")
"""The same. ``EINI_complexity_check`` is each host's own condition."""


def announce(ctx: TaskContext, params: HeteroSecureBoostParams, *, fit: bool) -> None:
    """Tell the hosts what is going to be done, and with which parameters."""
    ctx.hosts.push("agreement", {"fit": fit, "parameters": _parameters(params, fit=fit)})


def check_agreement(ctx: TaskContext, params: HeteroSecureBoostParams, *, fit: bool) -> None:
    """Whether a host was told to do the same.

    Raises:
        ConfigError: parameters differ.
        DataError: only one of the two has training data.
        MessageRejected: the guest sent something else.
    """
    match ctx.guest.pull("agreement"):
        case {"fit": bool() as fits, "parameters": dict() as theirs}:
            pass
        case _:
            raise MessageRejected("The guest did not say what it does, and with which parameters.")
    if fits != fit:
        raise DataError(f"The guest and {ctx.party} do not both have training data for {ctx.component}.", public=True)
    check_alike(ctx, ctx.guest.party, _parameters(params, fit=fit), theirs)


def _parameters(params: HeteroSecureBoostParams, *, fit: bool) -> dict[str, str]:
    if not fit:
        return stated(params, IN_PREDICTION)
    callbacks = params.callback_param
    # Each of these can be written in several ways.
    same = {
        "boosting_strategy (work_mode)": params.strategy,
        "complete_secure": int(params.complete_secure),
        "callback_param (ModelCheckpoint)": callbacks.save_freq if "ModelCheckpoint" in callbacks.callbacks else 0,
    }
    return stated(params, IN_TRAINING) | {name: json.dumps(value) for name, value in same.items()}
