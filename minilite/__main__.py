"""``python -m minilite`` is the command ``minilite``."""

import sys


def main() -> int:
    """The command; an interrupt while it is still being loaded ends it as quietly as a later one."""
    try:
        from minilite.cli import main
    except KeyboardInterrupt:
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())
