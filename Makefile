# make demo | make test | make bench: each makes its own virtual environment when there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test bench format clean

$(VENV)/.installed: pyproject.toml requirements-dev.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "quantpick needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The main job on the branch table of TheBloke/Airoboros-c34B-3.1.2-GPTQ: read it, judge it, pick. No network is used.
CARD := tests/fixtures/cards/airoboros-c34b-gptq.md
demo: $(VENV)/.installed
	@echo; echo '$$ quantpick list --card $(CARD)'; $(BIN)/quantpick list --card $(CARD)
	@echo; echo '$$ quantpick recommend --card $(CARD) --gpu "RTX 4090" --loader exllamav2'; \
		$(BIN)/quantpick recommend --card $(CARD) --gpu "RTX 4090" --loader exllamav2
	@echo; echo '$$ quantpick recommend --card $(CARD) --gpu "RTX 4090" --loader vllm -q'; \
		$(BIN)/quantpick recommend --card $(CARD) --gpu "RTX 4090" --loader vllm -q
	@echo; echo '$$ quantpick recommend --card $(CARD) --vram 16GiB --loader exllama'; \
		$(BIN)/quantpick recommend --card $(CARD) --vram 16GiB --loader exllama; \
		code=$$?; echo "exit $$code"; test $$code -eq 3

test: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/card_speed.py
	$(BIN)/python benchmarks/hub_survey.py
	$(BIN)/python benchmarks/vram_accuracy.py

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)
