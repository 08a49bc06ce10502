"""What FATE's modules declare: names, defaults, bounds, and what becomes of the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError, field_validator

from fate_federated.catalog.discovery import find_component, find_module
from fate_federated.catalog.modules import MODULES
from fate_federated.catalog.shared_params import AnyParams, renamed
from fate_federated.catalog.spec import UNAVAILABLE, ComponentParams, ModuleSpec, unavailable
from fate_federated.party import Role

INSTALLED = ("Reader", "DataIO", "DataTransform", "Intersection", "FeatureScale", "HeteroLR", "Evaluation")

OF_FATE = (
    "DataIO", "DataTransform", "Evaluation", "FeatureScale", "FederatedSample", "HeteroFeatureBinning",
    "HeteroFeatureSelection", "HeteroLR", "HeteroSecureBoost", "HomoLR", "Intersection", "OneHotEncoder",
    "SecureAddExample", "Download", "HeteroLinR", "HeteroPoisson", "HomoNN", "Rsa", "Upload", "Union", "HeteroFM",
    "HeteroGMF", "HeteroMF", "HeteroSVD", "HeteroSVDpp", "HomoFM", "HeteroNN", "HeteroPearson", "HomoSecureboost",
    "HomoNNExperiment", "LocalBaseline", "ModelStore", "ModelRestore", "Scorecard", "ColumnExpand", "Pipeline",
    "Reader", "DataStatistics", "HeteroSSHELR", "HeteroFastSecureBoost", "SampleWeight", "HeteroKmeans",
    "HomoFeatureBinning", "FTL", "HeteroFTL", "HomoSecureBoost", "HeteroSSHELinR", "PSI", "HomoOneHotEncoder",
    "HeteroDataSplit", "HomoDataSplit", "LabelTransform", "FeldmanVerifiableSum", "SBTFeatureTransformer",
    "FeatureImputation", "CacheLoader", "PositiveUnlabeled", "SecureInformationRetrieval", "ModelLoader", "CustNN",
    "SPDZTest", "ApiReader", "Writer",
)  # fmt: skip

NEEDED: dict[str, dict[str, Any]] = {
    "Reader": {"table": {"namespace": "experiment", "name": "breast_hetero_guest"}},
    "FederatedSample": {"fractions": 0.5},
    "ModelStore": {"model_version": "1", "store_address": {"path": "memory://models"}},
    "ModelRestore": {"model_version": "1", "store_address": {"path": "memory://models"}},
}
"""Parameters without a default, or with one that says nothing."""


def spec_of(module: str) -> ModuleSpec:
    spec = find_module(module)
    assert spec is not None
    return spec


def of_known_parameters() -> list[str]:
    return [module for module in OF_FATE if spec_of(module).params is not AnyParams]


def errors_of(module: str, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Where and of which type."""
    try:
        spec_of(module).params.model_validate({**NEEDED.get(module, {}), **values})
    except ValidationError as error:
        return [(".".join(map(str, detail["loc"])), detail["type"]) for detail in error.errors(include_url=False)]
    return []


@pytest.mark.parametrize("module", sorted({*OF_FATE, *MODULES}))
def test_every_module_of_fate_is_known(module: str) -> None:
    spec = spec_of(module)
    assert spec.module == module
    assert spec.roles
    assert spec.needs <= spec.roles
    assert module in OF_FATE


def test_a_component_describes_its_module_itself() -> None:
    assert all(find_component(module) is not None for module in INSTALLED)
    assert find_module("HeteroLRR") is None


@pytest.mark.parametrize("module", OF_FATE)
def test_what_is_left_out_has_fates_default(module: str) -> None:
    params = spec_of(module).params
    defaults = params.model_validate(NEEDED.get(module, {}))
    written = json.loads(defaults.model_dump_json(by_alias=True))
    assert params.model_validate(written) == defaults


@pytest.mark.parametrize("module", OF_FATE)
def test_the_defaults_of_old_releases_are_known_parameters_with_other_values(module: str) -> None:
    spec = spec_of(module)
    defaults = spec.params.model_validate(NEEDED.get(module, {}))
    legacy = spec.params.model_validate({**NEEDED.get(module, {}), **spec.legacy_defaults})
    for name in spec.legacy_defaults:
        assert getattr(legacy, name) != getattr(defaults, name)


@pytest.mark.parametrize("module", of_known_parameters())
def test_an_unknown_parameter_is_named(module: str) -> None:
    assert errors_of(module, {"max_iterations": 3}) == [("max_iterations", "extra_forbidden")]


