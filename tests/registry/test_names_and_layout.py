"""Names of branches, tags and models; FATE's names of files."""

from __future__ import annotations

import contextlib
import re

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_federated.errors import RegistryError
from fate_federated.party import Party
from fate_federated.registry.layout import (
    META,
    PARAM,
    Buffer,
    buffer_name,
    buffer_path,
    component_of,
    define_text,
    parameters_path,
    read_define,
)
from fate_federated.registry.names import REF_NAME, check_ref_name, git_name, split_ref

GUEST, HOST = Party.parse("guest-9999"), Party.parse("host-10000")


@given(st.text(max_size=70) | st.from_regex(REF_NAME, fullmatch=True))
def test_what_is_taken_as_a_name_is_fit_for_git(name: str) -> None:
    with contextlib.suppress(RegistryError):
        check_ref_name(name)
        assert pygit2.reference_is_valid_name(f"refs/heads/models/m/{name}")
        assert "/" not in name


@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", fullmatch=True) | st.text(max_size=160), st.booleans())
def test_every_jobs_name_has_one_for_git(name: str, taken: bool) -> None:
    given_ = git_name(name, f"guest-1#{name}", taken=taken)
    assert pygit2.reference_is_valid_name(f"refs/heads/models/{given_}/b")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", given_)
    assert not taken or given_ != name


@pytest.mark.parametrize(
    ("text", "halves"), [("credit@v1", ("credit", "v1")), ("v1", ("", "v1")), ("a@b@c", ("a@b", "c")), ("", ("", ""))]
)
def test_a_ref_has_two_halves(text: str, halves: tuple[str, str]) -> None:
    assert split_ref(text) == halves


@pytest.mark.parametrize(
    ("module", "party", "name"),
    [
        ("HeteroLR", GUEST, "HeteroLogisticRegressionMeta"),
        ("HeteroSecureBoost", HOST, "HeteroSecureBoostingTreeHostMeta"),
        ("HomoSecureBoost", HOST, "HomoSecureBoostingTreeGuestMeta"),
        ("FeatureScale", GUEST, "ScaleMeta"),
        ("DataTransform", HOST, "DataTransformMeta"),
        ("Intersection", GUEST, "IntersectModelMeta"),
    ],
)
def test_buffers_have_fates_names(module: str, party: Party, name: str) -> None:
    assert buffer_name(module, party, META) == name


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(["model", "a b"]), st.sampled_from([META, PARAM])),
        unique=True,
        max_size=5,
    )
)
def test_a_definition_is_read_as_it_was_written(named: list[tuple[str, str, str]]) -> None:
    buffers = set()
    for component, alias, kind in named:
        if set(component) <= {"."} or component == "pipeline":
            continue
        path = buffer_path(component, alias, f"HeteroLogisticRegression{kind}")
        buffers.add(Buffer(component, alias, "HeteroLR", kind, path, f"LRModel{kind}"))
        assert component_of(path) == component
        assert component_of(parameters_path(component)) == component
    assert set(read_define(define_text(buffers))) == buffers


@given(st.binary(max_size=60))
def test_anything_else_is_no_definition(text: bytes) -> None:
    with contextlib.suppress(RegistryError):
        assert read_define(text) == ()


def test_a_component_cannot_name_a_folder_above() -> None:
    with pytest.raises(RegistryError):
        buffer_path("..", "model", "XMeta")
    assert "/../" not in buffer_path("../..", "model", "XMeta")
