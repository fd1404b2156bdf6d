"""Writes docs/operators.md from the rows: `python docs/generate.py`; with `--check`, fails when the file is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from minilite import tflm
from minilite.kernel_sets import ARITHMETIC
from minilite.ops import OPS
from minilite.spec import Op, Operand

PAGE = Path(__file__).with_name("operators.md")


def page() -> str:
    """The whole page."""
    lines = [
        "# Operators",
        "",
        "Generated from the rows of `minilite/ops/` by `python docs/generate.py`; do not edit. How close each comes to",
        "LiteRT is measured in [conformance.md](conformance.md); how to add one is told in",
        "[adding-an-operator.md](adding-an-operator.md).",
        "",
        " · ".join(f"[{name}](#{name.lower()})" for name in sorted(OPS)),
        "",
    ]
    for name in sorted(OPS):
        for op in (OPS[name], *OPS[name].kinds):
            lines += section(op)
    return "\n".join(lines)


def section(op: Op) -> list[str]:
    """One operator: its formula, operands, types, and the words the kernel sets have for it."""
    kind = "Custom operator, version" if op.custom else "Versions 1 to"
    lines = [f"## {op.name}", "", f"{kind} {op.version}.", "", "```text", op.description.strip(), "```", ""]
    lines += ["| operand | role | quantization |", "|---|---|---|"]
    lines += [f"| {o.name}{_mark(o)} | {o.role} | {constraint(o)} |" for o in op.inputs]
    lines += [f"| -> {o.name}{_mark(o)} | {o.role} | {constraint(o)} |" for o in op.outputs]
    lines += ["", "Types: " + ", ".join(f"`{d.types}`" for d in op.definitions) + ".", ""]
    if op.name in ARITHMETIC:
        words = zip(("reference", "builtin", "xnnpack", "tflm"), ARITHMETIC[op.name], strict=True)
        lines += ["Arithmetic: " + ", ".join(f"{name} *{word}*" for name, word in words if word != "-") + ".", ""]
    return [*lines, micro(op), ""]


def micro(op: Op) -> str:
    """Which of the row's types TFLite Micro has, and what it asks of a model."""
    labels = dict.fromkeys(d.label for d in op.definitions if tflm.takes(op.name, d))
    if not labels:
        return "Not in kernel set tflm."
    kernel = tflm.KERNELS[op.name]
    asks = [f"constant {', '.join(kernel.constant)}"] * bool(kernel.constant)
    asks += [f"at most {kernel.rank} dimensions"] * bool(kernel.rank)
    return f"TFLite Micro: {', '.join(labels)}" + "".join(f"; {ask}" for ask in asks) + "."


def _mark(operand: Operand) -> str:
    return "*" if operand.variadic else "?" if operand.optional else ""


def constraint(operand: Operand) -> str:
    """What the 8-bit specification asks of an operand, in words."""
    said = []
    if operand.axis is not None:
        said.append(f"per-tensor, or per-axis along dimension {operand.axis}")
    if operand.scale_of:
        said.append(f"scale = product of the scales of {' and '.join(operand.scale_of)}")
    if operand.same_as:
        said.append(f"scale and zero point of {operand.same_as}")
    said += [f"{type_}: scale {_fraction(scale)}, zero point {zero}" for type_, scale, zero in operand.fixed]
    if operand.symmetric:
        said.append("zero point 0")
    return "; ".join(said) or ("none" if operand.role == "parameter" else "per-tensor")


def _fraction(scale: float) -> str:
    return f"1/{round(1 / scale)}" if scale and abs(round(1 / scale) * scale - 1) < 1e-6 else f"{scale:g}"


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
