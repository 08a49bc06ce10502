"""Which parameters are taken, and what is said of others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from fate_components.hetero_lr.spec import HETERO_LR, HeteroLRParams
from fate_federated.errors import DslError
from fate_federated.task.run import build_params

REAL = {
    "penalty": "L2", "optimizer": "nesterov_momentum_sgd", "tol": 0.0001, "alpha": 0.01, "max_iter": 30,
    "early_stop": "weight_diff", "batch_size": -1, "learning_rate": 0.15, "decay": 0.0, "decay_sqrt": False,
    "init_param": {"init_method": "zeros", "fit_intercept": True},
    "encrypt_param": {"key_length": 1024},
    "encrypted_mode_calculator_param": {"mode": "fast", "re_encrypted_rate": 1},
    "cv_param": {
        "n_splits": 5, "shuffle": False, "random_seed": 103, "need_cv": False,
        "evaluate_param": {"eval_type": "binary"},
    },
    "sqn_param": {"update_interval_L": 3, "memory_M": 5, "sample_size": 5000, "random_seed": None},
    "callback_param": {"callbacks": [], "metrics": None, "use_first_metric_only": False, "save_freq": 1},
    "stepwise_param": {"need_stepwise": False, "score_name": "AIC", "direction": "backward"},
    "validation_freqs": None, "early_stopping_rounds": None, "metrics": [], "use_first_metric_only": False,
    "multi_class": "ovr",
}  # fmt: skip


def test_what_real_files_set_is_taken() -> None:
    params = HeteroLRParams.model_validate(REAL)
    assert params.optimizer == "nesterov_momentum_sgd"
    assert params.encrypt_param.key_length == 1024


def test_the_defaults_are_fates() -> None:
    params = HeteroLRParams()
    assert (params.optimizer, params.penalty, params.alpha, params.tol) == ("rmsprop", "L2", 1.0, 1e-4)
    assert (params.learning_rate, params.max_iter, params.batch_size, params.early_stop) == (0.01, 100, -1, "diff")
    assert params.encrypt_param.key_length == 2048


@pytest.mark.parametrize("penalty", [None, "None", "none", "NONE"])
def test_no_penalty_is_written_in_several_ways(penalty: str | None) -> None:
    assert HeteroLRParams.model_validate({"penalty": penalty}).penalty is None


@pytest.mark.parametrize(
    ("given", "pointer", "message"),
    [
        ({"batch_size": 9}, "/p/batch_size", "at least 10"),
        ({"encrypt_param": {"method": None}}, "/p/encrypt_param/method", "use Paillier"),
        ({"encrypt_param": {"key_length": 512}}, "/p/encrypt_param/key_length", "1024"),
        ({"learning_rate": 0}, "/p/learning_rate", "greater than 0"),
        ({"max_iterations": 3}, "/p/max_iterations", "max_iterations"),
    ],
)
def test_what_is_not_honoured_is_an_error_with_its_place(given: dict[str, Any], pointer: str, message: str) -> None:
    with pytest.raises(DslError, match=message) as caught:
        build_params(HETERO_LR, given, "/p")
    assert [problem.pointer for problem in caught.value.problems] == [pointer]


def test_the_spec_is_read_without_numpy() -> None:
    code = "import sys, fate_components.hetero_lr.spec; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
