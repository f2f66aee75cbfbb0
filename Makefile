# Works in a fresh clone: Python 3.11 or newer, Node with npm, and nothing else.
#
#   make site      set up, then build this repository's own site into dist/
#   make serve     the same, shown on localhost
#   make test      install what the tests need, then run all that take seconds
#   make slow      the tests that take longer: packaging, whole builds, long browser runs
#   make parity    against PyTorch and transformers, in a virtual environment of their own
#   make lint      ruff, mypy and tsc alone
#   make fix       let ruff mend what it can
#   make oracles   write tests/runtime/oracles again: what the browser's JavaScript must reproduce
#   make bench     the families' parity and what exports cost, beside optimum and onnxruntime-genai
#   make bench-browser  sitegen beside transformers.js and wllama, in Chromium
#   make wheel     build/sitegen-….whl, with the pinned browser packages inside
#   make third-party   write THIRD_PARTY.md again after the lock changed
#   make clean     remove all that these made

PYTHON ?= python3
NPM ?= npm
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := .venv/bin
PARITY := .venv-parity
NODE_TESTS := tests/runtime

.PHONY: site serve test slow parity lint fix types node-test oracles bench bench-browser wheel \
        third-party clean setup vendor browser

site: setup vendor
	$(BIN)/sitegen build

serve: setup vendor
	$(BIN)/sitegen serve

# -- what the others stand on ---------------------------------------------------------------------
# A stamp file says what a virtual environment holds; it is made again when pyproject.toml changes.

setup: .venv/.package

.venv/.package: pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "sitegen needs Python 3.11 or newer. To name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { \
	  echo "This Python cannot make virtual environments. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.tests: .venv/.package
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

$(NODE_TESTS)/node_modules/.package: $(wildcard $(NODE_TESTS)/package*.json)
	cd $(NODE_TESTS) && $(NPM) $(if $(wildcard $(NODE_TESTS)/package-lock.json),ci,install) --no-audit --no-fund
	@touch $@

vendor: setup
	$(BIN)/python -m sitegen.vendor

browser:
	@command -v "$${SITEGEN_CHROMIUM:-chromium}" >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	  else \
	    echo "The browser tests need Chromium. On Debian: sudo apt-get install chromium;"; \
	    echo "one that is elsewhere: make SITEGEN_CHROMIUM=/path/to/chromium $(MAKECMDGOALS)"; exit 1; \
	  fi; }

# -- checks ---------------------------------------------------------------------------------------

test: .venv/.tests vendor browser lint node-test
	$(BIN)/python -m pytest -m 'not slow and not parity' $(PYTEST_ARGS)

slow: .venv/.tests vendor browser
	$(BIN)/python -m pytest -m 'slow and not parity' $(PYTEST_ARGS)

lint: .venv/.tests types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

types: $(NODE_TESTS)/node_modules/.package vendor
	cd $(NODE_TESTS) && $(NPM) run --silent types

node-test: $(NODE_TESTS)/node_modules/.package vendor
	cd $(NODE_TESTS) && $(NPM) test --silent

fix: .venv/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

oracles: .venv/.package $(PARITY)/.package
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python tools/oracles.py
	$(PARITY)/bin/python tools/processor_oracles.py

# PyTorch stays out of .venv: the default install must work without it, and the tests prove that.
$(PARITY)/.package: pyproject.toml
	$(PARITY)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python -m pip install --quiet --editable '.[optimum,test]'
	@touch $@

parity: $(PARITY)/.package
	$(PARITY)/bin/python -m pytest -m parity $(PYTEST_ARGS)

# onnx-ir is what onnxruntime's int4 quantizer and genai's builder import without asking for it;
# genai 0.15.2 is the newest whose builder works with the transformers that optimum needs.
bench: .venv/.package $(PARITY)/.package
	$(PARITY)/bin/python -m pip install --quiet onnx-ir onnxruntime-genai==0.15.2
	$(BIN)/python benchmarks/families.py --optimum-python $(PARITY)/bin/python \
	  --genai-python $(PARITY)/bin/python $(BENCH_ARGS)

# Qwen2.5-0.5B's shape: make bench-browser BENCH_ARGS=--large
bench-browser: .venv/.tests $(PARITY)/.package vendor browser
	$(PARITY)/bin/python -m pip install --quiet onnx-ir gguf==0.19.0
	$(BIN)/python benchmarks/browser/bench.py --optimum-python $(PARITY)/bin/python $(BENCH_ARGS)

# -- packaging ------------------------------------------------------------------------------------

wheel: vendor
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build .
	@ls -l build/*.whl

third-party: setup
	text=$$($(BIN)/python -m sitegen.vendor third-party) && printf '%s\n' "$$text" > THIRD_PARTY.md

clean:
	rm -rf .venv $(PARITY) build dist sitegen/runtime/vendor $(NODE_TESTS)/node_modules \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
