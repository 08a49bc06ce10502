"""What parties that train a model over vertically split features have to be given alike."""

from __future__ import annotations

ALIKE = (
    "penalty", "tol", "alpha", "optimizer", "batch_size", "shuffle", "batch_strategy", "masked_rate", "learning_rate",
    "max_iter", "early_stop", "encrypt_param.key_length", "cv_param.need_cv", "cv_param.n_splits", "cv_param.shuffle",
    "cv_param.random_seed", "stepwise_param.need_stepwise", "sqn_param", "decay", "decay_sqrt", "validation_freqs",
    "early_stopping_rounds", "callback_param.callbacks", "callback_param.validation_freqs",
    "callback_param.early_stopping_rounds", "callback_param.save_freq", "floating_point_precision",
)  # fmt: skip
"""Parameters of a model over vertically split features that have to be the same at all parties."""
