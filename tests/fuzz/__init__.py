"""Broken models on purpose: mutations, coverage-guided fuzzing (``python -m tests.fuzz``), and mutants by the hundred
thousand (``python -m tests.fuzz.mutants``). docs/robustness.md has what they found."""
