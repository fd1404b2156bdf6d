# Two commands do all the set-up: `make demo` and `make test`. They need Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint types check conformance bench docs fuzz mutants soak clean

demo: $(VENV)/.demo
	@$(BIN)/minilite demo

test: lint types
	$(BIN)/python -m pytest -n auto -q --cov --cov-report=term:skip-covered

lint: $(VENV)/.test
	$(BIN)/ruff check .

types: $(VENV)/.test
	$(BIN)/mypy

# Every row, type and kernel set at 1,000 cases each, then the table of docs/conformance.md. Takes hours.
conformance: $(VENV)/.test
	$(BIN)/python -m tests.conformance

# minilite beside LiteRT on the models in MODELS (benchmarks/make_models.py writes them). Takes ten minutes.
MODELS ?= models
bench: $(VENV)/.test
	$(BIN)/python benchmarks/speed.py $(MODELS) --threads 1 2
	$(BIN)/python benchmarks/speed.py $(MODELS) --kernels reference
	$(BIN)/python benchmarks/speed.py $(MODELS) --cold

# A million invokes, an hour of sound, interrupts, ten thousand sequences of calls (docs/robustness.md). Takes an hour or
# two. MINILITE_MODELS has the wake words: benchmarks/get_models.py.
soak: $(VENV)/.test
	$(BIN)/python -m tests.soak

# Coverage-guided fuzzing of TARGET for SECONDS (docs/robustness.md), on Linux. It goes on where it stopped.
TARGET ?= reader
SECONDS ?= 1800
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz $(TARGET) --seconds $(SECONDS)

# 100,000 mutants of the models in MINILITE_MODELS, run by both engines and by LiteRT. Takes hours; goes on where it stopped.
mutants: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.mutants minilite --to 100000 --log minilite.jsonl
	$(BIN)/python -m tests.fuzz.mutants litert --to 20000 --log litert.jsonl

docs: $(VENV)/.test
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.answers

$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "minilite needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,fuzz]'
	@touch $@

clean:
	rm -rf $(VENV) .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz build dist *.egg-info
