"""Which arguments of :func:`minilite.quantize` go together, and what is wrong with those that do not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.quantization.calibrating import METHODS
from minilite.quantization.calibration import Calibration
from minilite.quantization.inputs import nearest
from minilite.quantization.schemes import STATIC
from minilite.quantization.static_model import FLOAT

WEIGHTS = ("dynamic_range", "float16", "weights_int8", "weights_int4")
ROUNDED = ("weights_int8", "weights_int4")
"""The schemes that have several ways of choosing integers."""

SCHEMES = (*STATIC, *WEIGHTS)

_ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("inference_input_type", "inference_output_type", "schemes", "ranges", "calibration", "executor"),
        tuple(STATIC),
    ),
    **dict.fromkeys(("rounding", "arithmetic"), ROUNDED),
    "block_size": ("weights_int4",),
    "per_channel": tuple(s for s in SCHEMES if s != "float16"),
}

Source = str | Calibration | os.PathLike[str]
"""Where ranges come from: a method, or ranges that were measured before."""


def is_method(calibration: object) -> bool:
    """Whether a calibration is still to be made."""
    return isinstance(calibration, str) and calibration in METHODS


def uses_samples(scheme: str, calibration: Source = "minmax", bias_correction: bool = False) -> bool:
    """Whether a scheme makes anything of samples."""
    return bias_correction or scheme in ROUNDED or (scheme in STATIC and is_method(calibration))


def check_scheme(scheme: object) -> None:
    """Raise :class:`ArgumentTypeError` or :class:`ArgumentError` for what is no scheme."""
    if not isinstance(scheme, str):
        raise ArgumentTypeError(f"scheme: expected one of {', '.join(SCHEMES)}, got {scheme!r}.")
    if scheme not in SCHEMES:
        raise ArgumentError(f"unknown scheme {scheme!r}{nearest(scheme, SCHEMES)}; there are: {', '.join(SCHEMES)}.")


def check_given(scheme: str, given: Mapping[str, bool]) -> None:
    """Raise :class:`ArgumentError` for arguments that a scheme would ignore. ``given`` says which are there."""
    for name, is_given in given.items():
        if is_given and scheme not in _ONLY_FOR[name]:
            raise ArgumentError(f"{name}= is for the schemes {' and '.join(_ONLY_FOR[name])}, not for {scheme}.")


def check_data(scheme: str, data: Any, bias_correction: bool) -> None:
    """Raise :class:`ArgumentError` for samples that a scheme would ignore, and where there are none to correct by."""
    if bias_correction and data is None:
        raise ArgumentError("bias_correction= measures errors on samples: give representative_dataset=.")
    if data is not None and scheme in WEIGHTS and not uses_samples(scheme, bias_correction=bias_correction):
        raise ArgumentError(
            f"{scheme} takes no samples, except for bias_correction=True: leave representative_dataset= out. With "
            f"samples, {', '.join(STATIC)} quantize activations, {' and '.join(ROUNDED)} choose better integers."
        )


def check_equalized(equalize: bool | str, calibration: Source, has_ranges: bool) -> None:
    """Raise :class:`ArgumentError` for ranges of the model that is not equalized."""
    if equalize and (has_ranges or not is_method(calibration)):
        what = "ranges=" if has_ranges else "calibration="
        raise ArgumentError(
            f"equalize= changes what tensors hold, so the ranges of {what} would not be theirs: "
            "give representative_dataset= and a method, or leave equalize= out."
        )


def check_types(activations: str, *types: object) -> None:
    """Raise :class:`ArgumentError` for inference types that a scheme has not."""
    allowed = (FLOAT, "int8", "uint8") if activations == "int8" else (FLOAT, activations)
    for type_ in types:
        if type_ not in allowed:
            raise ArgumentError(
                f"inference types: expected {', '.join(allowed)} with {activations} activations, got {type_!r}."
            )


def check_kinds(schemes: object, rounding: object, block_size: object) -> None:
    """Raise :class:`ArgumentTypeError` for what is no dictionary, no name and no number."""
    if schemes is not None and not isinstance(schemes, Mapping):
        raise ArgumentTypeError(f"schemes: expected a dictionary of patterns and schemes, got {schemes!r:.60}.")
    if rounding is not None and not isinstance(rounding, str):
        raise ArgumentTypeError(f"rounding: expected a name, got {rounding!r:.60}.")
    if isinstance(block_size, bool) or not isinstance(block_size, int):
        raise ArgumentTypeError(f"block_size: expected a whole number, got {block_size!r:.60}.")
