"""Flexbuffers against the FlatBuffers package, which writes them, and against damage."""

from __future__ import annotations

from typing import Any

import pytest
from flatbuffers import flexbuffers as theirs
from hypothesis import given
from hypothesis import strategies as st

from minilite.errors import Error, ModelError
from minilite.flexbuffers import decode, decoded

KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=5)  # their writer takes no others
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.binary(max_size=300),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


def written(value: Any) -> bytes:
    builder = theirs.Builder()
    _add(builder, value)
    return bytes(builder.Finish())


def _add(builder: Any, value: Any) -> None:
    if isinstance(value, dict):
        with builder.Map():
            for key, item in value.items():
                builder.Key(key)
                _add(builder, item)
    elif isinstance(value, list):
        with builder.Vector():
            for item in value:
                _add(builder, item)
    elif isinstance(value, int) and value >= 2**63:
        builder.UInt(value)
    elif isinstance(value, float):
        builder.Float(value, 8 if abs(value) > 3e38 else 0)  # their choice of a width overflows
    else:
        builder.Add(value)


def alike(one: Any, other: Any) -> bool:
    """Equal values of equal types: True is not 1."""
    return repr(one) == repr(other) or (isinstance(one, dict) and sorted(one.items()) == sorted(other.items()))


@given(VALUES)
def test_what_was_written_is_read(value: Any) -> None:
    content = written(value)
    assert decode(content) == value
    assert alike(decode(content), theirs.Loads(content))


@given(
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40),
        st.lists(st.floats(-3e38, 3e38), min_size=1, max_size=40),
        st.lists(st.booleans(), min_size=1, max_size=40),
        st.lists(KEYS.filter(bool), min_size=1, max_size=9),
    )
)
def test_typed_vectors(values: list[Any]) -> None:
    builder = theirs.Builder()
    if isinstance(values[0], str):
        with builder.TypedVector():
            for value in values:
                builder.Key(value)
    else:
        builder.TypedVectorFromElements(values)
    content = bytes(builder.Finish())
    assert decode(content) == theirs.Loads(content) == values


@pytest.mark.parametrize("values", [[1, -2], [1.5, 2.5, 3.5], [1, 2, 3, 400]])
def test_tuples(values: list[Any]) -> None:
    builder = theirs.Builder()
    builder.FixedTypedVectorFromElements(values)
    assert decode(bytes(builder.Finish())) == values


@pytest.mark.parametrize("write, value", [("IndirectInt", -70000), ("IndirectUInt", 70000), ("IndirectFloat", 2.5)])
def test_indirect_numbers(write: str, value: float) -> None:
    builder = theirs.Builder()
    with builder.Vector():
        getattr(builder, write)(value)
    assert decode(bytes(builder.Finish())) == [value]


def test_the_options_of_a_real_operator() -> None:
    content = written({"max_detections": 10, "nms_iou_threshold": 0.6, "use_regular_nms": False})
    assert decode(content) == {"max_detections": 10, "nms_iou_threshold": 0.6, "use_regular_nms": False}


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        decode(content)
    except Error:
        assert decoded(content) is content


@given(VALUES, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_are_read_or_refused(value: Any, damage: list[tuple[int, int]]) -> None:
    content = bytearray(written(value))
    for at, byte in damage:
        content[at % len(content)] = byte
    found = decoded(bytes(content))  # returns, and in no time: any other exception than ours would leave it
    assert found is None or isinstance(found, bool | int | float | str | bytes | list | dict)


def test_a_vector_that_holds_itself_many_times_is_refused() -> None:
    """Each level is a vector of sixteen times the same vector: 16 ** levels values out of 20 bytes a level."""
    body, at, levels = bytearray([1, 1, 4]), 1, 12  # [1]: size, element, type
    for _ in range(levels):
        start = len(body) + 1
        body += bytes([16]) + bytes(start + i - at for i in range(16)) + bytes([10 << 2] * 16)
        at = start
    content = bytes(body + bytes([len(body) - at, 10 << 2, 1]))
    assert len(content) < 500
    with pytest.raises(ModelError, match="too many values"):
        decode(content)


def test_a_vector_nested_too_deeply_is_refused() -> None:
    value: Any = []
    for _ in range(100):
        value = [value]
    with pytest.raises(ModelError, match="64 levels"):
        decode(written(value))


def test_a_vector_inside_itself_is_refused() -> None:
    with pytest.raises(ModelError, match=r"64 levels|too many values"):
        decode(bytes([1, 0, 40, 2, 40, 1]))


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "3 bytes"),
        (b"\0\0\0", "width of 1, 2, 4 or 8"),
        (b"\0\0\4", r"got \[-3, 1\)"),
        (bytes([5, 3 << 2, 1]), "float of 2, 4 or 8"),
        (bytes([9, 5 << 2, 1]), "offset"),
        (bytes([1, 0xFF, 0, 2, 5 << 2, 1]), "UTF-8"),
        (bytes([ord("a"), 1, 4 << 2, 1]), "does not end"),
        (bytes([0, 0, 1, 37 << 2, 1]), "type 37"),
    ],
)
def test_what_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        decode(content)
    assert decoded(content) is content


def test_without_options() -> None:
    assert decoded(None) is None
