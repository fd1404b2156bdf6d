"""Every operator there is, by name. One line here and one file beside it make an operator."""

from minilite.ops import add, conv_2d, dequantize, quantize, reshape
from minilite.spec import Op

OPS: dict[str, Op] = {
    op.name: op
    for op in (
        add.ADD,
        add.SUB,
        conv_2d.CONV_2D,
        dequantize.DEQUANTIZE,
        quantize.QUANTIZE,
        reshape.RESHAPE,
    )
}
