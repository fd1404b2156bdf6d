"""``python -m minilite`` is the command ``minilite``."""

import sys

from minilite import interrupts


def main() -> int:
    """The command; an interrupt while it is still being loaded ends it as quietly as a later one."""
    interrupts.to_system()
    from minilite.cli import main

    try:
        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
