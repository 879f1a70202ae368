# Linguadesk. `make demo` and `make test` need Python 3.11 or newer and make; the rest is installed
# into .venv, locked by hash.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint lock bench vendor clean rasa-env rasa-train rasa-serve rasa-lock

# `make demo RECOGNIZER=rasa`: the same desk on a Rasa server, which is trained, started and ended with it.
ifeq ($(RECOGNIZER),rasa)
demo: .rasa/done
DEMO := $(BIN)/python -m nlu.rasa demo
else
DEMO := $(if $(RECOGNIZER),LINGUADESK_RECOGNIZER=$(RECOGNIZER)) $(BIN)/linguadesk demo
endif

demo: $(VENV)/run.done  ## a whole desk with an invented shop
	$(DEMO) $(if $(PORT),--port $(PORT)) $(DEMO_OPTIONS)

test: $(VENV)/dev.done  ## all tests; PostgreSQL and Chromium are used where they are installed
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_OPTIONS)

lint: $(VENV)/dev.done  ## style, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(VENV)/dev.done  ## choose the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --extra all pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --extra all --group dev pyproject.toml -o requirements/dev.lock

rasa-env: .rasa/done  ## Rasa 3.6 in its own environment (Python 3.10)

rasa-train: $(VENV)/run.done .rasa/done  ## train Rasa on config.yml, domain.yml and nlu/data, unless nothing has changed
	$(BIN)/python -m nlu.rasa train $(if $(DATA_DIR),--data-dir $(DATA_DIR))

rasa-serve: $(VENV)/run.done .rasa/done  ## serve that model at recognizer.rasa.url; LINGUADESK_RASA_TOKEN is its token
	@$(BIN)/python -m nlu.rasa serve $(if $(DATA_DIR),--data-dir $(DATA_DIR)) $(if $(PORT),--port $(PORT)) $(RASA_OPTIONS)

rasa-lock: $(VENV)/bin/uv  ## choose the newest versions that nlu/rasa/pyproject.toml allows
	$(BIN)/uv pip compile -q --upgrade --python-version 3.10 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header nlu/rasa/pyproject.toml -o nlu/rasa/requirements.lock

bench: $(VENV)/dev.done  ## speed and memory, printed as in docs/benchmarks.md
	$(BIN)/python -m bench.nlu
	$(BIN)/python -m bench.engine
	$(BIN)/python -m bench.channels
	$(BIN)/python -m bench.desk

ECHARTS ?= 6.1.0
STATIC := bot/desk/static/vendor

vendor:  ## take the chart library from its npm package, unchanged: `make vendor ECHARTS=6.1.0`
	set -e; dir=$$(mktemp -d); npm pack --silent --pack-destination $$dir echarts@$(ECHARTS) >/dev/null; \
	tar -xzf $$dir/echarts-$(ECHARTS).tgz -C $$dir; \
	cp $$dir/package/dist/echarts.common.min.js $(STATIC)/echarts-common-$(ECHARTS).min.js; \
	cat $$dir/package/LICENSE $$dir/package/licenses/LICENSE-d3 > $(STATIC)/echarts-$(ECHARTS).LICENSE.txt; \
	cp $$dir/package/NOTICE $(STATIC)/echarts-$(ECHARTS).NOTICE.txt; \
	rm -rf $$dir

clean:
	rm -rf $(VENV) .rasa .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Rasa 3.6 ends at Python 3.10: python3.10 on the path, or one that pyenv has.
PYTHON310 ?= $(shell for p in "$$(command -v python3.10)" "$$HOME"/.pyenv/versions/3.10.*/bin/python3.10; do \
	test -x "$$p" && "$$p" -c '' 2>/dev/null && { echo $$p; break; }; done)

.rasa/done: $(VENV)/bin/uv nlu/rasa/requirements.lock
	@test -n "$(PYTHON310)" || { echo "Rasa 3.6 needs Python 3.10; name it: make rasa-env PYTHON310=/path/to/python3.10" >&2; exit 1; }
	$(BIN)/uv venv --quiet --clear --python $(PYTHON310) .rasa
	$(BIN)/uv pip install --quiet --compile-bytecode --python .rasa/bin/python --require-hashes -r nlu/rasa/requirements.lock
	touch $@

$(VENV)/bin/uv:
	@test -n "$(PYTHON)" || { echo "Linguadesk needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock

$(VENV)/run.done: $(VENV)/bin/uv requirements/run.lock pyproject.toml
	test -e $(VENV)/dev.done || $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

$(VENV)/dev.done: $(VENV)/bin/uv requirements/dev.lock pyproject.toml
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@
