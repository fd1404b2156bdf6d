"""odml.scaled_dot_product_attention: every query takes the mean of the values, weighted by how well their keys fit.

    logits[b, n, t, s] = scale * sum over h of query[b, t, n, h] * key[b, s, k, h]          k = n / (heads / key heads)
    logits = cap * tanh(logits / cap)                           with logit_cap
    logits = logits + mask                                      with a mask
    output[b, t, n, h] = sum over s of softmax(logits)[b, n, t, s] * value[b, s, k, h]

query [batch, length, heads, size], key and value [batch, keys, key heads, size], the number of heads a multiple of
that of key heads; mask broadcasts to [batch, heads, length, keys]; output like query; all float32.

Options, a flexbuffer: scale (1 / sqrt(size) when absent), logit_cap. LiteRT has no kernel for the operator, only
XNNPACK computes it; everything is float32, and sums are taken in any order.

Source: Vaswani et al. 2017, "Attention is all you need", section 3.2; LiteRT, xnnpack_delegate.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minilite.cases import Case, Draw, boolean, data
from minilite.flexbuffers import encode
from minilite.ops.accumulate import in_blocks
from minilite.ops.custom_options import options_map, real
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray


def shapes(node: Node, query: TensorInfo, key: TensorInfo, value: TensorInfo, mask: TensorInfo | None) -> tuple[Shape]:
    query.need(query.rank == 4 and 0 not in query.shape, "[batch, length, heads, size]", query.shape)
    batch, length, heads, size = query.shape
    fits = key.rank == 4 and 0 not in key.shape and (key.shape[0], key.shape[3]) == (batch, size)
    key.need(fits and heads % key.shape[2] == 0, f"[{batch}, keys, a divisor of {heads}, {size}]", key.shape)
    value.need(value.shape == key.shape, key.shape, value.shape)
    if mask is not None:
        whole = (batch, heads, length, key.shape[1])
        fits = mask.rank <= 4 and all(m in (1, w) for m, w in zip(mask.shape[::-1], whole[::-1], strict=False))
        mask.need(fits, f"a shape that broadcasts to {whole}", mask.shape)
    return (query.shape,)


@dataclass(frozen=True)
class Prepared:
    """The factor of the logits, and what they are capped at, or 0."""

    scale: float
    cap: float


def prepare(node: Node, query: TensorInfo, *rest: TensorInfo | None) -> Prepared:
    options = options_map(node) if node.custom_options else {}
    given = options.get("scale") is not None
    return Prepared(
        real(node, options, "scale") if given else 1 / math.sqrt(query.shape[3]), real(node, options, "logit_cap")
    )


def attend(p: Prepared, query: Array, key: Array, value: Array, mask: Array | None = None) -> Array:
    groups = query.shape[2] // key.shape[2]
    queries = (query * np.asarray(p.scale, query.dtype)).transpose(0, 2, 1, 3)
    keys, values = (np.repeat(a.transpose(0, 2, 1, 3), groups, axis=1) for a in (key, value))
    output = np.empty(queries.shape, query.dtype)
    rows = None if mask is None else np.broadcast_to(mask, (*queries.shape[:3], keys.shape[2]))
    for part in in_blocks(queries.shape[2], keys.size // keys.shape[3]):
        logits = _capped(queries[:, :, part] @ keys.swapaxes(2, 3), p.cap)
        output[:, :, part] = _softmax(logits if rows is None else logits + rows[:, :, part]) @ values
    return np.ascontiguousarray(output.transpose(0, 2, 1, 3))


def _capped(logits: Array, cap: float) -> Array:
    at = np.asarray(cap, logits.dtype)
    return np.asarray(np.tanh(logits / at) * at) if cap else logits


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=3, keepdims=True))
    return np.asarray(powers / powers.sum(axis=3, keepdims=True))


def case(draw: Draw, definition: Definition) -> Case:
    """As many key heads as heads, one for all (XNNPACK takes that with a batch of 1 only), and in between."""
    key_heads, groups = draw.choice(((2, 1), (1, 3), (2, 2), (1, 1)))
    batch = 1 if key_heads == 1 else draw.integer(1, 2)
    length, keys, size = draw.integer(1, 5), draw.integer(1, 7), draw.choice((4, 1, 8, 3))
    query = data((batch, length, key_heads * groups, size), -3, 3)
    pair = [data((batch, keys, key_heads, size), -3, 3) for _ in range(2)]
    mask = [data((1, 1, length, keys), -5, 5)] if boolean(draw) else []
    options = {"scale": draw.choice((0.25, 1.5))} if boolean(draw) else {}
    options |= {"logit_cap": draw.choice((2.0, 50.0))} if boolean(draw) else {}
    return Case((query, *pair, *mask), custom_options=encode(options))


SCALED_DOT_PRODUCT_ATTENTION = Op(
    "odml.scaled_dot_product_attention",
    inputs=(activation("query"), activation("key"), activation("value"), activation("mask", optional=True)),
    outputs=(activation("output"),),
    definitions=(Definition("float32 float32 float32 float32? -> float32", attend, prepare=prepare, atol=5e-6),),
    shapes=shapes,
    cases=case,
    custom=True,
)
