# make demo | make test: each makes its own virtual environment when there is none. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTHONS ?= 3.11 3.12 3.13

.PHONY: help demo test attacks fleet bench drift format lock screenshot man dist test-lowest test-pythons test-packages readme clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(VENV)/.installed: pyproject.toml requirements-dev.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "quantpick needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

# No network is used.
demo: $(VENV)/.installed  ## the whole job on a Hub on loopback: a download that is killed and resumed
	$(BIN)/quantpick demo

# Many tests wait for real processes and clocks: two a core keep two cores busy.
test: $(VENV)/.installed  ## all that CI runs: ruff, mypy --strict, import contracts, pytest with coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 4 --cov --cov-report=term:skip-covered

# About ten minutes. Losing power, full disks and strange file systems need root; without it they say that they were left out.
attacks: $(VENV)/.installed  ## kills, power loss, full disks, lying servers, planted files: a table of what held
	$(BIN)/python -m tests.attacks

# The mirror has an environment of its own, made by pip from the package index.
fleet: $(VENV)/.installed  ## three clients behind the mirror olah: what crosses to the Hub, also with faults
	test -x .venv-fleet/bin/olah-cli || { $(PYTHON) -m venv .venv-fleet && .venv-fleet/bin/python -m pip install --quiet olah==0.5.4; }
	PYTHONPATH=. $(BIN)/python benchmarks/fleet.py .venv-fleet/bin/olah-cli

bench: $(VENV)/.installed  ## speed and accuracy, beside hf and raw hf_transfer
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/card_speed.py
	$(BIN)/python benchmarks/hub_survey.py
	$(BIN)/python benchmarks/transfer.py
	$(BIN)/python benchmarks/lines.py
	$(BIN)/python benchmarks/vram_accuracy.py

# Fetches about 1 GB from the package index, through pip.
drift: $(VENV)/.installed  ## has a loader moved away from its rules? compares its newest release with what was read
	$(BIN)/python benchmarks/drift.py

format: $(VENV)/.installed  ## what ruff can mend by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

man: $(VENV)/.installed  ## quantpick.1, a manual page from the help
	$(BIN)/python .ci/man.py > quantpick.1

screenshot: $(VENV)/.installed  ## docs/screen.svg anew: the real screen of one command
	$(BIN)/python .ci/screenshot.py

lock: $(VENV)/.installed  ## requirements-dev.lock anew, from pyproject.toml
	.ci/lock $(BIN)/python

dist: $(VENV)/.installed  ## sdist and wheel into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build

test-lowest:  ## the tests with the lowest version of each dependency
	.ci/test-lowest $(PYTHON)

test-pythons:  ## the tests with each Python of PYTHONS that is found
	.ci/test-pythons $(PYTHONS)

test-packages: dist  ## the tests inside the unpacked sdist; the wheel by pip, pipx and uvx
	.ci/test-packages $(PYTHON) dist

readme: $(VENV)/.installed  ## what the commands in README.md print today, written into it
	$(BIN)/python -m tests.readme

clean:  ## remove what the targets above made
	rm -rf $(VENV) .venv-* dist .coverage htmlcov
