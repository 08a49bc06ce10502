"""What a run's parameters are, over the conf's."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_federated.dsl.parse import parse_job
from fate_federated.dsl.pipeline import Node, Pipeline
from fate_federated.dsl.run_conf import check_run_conf, run_parameters
from fate_federated.errors import DslError
from fate_federated.party import Party

GUEST, HOST, OTHER_HOST, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "host-10001", "arbiter-10000"))
NODE = Node(
    name="hetero_lr_0",
    module="HeteroLR",
    inputs=(),
    data_outputs=("data",),
    model_outputs=("model",),
    parameters={party: {"max_iter": 30, "early_stop": {"method": "diff", "tol": 1e-4}} for party in (GUEST, HOST)},
    participants=(GUEST, HOST, OTHER_HOST, ARBITER),
)


def overrides(**component_parameters: object) -> dict[str, object]:
    return {"component_parameters": component_parameters}


def test_without_overrides_they_are_the_confs() -> None:
    assert run_parameters(NODE, GUEST, {}) == NODE.parameters[GUEST]
    assert run_parameters(NODE, ARBITER, {}) == {}


def test_objects_are_merged_deeply() -> None:
    merged = run_parameters(NODE, GUEST, overrides(common={"hetero_lr_0": {"early_stop": {"tol": 1.0}}}))
    assert merged == {"max_iter": 30, "early_stop": {"method": "diff", "tol": 1.0}}


def test_a_role_wins_over_common_and_reaches_only_its_parties() -> None:
    conf = overrides(
        common={"hetero_lr_0": {"max_iter": 1}},
        role={"host": {"0": {"hetero_lr_0": {"max_iter": 2}}, "0|1": {"hetero_lr_0": {"alpha": 7}}}},
    )
    assert run_parameters(NODE, GUEST, conf)["max_iter"] == 1
    assert run_parameters(NODE, HOST, conf) | {"early_stop": None} == {"max_iter": 2, "alpha": 7, "early_stop": None}
    assert run_parameters(NODE, OTHER_HOST, conf) == {"max_iter": 1, "alpha": 7}


def test_all_names_every_party_of_a_role() -> None:
    conf = overrides(role={"host": {"all": {"hetero_lr_0": {"alpha": 7}}}})
    assert all(run_parameters(NODE, party, conf)["alpha"] == 7 for party in (HOST, OTHER_HOST))
    assert "alpha" not in run_parameters(NODE, GUEST, conf)


def test_other_components_are_left_alone() -> None:
    assert run_parameters(NODE, GUEST, overrides(common={"reader_0": {"max_iter": 1}})) == NODE.parameters[GUEST]


def test_a_wrong_shape_is_named_by_its_pointer() -> None:
    with pytest.raises(DslError, match="/component_parameters/common/hetero_lr_0"):
        run_parameters(NODE, GUEST, overrides(common={"hetero_lr_0": 3}))


KEYS = st.sampled_from(["component_parameters", "common", "role", "host", "0", "all", "hetero_lr_0", "early_stop", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(conf=st.dictionaries(KEYS, JSON, max_size=3))
def test_whatever_a_person_types_gives_parameters_or_a_dsl_error(conf: dict[str, object]) -> None:
    with contextlib.suppress(DslError):
        assert isinstance(run_parameters(NODE, HOST, conf), dict)


@pytest.fixture
def pipeline() -> Pipeline:
    """A job of guest, host and arbiter whose conf declares a param."""
    dsl = {
        "components": {
            "reader_0": {"module": "Reader", "output": {"data": ["data"]}},
            "hetero_lr_0": {
                "module": "HeteroLR",
                "input": {"data": {"train_data": ["reader_0.data"]}},
                "output": {"data": ["data"], "model": ["model"]},
            },
        }
    }
    conf = {
        "dsl_version": 2,
        "initiator": {"role": "guest", "party_id": 9999},
        "role": {"guest": [9999], "host": [10000], "arbiter": [10000]},
        "component_parameters": {"common": {"reader_0": {"table": {"namespace": "a", "name": "b"}}}},
        "airflow": {"params": {"region": "north"}},
    }
    return parse_job(json.dumps(dsl), json.dumps(conf))


def test_a_run_may_override_parameters_and_give_the_params_of_its_dag(pipeline: Pipeline) -> None:
    role = {"host": {"0": {"reader_0": {"table": {"name": "c"}}}}}
    check_run_conf(pipeline, {"region": "south"} | overrides(common={"hetero_lr_0": {"max_iter": 3}}, role=role))
    check_run_conf(pipeline, {})


@pytest.mark.parametrize(
    ("run_conf", "problem"),
    [
        (
            overrides(common={"hetero_lr_0": {"max_itr": 3}}),
            "/component_parameters/common/hetero_lr_0/max_itr: hetero_lr_0: max_itr is not a known key. "
            "Did you mean 'max_iter'?",
        ),
        (
            overrides(role={"host": {"0": {"hetero_lr_0": {"max_iter": "many"}}}}),
            '/component_parameters/role/host/0/hetero_lr_0/max_iter: hetero_lr_0 at host-10000: max_iter is "many"',
        ),
        (overrides(common={"hetero_lr": {}}), "/component_parameters/common/hetero_lr: no component of the dsl"),
        (overrides(common={"hetero_lr": {}}), "Did you mean 'hetero_lr_0'?"),
        (overrides(comon={}), "/component_parameters/comon: \"comon\" means nothing here. Did you mean 'common'?"),
        (overrides(common=3), "/component_parameters/common: common is 3"),
        (overrides(common={"hetero_lr_0": 3}), "/component_parameters/common/hetero_lr_0: the parameters of hetero"),
        (overrides(role={"hots": {}}), '/component_parameters/role/hots: "hots" is not a role'),
        (overrides(role={"host": {"1": {}}}), "/component_parameters/role/host/1: there is no party with index 1"),
        ({"component_parameters": []}, "/component_parameters: "),
        ({"component_parameter": {}}, "/component_parameter: "),
        ({"component_parameter": {}}, "Did you mean 'component_parameters'?"),
        ({"regoin": "south"}, "Did you mean 'region'?"),
        ({"job_parameters": {}}, '/job_parameters: "job_parameters" is neither component_parameters nor'),
    ],
)
def test_what_is_wrong_with_a_runs_conf_is_located(
    pipeline: Pipeline, run_conf: dict[str, object], problem: str
) -> None:
    with pytest.raises(DslError) as caught:
        check_run_conf(pipeline, run_conf)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("the run's conf /")
