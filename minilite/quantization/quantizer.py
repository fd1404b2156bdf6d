"""``quantize``: a float model and representative data in, an integer model out."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from minilite.errors import ArgumentError
from minilite.model import Model
from minilite.quantization.arguments import (
    check_data,
    check_equalized,
    check_given,
    check_kinds,
    check_scheme,
    check_types,
    is_method,
)
from minilite.quantization.bias_correction import bias_corrected
from minilite.quantization.blocks import divided_into
from minilite.quantization.calibrating import calibration_for
from minilite.quantization.calibration import Calibration, recorded
from minilite.quantization.clipping import clipped
from minilite.quantization.dynamic_range import dynamic_range
from minilite.quantization.equalization import equalized
from minilite.quantization.graph import graph
from minilite.quantization.inputs import nearest
from minilite.quantization.lint import Finding, warn
from minilite.quantization.numbers import LITERT
from minilite.quantization.rounding import gptq
from minilite.quantization.schemes import STATIC, as_litert
from minilite.quantization.selecting import Pattern, patterns, selected
from minilite.quantization.source import as_model, check_float, with_float32_constants
from minilite.quantization.squant import squant
from minilite.quantization.static import NO_RANGE
from minilite.quantization.static_model import FLOAT, Decision, quantize_static
from minilite.quantization.weight import Choice, Excluded
from minilite.quantization.weight import nearest as nearest_integers
from minilite.quantization.weights_only import float16, weights_int4, weights_int8, weights_of

WEIGHT_SCHEMES: Mapping[str, Callable[..., Model]] = {
    "dynamic_range": dynamic_range,
    "float16": float16,
    "weights_int8": weights_int8,
    "weights_int4": weights_int4,
}
Ranges = Mapping[str, Any] | str | os.PathLike[str]


@dataclass(frozen=True)
class Quantized:
    """A quantized model, with what it followed from: the calibration (None for schemes without), and what became of
    every operator that holds floats (static schemes)."""

    model: Model
    calibration: Calibration | None = None
    decisions: list[Decision] = field(default_factory=list)


Settings = ParamSpec("Settings")


def quantized(
    model: Model | bytes | str | os.PathLike[str],
    scheme: str = "int8",
    representative_dataset: Any = None,
    *,
    calibration: str | Calibration | os.PathLike[str] = "minmax",
    per_channel: bool = True,
    inference_input_type: str = FLOAT,
    inference_output_type: str = FLOAT,
    exclude: Iterable[Pattern] | Pattern = (),
    schemes: Mapping[Pattern, str] | None = None,
    ranges: Ranges | None = None,
    equalize: bool | str = False,
    bias_correction: bool = False,
    rounding: str | None = None,
    block_size: int = 0,
    arithmetic: str = "float",
    executor: Executor | None = None,
    progress: bool = True,
) -> Quantized:
    """Quantize a float32 model, and keep the calibration and the decisions that the result followed from.

    model                   a path, the bytes of a .tflite file, or a :class:`Model`
    scheme                  ``int8`` (weights and activations), ``int16x8`` (16-bit activations, 8-bit weights),
                            ``int8x4`` (8-bit activations, 4-bit weights where kernels take them, elsewhere 8-bit),
                            ``dynamic_range`` (8-bit weights, activations quantized while running), ``float16``,
                            ``weights_int8`` and ``weights_int4`` (smaller weights, float arithmetic)
    representative_dataset  samples, for the schemes that quantize activations: a function that yields samples, arrays,
                            or anything to iterate over (:mod:`minilite.quantization.representative`); the schemes
                            ``weights_int8`` and ``weights_int4`` choose better integers with the first 512 of them
    calibration             how ranges follow from samples: a method (:mod:`minilite.quantization.calibrating`), or a
                            :class:`Calibration`, or the path of a saved one, beside which samples are for
                            ``bias_correction`` only. ``ema`` quantizes as litert-quantizer does
    per_channel             weights have a scale for each channel, where kernels can
    inference_input_type    of the model's float inputs: ``float32``, ``int8``, ``uint8``; ``int16`` in int16x8
    inference_output_type   of its outputs
    exclude                 operators that stay float (:data:`minilite.quantization.selecting.Pattern`), one or several
    schemes                 operators of another static scheme, or ``float32``: ``{"CONV_2D": "int16x8"}``
    ranges                  ranges to use in place of measured ones, ``{tensor name: (lowest, highest)}`` or a .json
                            file of that; where they suffice, no samples are needed
    equalize                even out neighbouring layers' weights first (:mod:`minilite.quantization.equalization`):
                            True, or ``"minimum"``, which makes RELU6 between them a RELU and a MINIMUM. Ranges must
                            be measured then, not handed over
    bias_correction         make up in the biases for the mean error that quantizing leaves in each layer, which the
                            first 512 samples show (:mod:`minilite.quantization.bias_correction`)
    rounding                of ``weights_int8`` and ``weights_int4``: ``nearest``, ``clipped`` (scales that clip best),
                            ``squant`` (no data; the default without samples) or ``gptq`` (the default with samples)
    block_size              of ``weights_int4``: values of a row that share a scale, a multiple of 32; 0 for a channel
    arithmetic              of ``weights_int8`` and ``weights_int4``: ``float``, or ``hybrid``, which quantizes
                            activations while running where LiteRT has kernels for that
    executor                any ``concurrent.futures.Executor`` to calibrate in
    progress                show a bar while calibrating, on a terminal

    The integers of ``int8`` and ``int16x8`` follow the TensorFlow Lite 8-bit quantization specification, and are
    TFLiteConverter's bit for bit where ranges are the same. What has no integer kernel stays float between DEQUANTIZE
    and QUANTIZE.

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for a model that is quantized already, for arguments
    that do not fit or that the scheme would ignore, and where no operator becomes integers for want of ranges;
    :class:`ModelError` for a bad file; what running the model raises. Warns (:class:`CalibrationWarning`) of operators
    that stay float because a range is missing."""
    check_scheme(scheme)
    types = (inference_input_type, inference_output_type)
    check_kinds(schemes, rounding, block_size)
    check_given(
        scheme,
        {
            "inference_input_type": types[0] != FLOAT,
            "inference_output_type": types[1] != FLOAT,
            "schemes": bool(schemes),
            "ranges": ranges is not None,
            "calibration": not (isinstance(calibration, str) and calibration == "minmax"),
            "executor": executor is not None,
            "rounding": rounding is not None,
            "arithmetic": arithmetic != "float",
            "block_size": block_size != 0,
            "per_channel": not per_channel,
        },
    )
    check_data(scheme, representative_dataset, bias_correction)
    check_equalized(equalize, calibration, ranges is not None)
    source = with_float32_constants(as_model(model))
    check_float(source)
    floats = equalized(source, relu6=equalize if isinstance(equalize, str) else "skip") if equalize else source
    excluded = patterns(exclude)
    if scheme in WEIGHT_SCHEMES:
        made = Quantized(
            _weights(floats, scheme, representative_dataset, excluded, per_channel, rounding, block_size, arithmetic)
        )
    else:
        check_types(STATIC[scheme].activations, *types)
        data = representative_dataset if is_method(calibration) or not bias_correction else None
        found = calibrated(floats, scheme, data, calibration, ranges, executor, progress)
        static = as_litert(STATIC[scheme]) if found.method == "ema" else STATIC[scheme]
        written, decisions = quantize_static(
            floats,
            static,
            found.ranges,
            per_channel=per_channel,
            inference_input_type=types[0],
            inference_output_type=types[1],
            exclude=excluded,
            schemes=schemes,
        )
        _check_ranges(decisions)
        made = Quantized(written, found, decisions)
    if not bias_correction:
        return made
    return dataclasses.replace(made, model=bias_corrected(floats, made.model, representative_dataset))


def _model_alone(function: Callable[Settings, Quantized]) -> Callable[Settings, Model]:
    @functools.wraps(function)
    def wrapper(*arguments: Settings.args, **settings: Settings.kwargs) -> Model:
        return function(*arguments, **settings).model

    wrapper.__name__ = wrapper.__qualname__ = "quantize"
    first, _, rest = (function.__doc__ or "").partition("\n")
    wrapper.__doc__ = f"Quantize a float32 model.\n{rest}" if first else None
    return wrapper


quantize = _model_alone(quantized)


def _check_ranges(decisions: list[Decision]) -> None:
    """Say which operators stay float for want of a range. Raises :class:`ArgumentError` when those are all that could
    have been integers."""
    lacking = [d for d in decisions if d.reason.startswith(NO_RANGE)]
    if not lacking:
        return
    first = lacking[0]
    which = f"{first.name} (operator {first.operator} of subgraph {first.subgraph}): {first.reason}"
    if all(d.scheme == FLOAT for d in decisions):
        raise ArgumentError(
            f"no operator became integers: {len(lacking)} lack ranges, the first being {which}. Give ranges of all "
            "tensors, or representative_dataset= to measure them."
        )
    warn([Finding("no range", None, f"{len(lacking)} operators stay float, the first being {which}")])


ROUNDINGS: Mapping[str, Callable[[], Choice]] = {
    "nearest": lambda: nearest_integers(LITERT),
    "clipped": clipped,
    "squant": squant,
}
"""Ways of choosing integers for weights without samples."""


def _weights(
    model: Model,
    scheme: str,
    data: Any,
    exclude: list[Pattern],
    per_channel: bool,
    rounding: str | None,
    block_size: int,
    arithmetic: str,
) -> Model:
    graphs = [graph(model, i) for i in range(len(model.subgraphs))]
    left = set().union(*(selected(graphs, pattern) for pattern in exclude))
    if scheme == "float16":
        return float16(model, exclude=left)
    if scheme == "dynamic_range":
        return dynamic_range(model, exclude=left, per_channel=per_channel)
    settings: dict[str, Any] = {"exclude": left, "per_channel": per_channel, "arithmetic": arithmetic}
    if scheme == "weights_int4":
        _check_blocks(model, block_size, left)
        settings["block_size"] = block_size
    way = rounding or ("squant" if data is None else "gptq")
    if way in ROUNDINGS:
        return WEIGHT_SCHEMES[scheme](model, choose=ROUNDINGS[way](), **settings)
    if way != "gptq":
        known = (*ROUNDINGS, "gptq")
        raise ArgumentError(f"unknown rounding {way!r}{nearest(way, known)}; there are: {', '.join(known)}.")
    if data is None:
        raise ArgumentError("rounding='gptq' chooses integers by samples: give representative_dataset=.")
    fitted = gptq(model, data, bits=8 if scheme == "weights_int8" else 4, **settings)
    return WEIGHT_SCHEMES[scheme](fitted.model, choose=fitted.choose, **settings)


def _check_blocks(model: Model, block_size: int, exclude: Excluded) -> None:
    """Raise :class:`ArgumentError` for a block size that suits no layer."""
    if not block_size or block_size % 32:  # which the scheme itself refuses
        return
    matrices = weights_of(model, 4, exclude=exclude)
    if not any(all(divided_into(block_size, w.values, w.bits, name) for name in w.operators) for w in matrices):
        raise ArgumentError(
            "block_size: expected one that divides the rows of a FULLY_CONNECTED matrix of at least four units; "
            f"{block_size} suits no layer of the model."
        )


def calibrated(
    model: Model,
    scheme: str,
    data: Any,
    calibration: str | Calibration | os.PathLike[str],
    ranges: Ranges | None,
    executor: Executor | None,
    progress: bool,
) -> Calibration:
    """The ranges to quantize by: measured or handed over, then replaced by those that were given by name."""
    by_hand = None if ranges is None else recorded(model, ranges)
    if data is None and is_method(calibration):
        if by_hand is not None:
            return by_hand
        raise ArgumentError(
            f"{scheme} quantizes activations, whose ranges must come from somewhere: give representative_dataset=, "
            "a calibration, or ranges=. To quantize weights only, choose dynamic_range, weights_int8 or weights_int4."
        )
    activations = STATIC[scheme].activations
    found = calibration_for(model, calibration, data, executor=executor, progress=progress, activations=activations)
    if by_hand is None:
        return found
    return dataclasses.replace(found, ranges={**found.ranges, **by_hand.ranges}, names={**found.names, **by_hand.names})
