"""Version 1 jobs, read as FATE up to 1.4 read them."""

from __future__ import annotations

import pytest
from dsl_jobs import Job, parse, problems, rendered

from fate_federated.dsl.pipeline import Edge, EdgeKind
from fate_federated.party import Party

GUEST, HOST, OTHER, ARBITER = map(Party.parse, ("guest-9999", "host-10000", "host-10001", "arbiter-10000"))


def test_each_args_key_becomes_a_reader_that_the_graph_shows(dsl1: Job, conf1: Job) -> None:
    pipeline = parse(dsl1, conf1)
    assert pipeline.dsl_version == 1
    assert [node.name for node in pipeline.nodes] == [
        "reader_train_data", "reader_eval_data", "dataio_0", "dataio_1", "hetero_lr_0", "evaluation_0",
    ]  # fmt: skip
    reader = pipeline.node("reader_train_data")
    assert (reader.module, reader.inputs, reader.participants) == ("Reader", (), (GUEST, HOST, OTHER))
    assert reader.parameters[OTHER] == {"table": {"namespace": "ns", "name": "host_train_data_1"}}
    assert pipeline.node("dataio_0").inputs == (Edge(EdgeKind.DATA, "data", "reader_train_data", "data"),)


def test_components_that_read_the_same_key_share_its_reader(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["dataio_1"]["input"]["data"]["data"] = ["args.train_data"]
    pipeline = parse(dsl1, conf1)
    assert pipeline.node("dataio_0").upstream == ("reader_train_data",)
    assert pipeline.node("dataio_1").upstream == ("reader_train_data", "dataio_0")


def test_a_reader_takes_no_name_that_the_dsl_has(dsl1: Job, conf1: Job) -> None:
    dsl1["components"]["reader_train_data"] = dsl1["components"].pop("evaluation_0")
    pipeline = parse(dsl1, conf1)
    assert pipeline.node("reader_train_data").module == "Evaluation"
    assert pipeline.node("dataio_0").upstream == ("reader_train_data_0",)


def test_parameters_of_a_role_are_lists_by_position(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["hetero_lr_0"] = {"encrypt_param": {"key_length": [1024, 2048]}}
    parameters = parse(dsl1, conf1).node("hetero_lr_0").parameters
    assert parameters[HOST]["encrypt_param"] == {"key_length": 1024}
    assert parameters[OTHER]["encrypt_param"] == {"key_length": 2048}
    assert {values["max_iter"] for values in parameters.values()} == {7}


def test_defaults_of_fate_up_to_1_4_lie_beneath_what_the_conf_says(dsl1: Job, conf1: Job) -> None:
    conf1["algorithm_parameters"]["hetero_lr_0"]["alpha"] = 0.5
    pipeline = parse(dsl1, conf1)
    assert pipeline.node("hetero_lr_0").parameters[GUEST] == {
        "alpha": 0.5, "max_iter": 7, "encrypt_param": {"key_length": 1024},
    }  # fmt: skip
    assert pipeline.node("dataio_0").parameters[GUEST] == {"with_label": True, "label_name": "target"}
    assert pipeline.node("dataio_0").parameters[HOST] == {"with_label": False}


def test_a_component_that_applies_a_model_has_the_role_parameters_of_the_model_s_maker(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["guest"]["dataio_1"] = {"label_type": ["float"]}
    parameters = parse(dsl1, conf1).node("dataio_1").parameters
    assert parameters[GUEST] == {"with_label": True, "label_name": "target", "label_type": "float"}
    assert parameters[OTHER] == {"with_label": False}


def test_outputs_that_the_dsl_leaves_unnamed_have_fate_s_names(dsl1: Job, conf1: Job) -> None:
    del dsl1["components"]["hetero_lr_0"]["output"]
    dsl1["components"]["evaluation_0"]["input"]["data"]["data"] = ["hetero_lr_0.component"]
    hetero_lr = parse(dsl1, conf1).node("hetero_lr_0")
    assert (hetero_lr.data_outputs, hetero_lr.model_outputs) == (("component",), ("default",))


def test_unknown_parameters_are_ignored_with_a_warning(dsl1: Job, conf1: Job) -> None:
    conf1["algorithm_parameters"]["hetero_lr_0"] |= {
        "nee_run": True,
        "encrypt_param": {"method": "x", "key_length": 2048},
    }
    pipeline = parse(dsl1, conf1)
    assert pipeline.node("hetero_lr_0").parameters[HOST]["encrypt_param"] == {"key_length": 2048}
    assert [(warning.pointer, warning.message) for warning in pipeline.warnings] == [
        ("/algorithm_parameters/hetero_lr_0/nee_run", "hetero_lr_0: nee_run is not a known key and is ignored"),
        (
            "/algorithm_parameters/hetero_lr_0/encrypt_param/method",
            "hetero_lr_0: encrypt_param.method is not a known key and is ignored",
        ),
    ]


def test_a_wrong_value_is_an_error_beside_ignored_keys(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["hetero_lr_0"] = {"max_iter": [5, 0], "cols": [1, 2]}
    (problem,) = problems(dsl1, conf1).values()
    assert problem.pointer == "/role_parameters/host/hetero_lr_0/max_iter/1"
    assert problem.message.startswith("hetero_lr_0 at host-10001: max_iter is 0")


def test_a_short_list_leaves_the_other_parties_with_what_else_holds(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["dataio_0"] = {"with_label": [False], "label_name": []}
    pipeline = parse(dsl1, conf1)
    assert pipeline.node("dataio_0").parameters[OTHER] == {"with_label": True}
    assert {warning.pointer for warning in pipeline.warnings} == {
        "/role_parameters/host/dataio_0/with_label",
        "/role_parameters/host/dataio_0/label_name",
    }


def test_a_long_list_is_an_error(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["dataio_0"]["with_label"] = [False, False, False]
    conf1["role_parameters"]["guest"]["args"]["data"]["train_data"] *= 2
    assert set(problems(dsl1, conf1)) == {
        "conf /role_parameters/host/dataio_0/with_label",
        "conf /role_parameters/guest/args/data/train_data",
    }


def test_a_leaf_that_is_no_list_is_an_error(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["dataio_0"]["with_label"] = False
    (problem,) = problems(dsl1, conf1).values()
    assert problem.remedy == "Write [false]."


@pytest.mark.parametrize("tables", [None, [{"namespace": "ns", "name": "only"}]])
def test_a_party_without_a_table_gets_no_data_and_a_warning(dsl1: Job, conf1: Job, tables: object) -> None:
    if tables is None:
        del conf1["role_parameters"]["host"]["args"]["data"]["train_data"]
        parties = ["host-10000", "host-10001"]
    else:
        conf1["role_parameters"]["host"]["args"]["data"]["train_data"] = tables
        parties = ["host-10001"]
    pipeline = parse(dsl1, conf1)
    text = "".join(map(str, pipeline.warnings))
    assert all(f"dataio_0 reads args.train_data, and {party} has no table" in text for party in parties)
    left = {str(party) for party in pipeline.node("reader_train_data").participants}
    assert left == {"guest-9999", "host-10000", "host-10001"} - set(parties)
    assert parse(*rendered(pipeline)) == pipeline


def test_a_key_for_which_no_party_has_a_table_leaves_the_input_out(dsl1: Job, conf1: Job) -> None:
    for role in ("guest", "host"):
        del conf1["role_parameters"][role]["args"]["data"]["eval_data"]
    pipeline = parse(dsl1, conf1)
    assert "reader_eval_data" not in [node.name for node in pipeline.nodes]
    assert pipeline.node("dataio_1").upstream == ("dataio_0",)
    assert any("no party has a table of that name" in warning.message for warning in pipeline.warnings)


def test_a_table_without_a_name_is_reported_at_its_entry(dsl1: Job, conf1: Job) -> None:
    del conf1["role_parameters"]["host"]["args"]["data"]["train_data"][1]["name"]
    (problem,) = problems(dsl1, conf1).values()
    assert problem.pointer == "/role_parameters/host/args/data/train_data/1"
    assert problem.message == "reader_train_data at host-10001: table.name is missing"


def test_parameters_of_a_component_that_the_dsl_lacks_are_a_warning(dsl1: Job, conf1: Job) -> None:
    conf1["algorithm_parameters"]["intersect_0"] = {"a": 1}
    conf1["evaluation_0"] = {}
    assert {warning.pointer for warning in parse(dsl1, conf1).warnings} == {
        "/algorithm_parameters/intersect_0",
        "/evaluation_0",
    }


def test_a_malformed_part_hides_no_mistake_elsewhere(dsl1: Job, conf1: Job) -> None:
    conf1["role_parameters"]["host"]["dataio_0"] = 3
    conf1["algorithm_parameters"] = []
    dsl1["components"]["evaluation_0"]["module"] = "Evaluations"
    assert set(problems(dsl1, conf1)) == {
        "conf /role_parameters/host/dataio_0",
        "conf /algorithm_parameters",
        "dsl /components/evaluation_0/module",
    }


def problems_anywhere(dsl: Job, conf: Job) -> list[object]:
    """Like problems, where one place may have several."""
    from fate_federated.errors import DslError

    with pytest.raises(DslError) as caught:
        parse(dsl, conf)
    return list(caught.value.problems)


def test_parameters_under_their_names_of_1_0_are_today_s(dsl1: Job, conf1: Job) -> None:
    lr = conf1["algorithm_parameters"]["hetero_lr_0"]
    lr |= {"lambda": 0.5}
    pipeline = parse(dsl1, conf1)
    node = next(node for node in pipeline.nodes if node.name == "hetero_lr_0")
    for values in node.parameters.values():
        assert values["alpha"] == 0.5
        assert "lambda" not in values
    assert parse(*rendered(pipeline)) == pipeline
    lr |= {"alpha": 0.25}
    node = next(node for node in parse(dsl1, conf1).nodes if node.name == "hetero_lr_0")
    assert all(values["alpha"] == 0.25 for values in node.parameters.values())
