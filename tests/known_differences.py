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


MODELS: dict[str, str] = dict.fromkeys(
    (f"google-ai-edge+LiteRT/static_w8_a16_quantized_{name}_einsum.tflite" for name in ("k", "q", "v")),
    "LiteRT answers zeros: its BATCH_MATMUL takes the scale of a per-axis quantized operand for 0",
) | dict.fromkeys(
    (
        "hugocornellier+face_detection_tflite/selfie_segmenter.tflite",
        "hugocornellier+face_detection_tflite/selfie_segmenter_landscape.tflite",
        "mediapipe-0.10.21/selfie_segmentation.tflite",
        "mediapipe-0.10.21/selfie_segmentation_landscape.tflite",
    ),
    "the last sums nearly cancel, and 4e-6 of range before them become this; fed with XNNPACK's own operands, the last "
    "operators are within 2e-7",
)
"""Real models whose results are not LiteRT's, and why."""


def allowed_steps(op: str, label: str, kernels: str) -> int:
    """How many integer steps a result may differ: 0 unless it is listed."""
    return next((d.steps for d in DIFFERENCES if (d.op, d.label, d.kernels) == (op, label, kernels)), 0)
