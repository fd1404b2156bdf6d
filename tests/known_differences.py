"""Integer results that are not LiteRT's, measured and explained; ``docs/conformance.md`` prints them.

Anything not listed here must be equal bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """Results of ``op`` with ``label`` in ``kernels`` may be up to ``steps`` apart, because of ``why``."""

    op: str
    label: str
    kernels: str
    steps: int
    why: str


DIFFERENCES: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Undefined:
    """Models of ``op`` with ``label`` on which LiteRT disagrees with itself: equal elements of one tensor give other
    results in other positions. Rows draw none of them; ``value`` says what minilite computes."""

    op: str
    label: str
    where: str
    why: str
    value: str


UNDEFINED: tuple[Undefined, ...] = tuple(
    Undefined(
        op,
        "int16",
        "an operand's scale is 2**8 or more",
        "a shift by a negative count is undefined in C++, and compiled for vectors of 8 it fills with the sign",
        "what the elements after the last whole vector are",
    )
    for op in ("EQUAL", "NOT_EQUAL")
)


@dataclass(frozen=True)
class ModelDifference:
    """Real models whose results in these kernel sets are not LiteRT's, because of ``why``."""

    files: tuple[str, ...]
    kernels: tuple[str, ...]
    why: str


ALL = ("reference", "builtin", "xnnpack")

MODELS = (
    ModelDifference(
        tuple(f"google-ai-edge+LiteRT/static_w8_a16_quantized_{name}_einsum.tflite" for name in ("k", "q", "v")),
        ALL,
        "LiteRT answers zeros: its BATCH_MATMUL takes the scale of a per-axis quantized operand for 0",
    ),
    ModelDifference(
        (
            "hugocornellier+face_detection_tflite/selfie_segmenter.tflite",
            "hugocornellier+face_detection_tflite/selfie_segmenter_landscape.tflite",
            "mediapipe-0.10.21/selfie_segmentation.tflite",
            "mediapipe-0.10.21/selfie_segmentation_landscape.tflite",
        ),
        ("xnnpack",),
        "the last sums nearly cancel, and 4e-6 of range before them become this; fed with XNNPACK's own operands, the "
        "last operators are within 2e-7",
    ),
    ModelDifference(
        ("mattn+go-tflite/style_transfer_quantized_dynamic.tflite",),
        ("xnnpack",),
        "float sums in another order flip steps of activations that are quantized on the way in; LiteRT's own result "
        "changes by up to 2.5e-2 when its input changes by one unit in the last place",
    ),
    ModelDifference(
        ("tensorflow+examples/mobilenet_v2_035_96_embedder_with_metadata.tflite",),
        ("builtin", "xnnpack"),
        "float sums in another order flip steps of activations that are quantized on the way in; LiteRT's own result "
        "changes by 2.6e-2 when its input changes by one unit in the last place",
    ),
    ModelDifference(
        ("tulasiram58827+ocr_tflite/ocr_dr.tflite",),
        ("builtin", "xnnpack"),
        "steps of activations that are quantized on the way in flip, in a loop that feeds itself: one unit in the last "
        "place of TANH and LOGISTIC (LiteRT's optimized ones are approximations) changes our result in builtin by "
        "9e-4; one of the input changes LiteRT's in xnnpack by 1.9e-5",
    ),
)


ALONE = (
    ModelDifference(
        (
            "hugocornellier+face_detection_tflite/selfie_segmenter.tflite",
            "hugocornellier+face_detection_tflite/selfie_segmenter_landscape.tflite",
            "mediapipe-0.10.21/selfie_segmentation.tflite",
            "mediapipe-0.10.21/selfie_segmentation_landscape.tflite",
        ),
        ("reference", "builtin"),
        "only LiteRT's XNNPACK delegate has Convolution2DTransposeBias; minilite has it in all sets",
    ),
    ModelDifference(
        ("tensorflow+tflite-micro/keyword_scrambled_8bit.tflite",),
        ALL,
        "its SVDFs have an int8 state, which LiteRT reads as int16 and ends its process; TFLite Micro runs it",
    ),
)
"""Real models that LiteRT does not run in these sets and minilite does."""


def runs_alone(file: str, kernels: str) -> str | None:
    """Why minilite runs a real model that LiteRT does not, if it is listed."""
    return next((m.why for m in ALONE if file in m.files and kernels in m.kernels), None)


def known(file: str, kernels: str) -> str | None:
    """Why a real model's result is not LiteRT's, if it is listed."""
    return next((m.why for m in MODELS if file in m.files and kernels in m.kernels), None)


@dataclass(frozen=True)
class Short:
    """A cell of the table that falls short of what ``tests/test_conformance_page.py`` asks of all: of enough cases, or
    of exact integers, or of no error of ours; because of ``why``."""

    op: str
    label: str
    kernels: str
    why: str


SHORT: tuple[Short, ...] = ()


ULPS: dict[tuple[str, str, str], int] = {
    **{(op, "float32", "tflm"): 1 for op in ("COS", "SIN", "EXP", "LOG", "ELU")},
    ("LOG_SOFTMAX", "float32", "tflm"): 2,
    ("SVDF", "float32", "tflm"): 2,
}
"""Floats of a kernel set that are further from its runtime than the row says. The package tflite-micro has functions of
its own for exp, log, sin, cos and tanh, which are not always the nearest float32."""


def allowed_ulps(op: str, label: str, kernels: str) -> int:
    """How many units in the last place a float may differ beyond what its row allows."""
    return ULPS.get((op, label, kernels), 0)


def allowed_steps(op: str, label: str, kernels: str) -> int:
    """How many integer steps a result may differ: 0 unless it is listed."""
    return next((d.steps for d in DIFFERENCES if (d.op, d.label, d.kernels) == (op, label, kernels)), 0)
