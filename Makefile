# Everything is a plain command. Each target first sets up .venv where it is missing or stale.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Tests run on every core; a core that is done takes over what waits for another.
SIDE_BY_SIDE := --numprocesses auto --dist worksteal
KERNELS := CMakeLists.txt $(wildcard src/vicinal/kernels/*.cpp src/vicinal/kernels/*.hpp)

.DELETE_ON_ERROR:
.PHONY: help demo test test-train check docs bench shape habits clean

help:
	@echo "make demo    install, fetch the model, index the Python documentation of this machine, answer questions"
	@echo "make test    install what developers need, run the tests"
	@echo "make test-train   install torch, sentence-transformers and OpenVINO too, run the tests that compare with them"
	@echo "make check   format, lint, types, imports, freshness of the generated documents"
	@echo "make docs    write the generated parts of the documents anew"
	@echo "make bench   run the benchmarks; results go to benchmarks/results"
	@echo "make shape   sizes of modules and functions; make habits: what commits touch"
	@echo "make clean   remove what these commands made, .venv too"

demo: $(VENV)/installed
	$(RUN) -m vicinal models pull minilm
	$(RUN) -m vicinal demo

test: $(VENV)/developed
	$(RUN) -m vicinal models pull minilm || echo "The model is not here; tests that need it will say so and be skipped." >&2
	$(RUN) -m pytest $(SIDE_BY_SIDE)

test-train: $(VENV)/trained
	$(RUN) -m pytest $(SIDE_BY_SIDE) -m "train or openvino"

check: $(VENV)/developed
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) scripts/regenerate.py --check

docs: $(VENV)/developed
	$(RUN) scripts/regenerate.py

bench: $(VENV)/developed
	set -e; for script in $(wildcard benchmarks/micro/*.py benchmarks/*/run.py); do echo "== $$script"; $(RUN) $$script; done

shape: $(VENV)/developed
	$(RUN) scripts/shape.py

habits: $(VENV)/developed
	$(RUN) scripts/habits.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The package with what it needs, from this folder: a change of Python code needs no new installation,
# a change of the kernels or of pyproject.toml makes one. An environment that was moved here is made anew.
$(VENV)/installed: pyproject.toml $(KERNELS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Vicinal needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@if ! grep -qsF "$(CURDIR)/$(VENV)" $(VENV)/pyvenv.cfg || ! $(RUN) -c 'import pip'; then rm -rf $(VENV); $(PYTHON) -m venv $(VENV); fi
	$(RUN) -m pip install --quiet 'pip>=25.1'
	$(RUN) -m pip install --quiet --editable .
	@touch $@

$(VENV)/developed: $(VENV)/installed
	$(RUN) -m pip install --quiet --group dev
	@touch $@

# What only comparisons need. torch comes first and by its exact version: whatever asks for it later finds it there.
TORCH := torch==2.13.0
$(VENV)/trained: $(VENV)/developed
	$(RUN) -m pip install --quiet $(TORCH)
	$(RUN) -m pip install --quiet 'sentence-transformers>=5' 'transformers>=4.56' 'openvino>=2026.3.1'
	@touch $@
