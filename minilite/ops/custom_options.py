"""Options of custom operators, read as LiteRT's kernels read them.

LiteRT's own custom operators keep a flexbuffer with a map. A number may be of any type, and one that is missing is 0.
MediaPipe's keep a struct of C instead (little endian); bytes that are missing are 0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.errors import ModelError, OperatorError
from minilite.flexbuffers import decode
from minilite.spec import Node


def options_map(node: Node) -> Mapping[str, Any]:
    """The map that the custom options hold. Raises :class:`OperatorError` when they hold none."""
    try:
        found = decode(node.custom_options or b"")
    except ModelError as error:
        raise OperatorError(f"custom options: {error}") from error
    node.need(isinstance(found, dict), "a map as custom options", type(found).__name__)
    return dict(found)


def _number(node: Node, options: Mapping[str, Any], name: str) -> int | float:
    value = options.get(name)
    fits = value is None or isinstance(value, int | float)
    node.need(fits, f"a number for option {name}", repr(value))
    return value or 0


def whole(node: Node, options: Mapping[str, Any], name: str, low: int = 0, high: int = 2**31 - 1) -> int:
    """An integer option in [low, high]; of a real number the fraction is dropped."""
    value = _number(node, options, name)
    node.need(math.isfinite(value) and low <= int(value) <= high, f"option {name} from {low} to {high}", value)
    return int(value)


def real(node: Node, options: Mapping[str, Any], name: str) -> float:
    """A float32 option."""
    return float(np.float32(_number(node, options, name)))


def struct_of(node: Node, fields: int) -> tuple[int, ...]:
    """The first int32 fields of a struct."""
    content = (node.custom_options or b"")[: 4 * fields]
    return struct.unpack(f"<{fields}i", content.ljust(4 * fields, b"\0"))
