"""``python -m minilite`` is the command ``minilite``."""

import sys

from minilite.cli import main

sys.exit(main())
