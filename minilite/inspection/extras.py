"""Packages that only some tools need, and that minilite is installed without."""

from __future__ import annotations

import importlib
from typing import Any

from minilite.errors import Error


class MissingPackageError(Error, ImportError):
    """A package is missing that this tool needs; the message says how to install it."""


def needed(module: str, what: str, extra: str) -> Any:
    """A module of another package, for ``what``. Raises :class:`MissingPackageError`, which names the ``extra``."""
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise MissingPackageError(
            f"{what} needs the package {package}, which is not installed: pip install 'minilite-interpreter[{extra}]'."
        ) from None
