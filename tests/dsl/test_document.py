"""JSON texts: what is read is what the standard library reads, and every place has its line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fate_federated.dsl.document import MAX_DEPTH, Document, decode_utf8, pointer, read_json
from fate_federated.errors import DslError

keys = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def paths(value: Any) -> list[tuple[str | int, ...]]:
    """Every place in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, inner in inside for rest in paths(inner))]


@given(values, st.sampled_from([None, 0, 2]))
def test_a_text_reads_as_the_standard_library_reads_it(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert read_json(text).value == json.loads(text)


@given(values)
def test_every_place_has_the_line_where_its_value_starts(value: Any) -> None:
    text = json.dumps(value, indent=1)
    document = read_json(text)
    for path in paths(value):
        problem = document.problem(path, "wrong")
        assert problem.pointer == pointer(path)
        inner = value
        for part in path:
            inner = inner[part]
        assert json.dumps(inner, indent=1).splitlines()[0] in text.splitlines()[problem.line - 1]


@given(st.dictionaries(st.sampled_from(["dsl", "conf", "x"]), values, min_size=1), st.sampled_from([None, 1]))
def test_a_part_keeps_its_place_in_the_file_and_its_own_text(value: dict[str, Any], indent: int | None) -> None:
    document = read_json(json.dumps(value, indent=indent), "job.fate.json")
    for key, inner in value.items():
        part = document.part(key)
        assert json.loads(part.source) == part.value == inner
        assert part.problem((), "wrong") == document.problem((key,), "wrong")


@given(st.text(max_size=200))
def test_any_text_is_json_or_a_located_error(text: str) -> None:
    try:
        value = read_json(text).value
    except DslError as caught:
        error = caught
    else:
        assert value == json.loads(text)
        return
    assert all(problem.line >= 1 for problem in error.problems)


WRONG = [
    ("", 1, "", "the file is empty"),
    ("  \n ", 1, "", "the file is empty"),
    ('{"a": 1,\n}', 2, "", "there is a comma before '}'"),
    ('{"a": [1,\n2,\n]}', 3, "/a/2", "there is a comma or colon before ']'"),
    ('{"a":\n {"b": 1', 2, "/a", "the file ends before an object is closed"),
    ('{"a": [1, 2', 1, "/a", "the file ends before an array is closed"),
    ('{"a": "x', 1, "/a", "a string has no closing quote"),
    ('{"a":', 1, "/a", "the file ends where a value should be"),
    ('{"a": 1}\n{}', 2, "", "there is more after the end of the JSON"),
    ('{"a": 1 "b": 2}', 1, "", "there is neither a comma nor '}'"),
    ("{'a': 1}", 1, "", "there is no key in double quotes"),
    ('{"a" 1}', 1, "", "there is no colon after the key"),
    ('{\n"a": NaN}', 2, "/a", "NaN is not a number in JSON"),
    ('{"a": [-Infinity]}', 1, "/a/0", "-Infinity is not a number in JSON"),
    ('{"a": 1e999}', 1, "/a", "is too large"),
    ('{"a": ' + "9" * 5000 + "}", 1, "/a", "an integer has too many digits"),
    ('{"a": "\\ud800"}', 1, "/a", "holds half of a surrogate pair"),
    ('{"a": "x\ny"}', 1, "/a", "a string goes over the end of its line"),
    ('{"a": "\\x"}', 1, "/a", "invalid \\escape"),
    ('{"' + "k" * 300 + '": 1}', 1, "", "a key has 300 characters"),
    ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), 1, "/0" * MAX_DEPTH, "it is nested more than 64 deep"),
    ("[" * 100_000, 1, "/0" * MAX_DEPTH, "it is nested more than 64 deep"),
]


@pytest.mark.parametrize(("text", "line", "where", "message"), WRONG)
def test_what_is_no_json_is_located(text: str, line: int, where: str, message: str) -> None:
    with pytest.raises(DslError) as caught:
        read_json(text, "job.json")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.pointer) == ("job.json", line, where)
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("{'a': 1}", "JSON strings have double quotes."),
        ('{"a": True}', "JSON writes true, false and null."),
        ('{"a": 1, // the first\n"b": 2}', "JSON has no comments."),
        ('{"a": 1 # the first\n}', "JSON has no comments."),
        ('{"a": $version}', "A placeholder of a template has to be filled in first."),
        ('{"a": NaN}', "Write a finite number, or null."),
    ],
)
def test_common_slips_have_their_remedy(text: str, remedy: str) -> None:
    with pytest.raises(DslError) as caught:
        read_json(text)
    assert caught.value.problems[0].remedy == remedy


def test_every_repeated_key_is_told() -> None:
    document = read_json('{"a": 1,\n "b": {"c": 1,\n "c": 2},\n "a": 3}', "job.json")
    assert [(problem.pointer, problem.line) for problem in document.repeated] == [("/b/c", 3), ("/a", 4)]
    assert [problem.pointer for problem in document.part("b").repeated] == ["/b/c"]
    assert document.value == {"a": 3, "b": {"c": 2}}


def test_a_byte_that_is_not_utf8_is_located() -> None:
    with pytest.raises(DslError) as caught:
        decode_utf8(b'{\n"a": "\xe4"}', "job.json")
    assert str(caught.value) == "job.json:2: byte 0xe4 is not UTF-8. Save the file as UTF-8."


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read_json(decode_utf8(b'\xef\xbb\xbf{"a": 1}')).value == {"a": 1}


def test_a_large_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(DslError, match="more than 8 MiB"):
        read_json('"' + "x" * (9 << 20) + '"')


def test_a_place_that_does_not_exist_is_reported_at_the_nearest_that_does() -> None:
    document: Document = read_json('{"a":\n {"b": [1]}}')
    problem = document.problem(("a", "b", 4, "c"), "wrong")
    assert (problem.pointer, problem.line) == ("/a/b", 2)


def test_half_of_a_surrogate_pair_is_an_error_that_can_be_printed() -> None:
    for text in ('{"a": "\\ud800"}', '{"\\ud800": 1}'):
        with pytest.raises(DslError) as caught:
            read_json(text, "x_dsl.json")
        str(caught.value).encode()
        assert "half of a surrogate pair" in str(caught.value)
