"""``quantize``: a float model and representative data in, an integer model out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from minilite.errors import ArgumentError
from minilite.model import Model
from minilite.quantization.calibrating import METHODS, calibration_for
from minilite.quantization.calibration import Calibration, recorded
from minilite.quantization.dynamic_range import dynamic_range
from minilite.quantization.graph import graph
from minilite.quantization.inputs import nearest
from minilite.quantization.schemes import STATIC, as_litert
from minilite.quantization.selecting import Pattern, selected
from minilite.quantization.source import as_model, check_float, with_float32_constants
from minilite.quantization.static_model import FLOAT, Decision, quantize_static
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


def quantize(
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
    executor: Executor | None = None,
    progress: bool = True,
) -> Model:
    """Quantize a float32 model.

    model                   a path, the bytes of a .tflite file, or a :class:`Model`
    scheme                  ``int8`` (weights and activations), ``int16x8`` (16-bit activations, 8-bit weights),
                            ``dynamic_range`` (8-bit weights, activations quantized while running), ``float16``,
                            ``weights_int8`` and ``weights_int4`` (smaller weights, float arithmetic)
    representative_dataset  samples, for the schemes that quantize activations: a function that yields samples, arrays,
                            or anything to iterate over (:mod:`minilite.quantization.representative`)
    calibration             how ranges follow from samples: a method (:mod:`minilite.quantization.calibrating`), or a
                            :class:`Calibration`, or the path of a saved one. ``ema`` quantizes as litert-quantizer does
    per_channel             weights have a scale for each channel, where kernels can
    inference_input_type    of the model's float inputs: ``float32``, ``int8``, ``uint8``; ``int16`` in int16x8
    inference_output_type   of its outputs
    exclude                 operators that stay float (:data:`minilite.quantization.selecting.Pattern`), one or several
    schemes                 operators of another static scheme: ``{"CONV_2D": "int16x8"}``
    ranges                  ranges to use in place of measured ones, ``{tensor name: (lowest, highest)}`` or a .json
                            file of that; where they suffice, no samples are needed
    executor                any ``concurrent.futures.Executor`` to calibrate in
    progress                show a bar while calibrating, on a terminal

    The integers of ``int8`` and ``int16x8`` follow the TensorFlow Lite 8-bit quantization specification, and are
    TFLiteConverter's bit for bit where ranges are the same. What has no integer kernel stays float between DEQUANTIZE
    and QUANTIZE.

    Raises :class:`ArgumentError` and :class:`ArgumentTypeError` for a model that is quantized already and for arguments
    that do not fit; :class:`ModelError` for a bad file; what running the model raises."""
    return quantized(
        model,
        scheme,
        representative_dataset,
        calibration=calibration,
        per_channel=per_channel,
        inference_input_type=inference_input_type,
        inference_output_type=inference_output_type,
        exclude=exclude,
        schemes=schemes,
        ranges=ranges,
        executor=executor,
        progress=progress,
    ).model


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
    executor: Executor | None = None,
    progress: bool = True,
) -> Quantized:
    """Like :func:`quantize`, with the calibration and the decisions that the model followed from."""
    if scheme not in SCHEMES:
        raise ArgumentError(f"unknown scheme {scheme!r}{nearest(scheme, SCHEMES)}; there are: {', '.join(SCHEMES)}.")
    floats = with_float32_constants(as_model(model))
    check_float(floats)
    excluded = _patterns(exclude)
    if scheme in WEIGHT_SCHEMES:
        _refuse_activations(scheme, inference_input_type, inference_output_type, schemes, ranges)
        return Quantized(_weights(floats, scheme, excluded, per_channel))
    _check_types(STATIC[scheme].activations, inference_input_type, inference_output_type)
    found = calibrated(floats, scheme, representative_dataset, calibration, ranges, executor, progress)
    static = as_litert(STATIC[scheme]) if found.method == "ema" else STATIC[scheme]
    written, decisions = quantize_static(
        floats,
        static,
        found.ranges,
        per_channel=per_channel,
        inference_input_type=inference_input_type,
        inference_output_type=inference_output_type,
        exclude=excluded,
        schemes=schemes,
    )
    return Quantized(written, found, decisions)


def _patterns(exclude: Iterable[Pattern] | Pattern) -> list[Pattern]:
    single = isinstance(exclude, str | int) or callable(exclude)
    return [exclude] if single else list(exclude)  # type: ignore[list-item, arg-type]  # told apart by ``single``


def _weights(model: Model, scheme: str, exclude: list[Pattern], per_channel: bool) -> Model:
    graphs = [graph(model, i) for i in range(len(model.subgraphs))]
    left = set().union(*(selected(graphs, pattern) for pattern in exclude))
    settings = {} if scheme == "float16" else {"per_channel": per_channel}
    return WEIGHT_SCHEMES[scheme](model, exclude=left, **settings)


def _refuse_activations(scheme: str, input_type: str, output_type: str, schemes: Any, ranges: Any) -> None:
    given_ = {
        "inference_input_type": input_type != FLOAT,
        "inference_output_type": output_type != FLOAT,
        "schemes": bool(schemes),
        "ranges": ranges is not None,
    }
    for name, is_given in given_.items():
        if is_given:
            raise ArgumentError(f"{name}= is for {' and '.join(STATIC)}: {scheme} keeps activations float32.")


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