@pytest.mark.parametrize("module", [module for module in OF_FATE if module not in of_known_parameters()])
def test_a_module_of_which_only_the_name_is_known_takes_any_parameter(module: str) -> None:
    assert errors_of(module, {"max_iterations": 3}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["L1", "NONE"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_value_of_a_parameter_is_taken_or_an_error_at_its_place(data: st.DataObject) -> None:
    module = data.draw(st.sampled_from(of_known_parameters()))
    name = data.draw(st.sampled_from(sorted(spec_of(module).params.model_fields)))
    places = [place for place, _ in errors_of(module, {name: data.draw(JSON)})]
    assert all(not place or place.split(".")[0] == name for place in places)


@settings(max_examples=50, deadline=None)
@given(upper=st.lists(st.booleans(), min_size=24, max_size=24))
@pytest.mark.parametrize(
    ("module", "name", "word"),
    [
        ("HomoLR", "penalty", "L2"),
        ("HomoLR", "optimizer", "nesterov_momentum_sgd"),
        ("HeteroLinR", "early_stop", "weight_diff"),
        ("HomoFeatureBinning", "method", "recursive_query"),
        ("HeteroLR", "optimizer", "rmsprop"),
        ("DataTransform", "missing_fill_method", "designated"),
    ],
)
def test_words_are_taken_in_any_case(module: str, name: str, word: str, upper: list[bool]) -> None:
    mixed = "".join(letter.upper() if up else letter.lower() for letter, up in zip(word, upper, strict=False))
    assert getattr(spec_of(module).params.model_validate({name: mixed}), name) == word


@pytest.mark.parametrize(
    ("module", "given", "read"),
    [
        ("HomoLR", {"encrypt_param": {"method": "randomiterativeaffine"}}, "IterativeAffine"),
        ("HeteroLR", {"encrypt_param": {"method": "iterativeAffine"}}, "IterativeAffine"),
        ("HomoLR", {"encrypt_param": {"method": "PAILLIER"}}, "Paillier"),
        ("HomoLR", {"encrypt_param": {"method": None}}, None),
        ("HeteroFeatureBinning", {"optimal_binning_param": {"metric_method": "Chi-Square"}}, "chi_square"),
        ("HeteroSSHELR", {"penalty": "None"}, None),
        ("HeteroSecureBoost", {"validation_freqs": [1, 5]}, [1, 5]),
        ("HeteroSecureBoost", {"complete_secure": True}, True),
        ("HeteroFeatureBinning", {"cols": [1, 2]}, [1, 2]),
        ("HeteroFeatureSelection", {"select_cols": [0]}, [0]),
        ("FeatureScale", {"scale_column_idx": [3]}, [3]),
        ("HomoNN", {"early_stop": {"early_stop": "diff", "eps": 1e-4}}, {"early_stop": "diff", "eps": 1e-4}),
        ("FTL", {"encrypt_param": {"key_length": 1024}}, 1024),
        ("Upload", {"schema": {"sid": "id"}}, {"sid": "id"}),
    ],
)
def test_spellings_that_fate_takes(module: str, given: dict[str, Any], read: object) -> None:
    params = spec_of(module).params.model_validate(given)
    dumped = json.loads(params.model_dump_json(by_alias=True, exclude_unset=True))
    while isinstance(dumped, dict) and len(dumped) == 1 and dumped != read:
        (dumped,) = dumped.values()
    assert dumped == read


@pytest.mark.parametrize(
    ("module", "given", "place"),
    [
        ("HeteroLR", {"learning_rate": "fast"}, "learning_rate"),
        ("HeteroLR", {"max_iter": 0}, "max_iter"),
        ("HeteroLR", {"max_iter": True}, "max_iter"),
        ("HomoLR", {"batch_size": 9}, "batch_size"),
        ("HomoLR", {"penalty": "L3"}, "penalty"),
        ("HomoLR", {"decay_sqrt": 1}, "decay_sqrt"),
        ("HeteroLinR", {"optimizer": "nesterov_momentum_sgd"}, "optimizer"),
        ("HeteroPoisson", {"optimizer": "sqn"}, "optimizer"),
        ("HeteroSSHELR", {"optimizer": "adam"}, ""),
        ("HeteroSSHELinR", {"penalty": "L1"}, ""),
        ("HeteroSSHELR", {"reveal_every_iter": True, "reveal_strategy": "encrypted_reveal_in_host"}, ""),
        ("HeteroSecureBoost", {"task_type": "regression"}, ""),
        ("HeteroSecureBoost", {"top_rate": 0.5, "other_rate": 0.5}, ""),
        ("HomoSecureBoost", {"objective_param": {"objective": "huber"}}, "objective_param"),
        ("HomoSecureBoost", {"objective_param": {"objective": "tweedie", "params": [2]}}, "objective_param"),
        ("HomoSecureBoost", {"tree_param": {"max_depth": 0}}, "tree_param.max_depth"),
        ("HeteroSecureBoost", {"boosting_strategy": "deep"}, "boosting_strategy"),
        ("HeteroFeatureBinning", {"method": "recursive_query"}, "method"),
        ("HeteroFeatureBinning", {"bin_num": 0}, "bin_num"),
        ("HeteroFeatureBinning", {"transform_param": {"transform_type": "one_hot"}}, "transform_param.transform_type"),
        ("HeteroFeatureSelection", {"filter_methods": ["iv_value"]}, "filter_methods.0"),
        ("HeteroFeatureSelection", {"iv_param": {"metrics": ["iv", "iv"], "threshold": [1]}}, "iv_param"),
        ("HeteroFeatureSelection", {"iv_param": {"take_high": [True]}}, "iv_param"),
        ("DataStatistics", {"statistics": ["mode"]}, "statistics.list[function-after[_known_statistic(), str]].0"),
        ("HeteroKmeans", {"k": 1}, "k"),
        ("FederatedSample", {"mode": "by_chance"}, "mode"),
        ("FeatureImputation", {"col_missing_fill_method": {"x0": "median"}}, "col_missing_fill_method.x0"),
        ("Evaluation", {"eval_type": "ranking"}, "eval_type"),
        ("Evaluation", {"metrics": ["aux"]}, "metrics"),
        ("DataTransform", {"input_format": "wide"}, "input_format"),
        ("DataIO", {"with_match_id": True}, "with_match_id"),
        ("Reader", {"table": {"name": "breast"}}, "table.by name.namespace"),
    ],
)
def test_nonsense_is_a_mistake(module: str, given: dict[str, Any], place: str) -> None:
    found = errors_of(module, given)
    assert place in [where for where, _ in found]
    assert UNAVAILABLE not in [kind for _, kind in found]


def test_what_a_component_does_not_honour_is_told_from_a_mistake() -> None:
    class Params(ComponentParams):
        method: str = "plain"

        @field_validator("method")
        @classmethod
        def _plain(cls, value: str) -> str:
            if value == "fancy":
                raise unavailable("fancy is not available: use plain")
            return value

    with pytest.raises(ValidationError) as caught:
        Params.model_validate({"method": "fancy", "mthod": 1})
    found = {detail["loc"]: (detail["type"], detail["msg"]) for detail in caught.value.errors()}
    assert found["method",] == (UNAVAILABLE, "fancy is not available: use plain")
    assert found["mthod",][0] == "extra_forbidden"


def test_what_splits_rows_has_three_outputs() -> None:
    assert spec_of("HeteroDataSplit").data_outputs == spec_of("HomoDataSplit").data_outputs == 3
    assert spec_of("HeteroKmeans").data_outputs == 2
    assert spec_of("CacheLoader").cache_outputs == 1


def test_what_only_looks_at_data_stays_out_of_predictions() -> None:
    assert {module for module in OF_FATE if not spec_of(module).deploy} == {"Evaluation", "FederatedSample", "PSI"}


def test_who_takes_part() -> None:
    assert spec_of("HeteroSecureBoost").roles == {Role.GUEST, Role.HOST}
    assert spec_of("HomoSecureBoost").roles == {Role.GUEST, Role.HOST, Role.ARBITER}
    assert spec_of("HeteroLinR").needs == {Role.GUEST, Role.HOST, Role.ARBITER}


def test_a_name_of_today_that_was_written_wins_over_an_old_one() -> None:
    rename = renamed({"eps": "tol"}, {"tol": 1e-5})
    assert rename({"eps": 0.1}) == {"tol": 0.1}
    assert rename({"eps": 0.1, "tol": 1e-5}) == {"tol": 0.1}
    assert rename({"eps": 0.1, "tol": 0.2}) == {"tol": 0.2}
    assert rename("no object") == "no object"


def test_all_of_them_are_read_without_numpy() -> None:
    code = (
        "import sys\n"
        "from fate_federated.catalog.discovery import component_names, find_module\n"
        "from fate_federated.catalog.modules import MODULES\n"
        "[find_module(name) for name in {*MODULES, *component_names()}]\n"
        "sys.exit('numpy' in sys.modules or 'pyarrow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
