"""Everything minilite raises on purpose.

    Error
    ├── ModelError              (ValueError)    the file is not a sound .tflite model
    ├── UnsupportedOperatorError
    │   ├── UnsupportedBuiltinError   (ValueError)    a built-in operator or version there is no row for
    │   └── UnresolvedCustomError     (RuntimeError)  a custom or Flex (TensorFlow) operator
    ├── OperatorError           (RuntimeError)  an operator cannot be prepared or computed
    ├── ArgumentError           (ValueError)    an argument has an impossible value
    │   └── ArgumentOverflowError   (OverflowError) ... one that is too large for its type
    ├── ArgumentTypeError       (TypeError)     an argument has the wrong type
    ├── NotAnArrayError         (AttributeError) a signature's input is no array
    ├── ResizeError             (RuntimeError)  a tensor cannot take that shape
    ├── DelegateError           (OSError, ValueError)  a delegate, which minilite does not have
    ├── StateError              (RuntimeError)  the call is right, but not now
    └── WorkerError             (RuntimeError)  a worker of an executor died or cannot be reached

Each is also the built-in class LiteRT raises in the same situation, so scripts that catch that keep working.
"""

from __future__ import annotations

from typing import Any

from minilite.terminal import printable


class Error(Exception):
    """Base class of every error minilite raises on purpose. As text, names from a file are safe to print, and short."""

    def __str__(self) -> str:
        return printable(super().__str__())


class ModelError(Error, ValueError):
    """The bytes are not a sound model; the message says where in the file and what was wrong."""


class UnsupportedOperatorError(Error):
    """The model needs an operator, or a version of one, that minilite has no row for."""


class UnsupportedBuiltinError(UnsupportedOperatorError, ValueError):
    """A built-in operator or version without a row; raised when the interpreter is constructed."""


class UnresolvedCustomError(UnsupportedOperatorError, RuntimeError):
    """A custom or Flex (TensorFlow) operator; raised when tensors are allocated."""


class OperatorError(Error, RuntimeError):
    """An operator cannot be prepared or computed with these types, shapes or quantization."""

    inner: Any = None  # what :mod:`minilite.locating` needs to know when the operator was called by others


class ArgumentError(Error, ValueError):
    """An argument has the right type and an impossible value."""


class ArgumentOverflowError(ArgumentError, OverflowError):
    """A number is too large for the type it must have."""


class ArgumentTypeError(Error, TypeError):
    """An argument has the wrong type."""


class NotAnArrayError(Error, AttributeError):
    """A value for a signature's input has no shape: it is no array."""


class ResizeError(Error, RuntimeError):
    """A tensor cannot take the shape that was asked for."""


class DelegateError(Error, OSError, ValueError):
    """A delegate was asked for; both ways in which scripts fall back to the CPU catch this."""


class StateError(Error, RuntimeError):
    """The call is legal, but not in the interpreter's present state."""


class WorkerError(Error, RuntimeError):
    """A worker of the caller's executor died, or cannot be reached; the cause is chained."""
