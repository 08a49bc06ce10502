"""Jobs to parse."""

from __future__ import annotations

import pytest
from dsl_jobs import Job


@pytest.fixture
def dsl() -> Job:
    """A dsl of version 2."""
    return {
        "components": {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            "data_io_0": {
                "module": "DataIO",
                "input": {"data": {"data": ["reader_0.data"]}},
                "output": {"data": ["data"], "model": ["model"]},
            },
            "hetero_lr_0": {
                "module": "HeteroLR",
                "input": {"data": {"train_data": ["data_io_0.data"]}},
                "output": {"data": ["data"], "model": ["model"]},
            },
            "evaluation_0": {
                "module": "Evaluation",
                "input": {"data": {"data": ["hetero_lr_0.data"]}},
                "output": {"data": ["data"]},
            },
        }
    }


@pytest.fixture
def conf() -> Job:
    """A conf of version 2, with two hosts."""
    return {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000, "bank"], "arbiter": [10000]},
        "component_parameters": {
            "common": {
                "data_io_0": {"with_label": False},
                "hetero_lr_0": {"learning_rate": 0.2, "encrypt_param": {"key_length": 1024}},
            },
            "role": {
                "guest": {
                    "0": {
                        "reader_0": {"table": {"namespace": "ns", "name": "guest"}},
                        "data_io_0": {"with_label": True},
                    }
                },
                "host": {
                    "all": {"reader_0": {"table": {"namespace": "ns", "name": "host"}}},
                    "1": {"reader_0": {"table": {"name": "bank"}}},
                },
            },
        },
    }


@pytest.fixture
def dsl1() -> Job:
    """A dsl of version 1: it trains on one table and validates on another."""
    return {
        "components": {
            "dataio_0": {
                "module": "DataIO",
                "input": {"data": {"data": ["args.train_data"]}},
                "output": {"data": ["train"], "model": ["dataio"]},
                "need_deploy": True,
            },
            "dataio_1": {
                "module": "DataIO",
                "input": {"data": {"data": ["args.eval_data"]}, "model": ["dataio_0.dataio"]},
                "output": {"data": ["eval"]},
            },
            "hetero_lr_0": {
                "module": "HeteroLR",
                "input": {"data": {"train_data": ["dataio_0.train"], "eval_data": ["dataio_1.eval"]}},
                "output": {"data": ["scores"]},
            },
            "evaluation_0": {"module": "Evaluation", "input": {"data": {"data": ["hetero_lr_0.scores"]}}},
        }
    }


@pytest.fixture
def conf1() -> Job:
    """A conf of version 1, with two hosts."""
    tables = {
        role: {
            key: [{"namespace": "ns", "name": f"{role}_{key}_{index}"} for index in range(parties)]
            for key in ("train_data", "eval_data")
        }
        for role, parties in (("guest", 1), ("host", 2))
    }
    return {
        "initiator": {"role": "guest", "party_id": 9999},
        "job_parameters": {"work_mode": 0},
        "role": {"guest": [9999], "host": [10000, 10001], "arbiter": [10000]},
        "role_parameters": {
            "guest": {"args": {"data": tables["guest"]}, "dataio_0": {"label_name": ["target"]}},
            "host": {"args": {"data": tables["host"]}, "dataio_0": {"with_label": [False, False]}},
        },
        "algorithm_parameters": {"hetero_lr_0": {"max_iter": 7}},
    }
