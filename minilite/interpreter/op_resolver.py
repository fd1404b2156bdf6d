"""LiteRT's op resolvers, and the kernel set each one stands for."""

from __future__ import annotations

import enum
from typing import Any

from minilite.errors import ArgumentError
from minilite.kernel_sets import KernelSet, kernel_set


@enum.unique
class OpResolverType(enum.Enum):
    """LiteRT's choice of kernels.

    ``BUILTIN_REF`` is kernel set ``reference``, ``BUILTIN_WITHOUT_DEFAULT_DELEGATES`` is ``builtin``. ``AUTO`` and
    ``BUILTIN`` mean minilite's default set; they do not mean XNNPACK here, ``kernels="xnnpack"`` does.
    """

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


DEFAULT = "reference"
_SETS = {
    OpResolverType.AUTO: None,
    OpResolverType.BUILTIN: None,
    OpResolverType.BUILTIN_REF: "reference",
    OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES: "builtin",
}


def resolver_type(value: Any) -> OpResolverType:
    """The member; another package's ``OpResolverType`` counts by its name. Raises :class:`ArgumentError`."""
    if isinstance(value, enum.Enum) and type(value).__name__ == "OpResolverType":
        value = OpResolverType.__members__.get(value.name, value)
    if not isinstance(value, OpResolverType):
        raise ArgumentError(
            f"Unrecognized passed in op resolver type: {value}. It must be a member of minilite.OpResolverType."
        )
    return value


def chosen_kernels(kernels: str | None, resolver: OpResolverType) -> KernelSet:
    """The kernel set that ``kernels=`` and the resolver agree on. Raises :class:`ArgumentError` if they do not."""
    implied = _SETS[resolver]
    if kernels is None:
        return kernel_set(implied or DEFAULT)
    chosen = kernel_set(kernels)
    if implied not in (None, chosen.name):
        raise ArgumentError(
            f"kernels={kernels!r} contradicts experimental_op_resolver_type={resolver.name}, which means "
            f"kernels={implied!r}; give one of them."
        )
    return chosen
