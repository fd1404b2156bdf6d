"""Every operator there is, by name. One line here and one file beside it make an operator."""

from minilite.ops import (
    add,
    concatenation,
    conv_2d,
    dequantize,
    expand_dims,
    fill,
    gather,
    logistic,
    mul,
    pack,
    pad,
    quantize,
    reshape,
    shape,
    slice,
    split,
    squeeze,
    strided_slice,
    tile,
    transpose,
)
from minilite.spec import Op

OPS: dict[str, Op] = {
    op.name: op
    for op in (
        add.ADD,
        concatenation.CONCATENATION,
        conv_2d.CONV_2D,
        dequantize.DEQUANTIZE,
        expand_dims.EXPAND_DIMS,
        fill.FILL,
        gather.GATHER,
        logistic.LOGISTIC,
        pad.MIRROR_PAD,
        mul.MUL,
        pack.PACK,
        pad.PAD,
        pad.PADV2,
        quantize.QUANTIZE,
        shape.RANK,
        reshape.RESHAPE,
        shape.SHAPE,
        slice.SLICE,
        split.SPLIT,
        split.SPLIT_V,
        squeeze.SQUEEZE,
        strided_slice.STRIDED_SLICE,
        add.SUB,
        logistic.TANH,
        tile.TILE,
        transpose.TRANSPOSE,
        pack.UNPACK,
    )
}
