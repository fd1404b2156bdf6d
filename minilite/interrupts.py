"""Interrupts while the command line starts.

Python raises an interrupt in whatever is under way. Within imports that may be a place from where it is printed and
forgotten, or turned into another error. So until a command has what it needs, interrupts are the system's, which ends
the process without a word; then they are Python's again, so that a command can tidy up.
"""

import signal


def to_system() -> None:
    """Let the system act on interrupts, unless they are ignored or somebody else's."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def to_python() -> None:
    """Take back what :func:`to_system` gave."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
