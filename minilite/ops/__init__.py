"""Every operator there is, by name. One line here and one file beside it make an operator."""

from minilite.ops import add, conv_2d, dequantize, logistic, quantize, reshape
from minilite.spec import Op

OPS: dict[str, Op] = {
    op.name: op
    for op in (
        add.ADD,
        conv_2d.CONV_2D,
        dequantize.DEQUANTIZE,
        logistic.LOGISTIC,
        quantize.QUANTIZE,
        reshape.RESHAPE,
        add.SUB,
        logistic.TANH,
    )
}
