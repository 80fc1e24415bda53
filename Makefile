# Every target sets up what it needs; nothing is installed outside this tree except by test-fleet.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-fleet lint format bench bench-scale clean

demo: $(VENV)/.ready
	$(BIN)/certkit demo

test: $(VENV)/.ready-dev
	$(BIN)/pytest --numprocesses=2 tests/unit
	$(BIN)/pytest tests/ssh
	$(BIN)/pytest --numprocesses=2 tests/faults

# Two fleets, each for some of the files, since one waits most of the time. No test needs 300 s: that is
# for one that hangs.
test-fleet: $(VENV)/.ready-dev
	tests/fleet/prepare
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --timeout=300 tests/fleet

lint: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck --shell=sh certkit/remote/program/*.sh

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python -m bench.suite --write docs

bench-scale: $(VENV)/.ready
	$(BIN)/python -m bench.scale --write docs

# Two steps, so that `make demo` waits for the product only, not for the test tools.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) bench/.peers .mypy_cache .pytest_cache .ruff_cache .hypothesis
