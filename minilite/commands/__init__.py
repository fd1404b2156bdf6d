"""What the commands of the command line do, a file each; :mod:`minilite.cli` parses."""
