"""Representative data in every form that TFLiteConverter takes, and what is wrong with it, said clearly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minilite.errors import ArgumentError, ArgumentTypeError, StateError
from minilite.model import Model
from minilite.quantization.representative import RepresentativeDataset
from tests import small_models

ROWS = np.arange(24, dtype=np.float32).reshape(6, 4)


def given(model: Model, data: Any, signature: str | None = None) -> list[tuple[int, dict[int, list[Any]]]]:
    return [
        (s.subgraph, {i: a.tolist() for i, a in s.arrays.items()})
        for s in RepresentativeDataset(model, data, signature)
    ]


def batched(size: int) -> Model:
    return small_models.add((size, 4), (-1, 4))


ONE_BY_ONE = [(0, {0: [row.tolist()]}) for row in ROWS]

FORMS: dict[str, Any] = {
    "function of lists": lambda: ([row[None]] for row in ROWS),
    "function of tuples": lambda: ((row[None],) for row in ROWS),
    "function of arrays": lambda: (row[None] for row in ROWS),
    "function of names": lambda: ({"x": row[None]} for row in ROWS),
    "function of tensor names": lambda: ({"x:0": row[None]} for row in ROWS),
    "function of keys": lambda: (("serving_default", {"x": row[None]}) for row in ROWS),
    "function of keys and lists": lambda: (("serving_default", [row[None]]) for row in ROWS),
    "function of no key": lambda: ((None, {"x": row[None]}) for row in ROWS),
    "function of an array": lambda: ROWS,
    "function of nested lists": lambda: [[[row.tolist()]] for row in ROWS],
    "array": ROWS,
    "array of a dimension more": ROWS[:, None],
    "dictionary": {"x": ROWS},
    "list of lists": [[row[None]] for row in ROWS],
    "list of arrays": [row[None] for row in ROWS],
    "list of dictionaries": [{"x": row[None]} for row in ROWS],
    "float16": ROWS.astype(np.float16),
    "big endian": ROWS.astype(">f4"),
    "not contiguous": np.asfortranarray(ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_samples(form: str) -> None:
    model = small_models.add()
    assert given(model, FORMS[form]) == ONE_BY_ONE
    assert given(model, FORMS[form]) == ONE_BY_ONE


def test_a_generator_serves_once_and_says_so() -> None:
    dataset = RepresentativeDataset(small_models.add(), (row[None] for row in ROWS))
    assert len(list(dataset)) == 6
    with pytest.raises(StateError, match=r"gone through once.*function"):
        list(dataset)


def test_anything_that_is_an_array_to_numpy_will_do() -> None:
    class Foreign:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return ROWS

    assert given(small_models.add(), Foreign()) == ONE_BY_ONE


def test_samples_are_looked_at_one_by_one() -> None:
    drawn = []

    def samples() -> Iterator[list[np.ndarray]]:
        for i, row in enumerate(ROWS):
            drawn.append(i)
            yield [row[None]]

    iterator = iter(RepresentativeDataset(small_models.add(), samples))
    next(iterator)
    next(iterator)
    assert drawn == [0, 1]


def test_arrays_are_cut_to_the_models_batch_size() -> None:
    assert [len(s[1][0]) for s in given(batched(2), ROWS)] == [2, 2, 2]
    assert [len(s[1][0]) for s in given(batched(6), ROWS)] == [6]
    with pytest.raises(ArgumentError, match="6 rows cannot be cut into samples of the batch size 4"):
        RepresentativeDataset(batched(4), ROWS)


def test_samples_may_have_the_lengths_that_are_free() -> None:
    assert [len(s[1][0]) for s in given(batched(1), [[ROWS], [ROWS[:2]]])] == [6, 2]
    with pytest.raises(ArgumentError, match=r"sample 0, input 'x': expected shape \[1, 4\], got \[2, 4\]"):
        given(small_models.add(), [[ROWS[:2]]])


@pytest.mark.parametrize(("data", "length"), [(ROWS, 6), ({"x": ROWS}, 6), ([[ROWS[:1]]], 1), (lambda: ROWS, None)])
def test_the_number_of_samples_where_it_is_known(data: Any, length: int | None) -> None:
    assert RepresentativeDataset(small_models.add(), data).length == length


# ---- several inputs, several signatures ------------------------------------------------------------------------------

A, B = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])


def test_lists_are_in_the_models_order_and_names_are_the_signatures() -> None:
    model = small_models.two_signatures()
    for sample in ([B, A], {"b": B, "a": A}, {"right1": B, "left1": A}):
        assert given(model, [sample], "subtract") == [(1, {0: A.tolist(), 1: B.tolist()})]
    assert given(model, [("subtract", {"a": A, "b": B})]) == [(1, {0: A.tolist(), 1: B.tolist()})]
    assert given(model, [("add", [A, B]), ("subtract", [A, B])]) == [
        (0, {0: A.tolist(), 1: B.tolist()}),
        (1, {1: A.tolist(), 0: B.tolist()}),
    ]
    assert given(model, {"a": np.stack([A, B]), "b": np.concatenate([B, A])}, "add") == [
        (0, {0: A.tolist(), 1: B.tolist()}),
        (0, {0: B.tolist(), 1: A.tolist()}),
    ]


TWO = small_models.two_signatures()


@pytest.mark.parametrize(
    ("data", "signature", "said"),
    [
        ([[A, B]], None, r"2 signatures; yield .*'add', 'subtract'"),
        ([("ad", [A, B])], None, r"no signature is called 'ad' \(did you mean 'add'\?\)"),
        ([[A, B]], "sub", "no signature is called 'sub'"),
        ([[A]], "add", "sample 0: expected 2 arrays, got 1"),
        ([[A, B, A]], "add", "got 3. Labels do not belong"),
        ([{"a": A}], "add", "sample 0: no value for input 'b'"),
        ([{"a": A, "b": B}, {"a": A, "c": B}], "add", "sample 1: no input is called 'c'"),
        (A, "add", "one array for a model with 2 inputs"),
        ({"a": A}, "add", "no data for input 'b'"),
        ({"a": A, "b": np.concatenate([A, B])}, "add", "as many samples for every input"),
    ],
)
def test_wrong_names_and_numbers(data: Any, signature: str | None, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        given(TWO, data, signature)


# ---- what cannot be calibrated with ----------------------------------------------------------------------------------

X = ROWS[:1]
BROKEN = X.copy()
BROKEN[0, 2] = np.nan


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        (None, ArgumentTypeError, "no representative dataset: expected a function .* got nothing"),
        ("samples.npz", ArgumentTypeError, "got str"),
        (5, ArgumentTypeError, "got int"),
        (lambda: None, ArgumentTypeError, "got nothing returned by the function"),
        ([], ArgumentError, "the representative dataset is empty: there is no sample to run the model on"),
        (lambda: iter(()), ArgumentError, "empty.*generator"),
        (ROWS[:0], ArgumentError, "empty"),
        (ROWS.astype(np.uint8), ArgumentTypeError, r"expected FLOAT32, got uint8. .*astype\(np.float32\).*/ 255"),
        ([[X.astype(np.int32)]], ArgumentTypeError, "sample 0, input 'x': expected FLOAT32, got int32"),
        ([[np.array([["a"] * 4])]], ArgumentTypeError, "expected FLOAT32, got <U1"),
        (np.array(["a.png", "b.png"]), ArgumentTypeError, r"expected numbers \(FLOAT32\), got strings .* np.load"),
        ({"x": np.array([b"a"])}, ArgumentTypeError, "input 'x': expected numbers .* got strings"),
        (np.array([[None] * 4]), ArgumentTypeError, "expected numbers .* got objects"),
        (np.zeros(3, np.float32), ArgumentError, r"an array \(N, 4\).*got the shape \[3\]"),
        ([[[[1, 2], [3]]]], ArgumentTypeError, "this is no array"),
        ([7], ArgumentTypeError, "sample 0: expected a list of arrays.*got int"),
        ({"x": [1, 2]}, ArgumentTypeError, "pass a list with the dictionary in it"),
        (ROWS[:, :3], ArgumentError, r"expected an array \(N, 4\).*got \[3\]"),
        ([ROWS[0]], ArgumentError, r"expected shape \[1, 4\], got \[4\]. Add the batch dimension: array\[None\]"),
        ({"z": ROWS}, ArgumentError, "no input is called 'z'"),
        ([{"X": X}], ArgumentError, r"no input is called 'X'.* The model's inputs: 'x' FLOAT32 \[1, 4\]"),
        (
            [[X], [BROKEN]],
            ArgumentError,
            r"sample 1, input 'x': 1 of 4 values are not finite, the first nan at \[0, 2\]",
        ),
        ([[np.full((1, 4), np.inf, np.float32)]], ArgumentError, "not finite"),
        ([[X.astype(np.float64) + 1e300]], ArgumentError, "not finite, the first inf"),
    ],
)
def test_data_that_would_give_wrong_ranges_is_refused(data: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        given(small_models.add(), data)


def test_the_last_dimension_that_is_missing_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"Add the last dimension: array\[\.\.\., None\]"):
        given(small_models.add((1, 4, 1)), [[X]])


def test_float64_is_converted_and_remembered() -> None:
    dataset = RepresentativeDataset(small_models.add(), ROWS.astype(np.float64))
    assert next(iter(dataset)).arrays[0].dtype == np.float32
    assert dataset.float64 == {"x"}


def test_integers_go_to_integer_inputs_of_any_width_that_holds_them() -> None:
    model = small_models.reshaped_by_value()
    x, shape = np.zeros((2, 3), np.float32), np.array([3, 2])
    assert RepresentativeDataset(model, [[x, shape]]).inputs(None).names == ("x", "shape")
    assert next(iter(RepresentativeDataset(model, [[x, shape]]))).arrays[1].dtype == np.int32
    with pytest.raises(ArgumentError, match="INT32 cannot hold the values from 2 to 1099511627776"):
        given(model, [[x, np.array([2, 2**40])]])
    with pytest.raises(
        ArgumentTypeError, match=r"expected INT32, got float64. Convert it first: array.astype\(np.int32\)"
    ):
        given(model, [[x, np.array([3.0, 2.0])]])
