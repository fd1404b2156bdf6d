"""Detail dictionaries are LiteRT's, key for key: names, order, types, dtypes and values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.errors import UnsupportedBuiltinError
from tests import small_models as models
from tests.models import files
from tests.side_by_side import same

litert = pytest.importorskip("ai_edge_litert.interpreter")

SMALL = (
    models.add,
    models.scalar,
    models.convolution,
    models.absent_bias,
    models.two_signatures,
    models.stateful,
    models.every_detail,
)


def described(interpreter: Any) -> dict[str, Any]:
    """Everything an interpreter says about its model."""
    signatures = interpreter.get_signature_list()
    runners = {key: interpreter.get_signature_runner(key) for key in signatures}
    return {
        "inputs": interpreter.get_input_details(),
        "outputs": interpreter.get_output_details(),
        "operators": _known_operators(interpreter._get_ops_details()),
        "tensors": [interpreter.get_tensor_details(i) for i in range(interpreter.num_subgraphs())],
        "signatures": signatures,
        "names": interpreter._get_full_signature_list(),
        "by name": {key: [r.get_input_details(), r.get_output_details()] for key, r in runners.items()},
    }


def _known_operators(operators: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The operators where both say the same by right.

    LiteRT forgets an operator that reads what it writes, and refuses to allocate; minilite refuses and shows it.
    """
    kept = [op for op in operators if not set(op["inputs"]) & set(op["outputs"])]
    return kept if len(kept) == len(operators) else [op | {"index": i} for i, op in enumerate(kept)]


def both(content: bytes, compress: bool) -> tuple[Any, Any]:
    """A LiteRT interpreter and ours, or the exceptions they raised instead."""
    found = []
    for api in (litert, minilite):
        try:
            found.append(
                api.Interpreter(
                    model_content=content,
                    experimental_op_resolver_type=api.OpResolverType.BUILTIN_REF,
                    experimental_compress_quantization_zero_points=compress,
                )
            )
        except ValueError as error:
            found.append(error)
    return found[0], found[1]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("model", SMALL, ids=lambda m: m.__name__)
def test_small_models(model: Any, compress: bool) -> None:
    theirs, ours = both(model().to_bytes(), compress)
    assert same(described(ours), described(theirs)), f"LiteRT: {described(theirs)}\nminilite: {described(ours)}"
    assert ours.experimental_compress_quantization_zero_points is compress


def _sample() -> list[str]:
    """A dozen real models, spread over the list, unless all are asked for."""
    found = files()
    return found if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else found[:: max(len(found) // 12, 1)]


@pytest.mark.parametrize("file", _sample() or [pytest.param("", marks=pytest.mark.skip("MINILITE_MODELS is not set"))])
def test_real_models(file: str) -> None:
    content = (Path(os.environ["MINILITE_MODELS"]) / file).read_bytes()
    theirs, ours = both(content, compress=False)
    if isinstance(ours, UnsupportedBuiltinError):
        pytest.skip(str(ours))
    if isinstance(theirs, Exception):
        assert isinstance(ours, ValueError) or "Didn't find op" in str(theirs)
        return
    assert same(described(ours), described(theirs))


def test_every_detail_is_what_it_says() -> None:
    """The model of this test has what the comparison needs: a comparison of nothing would pass too."""
    tensors = {d["name"]: d for d in minilite.Interpreter(models.every_detail()).get_tensor_details()}
    assert tensors["x"]["shape_signature"].tolist() == [-1, 4]
    assert tensors["x"]["quantization"] == (0.25, -3)
    assert tensors["w"]["quantization"] == (0.0, 0)
    assert tensors["w"]["quantization_parameters"]["scales"].dtype == np.float32
    assert tensors["axis one"]["quantization_parameters"]["quantized_dimension"] == 1
    assert tensors["nibbles"]["dtype"] is np.int8
    assert tensors["sparse"]["sparsity_parameters"]["dim_metadata"][1]["array_indices"].tolist() == [0, 3, 1]
    assert tensors["string"]["dtype"] is np.bytes_


def test_details_are_nobody_elses() -> None:
    interpreter = minilite.Interpreter(models.every_detail())
    first = interpreter.get_input_details()[0]
    first["shape"][:] = 99
    first["quantization_parameters"]["scales"][:] = 99
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 4]
    assert interpreter.get_input_details()[0]["quantization_parameters"]["scales"].tolist() == [0.25]


def test_operator_details_have_the_options() -> None:
    (details,) = minilite.Interpreter(models.convolution()).get_operator_details()
    (litert_keys,) = minilite.Interpreter(models.convolution())._get_ops_details()
    assert list(details)[: len(litert_keys)] == list(litert_keys)
    assert details["options"]["padding"] == "VALID"
    assert details["options"]["dilation_w_factor"] == 1
    assert (details["version"], details["custom_options"]) == (1, None)


def test_operator_details_of_a_custom_operator() -> None:
    (details,) = minilite.Interpreter(models.custom()).get_operator_details()
    assert (details["op_name"], details["custom_options"]) == ("MyOp", b"\1\2")


def test_operator_details_name_the_arithmetic_once_allocated() -> None:
    interpreter = minilite.Interpreter(models.stateful_int8(), kernels="reference")
    interpreter.allocate_tensors()
    reference = interpreter.get_operator_details()[0]["arithmetic"]
    other = minilite.Interpreter(models.stateful_int8(), kernels="xnnpack")
    other.allocate_tensors()
    assert isinstance(reference, str)
    assert reference != other.get_operator_details()[0]["arithmetic"]


@pytest.mark.parametrize("resolver", ["AUTO", "BUILTIN", "BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"])
@pytest.mark.parametrize("name", ["FlexErf", "Flex", "flexErf", "MyOp"])
def test_names_of_unresolved_operators(name: str, resolver: str) -> None:
    """LiteRT's reference resolver calls every operator of TensorFlow "Flex", the others give its name."""
    content = models.custom(name).to_bytes()
    ours, theirs = (
        api.Interpreter(model_content=content, experimental_op_resolver_type=api.OpResolverType[resolver])
        for api in (minilite, litert)
    )
    assert [d["op_name"] for d in ours._get_ops_details()] == [d["op_name"] for d in theirs._get_ops_details()]
    assert ours.get_operator_details()[0]["op_name"] == name
