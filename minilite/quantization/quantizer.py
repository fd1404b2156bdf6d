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
from minilite.quantization.bias_correction import bias_corrected
from minilite.quantization.calibrating import METHODS, calibration_for
from minilite.quantization.calibration import Calibration, recorded
from minilite.quantization.clipping import clipped
from minilite.quantization.dynamic_range import dynamic_range
from minilite.quantization.equalization import equalized
from minilite.quantization.graph import graph
from minilite.quantization.inputs import nearest
from minilite.quantization.numbers import LITERT
from minilite.quantization.rounding import gptq
from minilite.quantization.schemes import STATIC, as_litert
from minilite.quantization.selecting import Pattern, selected
from minilite.quantization.source import as_model, check_float, with_float32_constants
from minilite.quantization.squant import squant
from minilite.quantization.static_model import FLOAT, Decision, quantize_static
from minilite.quantization.weight import Choice
from minilite.quantization.weight import nearest as nearest_integers
from minilite.quantization.weights_only import float16, weights_int4, weights_int8

WEIGHT_SCHEMES: Mapping[str, Callable[..., Model]] = {
    "dynamic_range": dynamic_range,
    "float16": float16,
    "weights_int8": weights_int8,
    "weights_int4": weights_int4,
}
SCHEMES = (*STATIC, *WEIGHT_SCHEMES)
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
                            ``weights_int8`` and ``weights_int4`` choose better integers with them
    calibration             how ranges follow from samples: a method (:mod:`minilite.quantization.calibrating`), or a
                            :class:`Calibration`, or the path of a saved one. ``ema`` quantizes as litert-quantizer does
    per_channel             weights have a scale for each channel, where kernels can
    inference_input_type    of the model's float inputs: ``float32``, ``int8``, ``uint8``; ``int16`` in int16x8
    inference_output_type   of its outputs
    exclude                 operators that stay float (:data:`minilite.quantization.selecting.Pattern`), one or several
    schemes                 operators of another static scheme, or ``float32``: ``{"CONV_2D": "int16x8"}``
    ranges                  ranges to use in place of measured ones, ``{tensor name: (lowest, highest)}`` or a .json
                            file of that; where they suffice, no samples are needed
    equalize                even out neighbouring layers' weights first (:mod:`minilite.quantization.equalization`):
                            True, or ``"minimum"``, which makes RELU6 between them a RELU and a MINIMUM
    bias_correction         make up in the biases for the mean error that quantizing leaves in each layer, which samples
                            must show (:mod:`minilite.quantization.bias_correction`)
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

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for a model that is quantized already and for arguments
    that do not fit; :class:`ModelError` for a bad file; what running the model raises."""
    if scheme not in SCHEMES:
        raise ArgumentError(f"unknown scheme {scheme!r}{nearest(scheme, SCHEMES)}; there are: {', '.join(SCHEMES)}.")
    types = (inference_input_type, inference_output_type)
    _check_arguments(
        scheme,
        {
            "inference_input_type": types[0] != FLOAT,
            "inference_output_type": types[1] != FLOAT,
            "schemes": bool(schemes),
            "ranges": ranges is not None,
            "rounding": rounding is not None,
            "arithmetic": arithmetic != "float",
            "block_size": block_size != 0,
        },
    )
    source = with_float32_constants(as_model(model))
    check_float(source)
    floats = equalized(source, relu6=equalize if isinstance(equalize, str) else "skip") if equalize else source
    excluded = _patterns(exclude)
    if scheme in WEIGHT_SCHEMES:
        made = Quantized(
            _weights(floats, scheme, representative_dataset, excluded, per_channel, rounding, block_size, arithmetic)
        )
    else:
        _check_types(STATIC[scheme].activations, *types)
        found = calibrated(floats, scheme, representative_dataset, calibration, ranges, executor, progress)
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
        made = Quantized(written, found, decisions)
    if not bias_correction:
        return made
    if representative_dataset is None:
        raise ArgumentError("bias_correction= measures errors on samples: give representative_dataset=.")
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


def _patterns(exclude: Iterable[Pattern] | Pattern) -> list[Pattern]:
    single = isinstance(exclude, str | int) or callable(exclude)
    return [exclude] if single else list(exclude)  # type: ignore[list-item, arg-type]  # told apart by ``single``


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


_ONLY_FOR = {
    **dict.fromkeys(("inference_input_type", "inference_output_type", "schemes", "ranges"), tuple(STATIC)),
    **dict.fromkeys(("rounding", "arithmetic"), ("weights_int8", "weights_int4")),
    "block_size": ("weights_int4",),
}


def _check_arguments(scheme: str, given: Mapping[str, bool]) -> None:
    for name, is_given in given.items():
        if is_given and scheme not in _ONLY_FOR[name]:
            raise ArgumentError(f"{name}= is for the schemes {' and '.join(_ONLY_FOR[name])}, not for {scheme}.")


def _check_types(activations: str, *types: str) -> None:
    allowed = (FLOAT, "int8", "uint8") if activations == "int8" else (FLOAT, activations)
    for type_ in types:
        if type_ not in allowed:
            raise ArgumentError(
                f"inference types: expected {', '.join(allowed)} with {activations} activations, got {type_!r}."
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
    if data is None and isinstance(calibration, str) and calibration in METHODS:
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
