# Two commands do all the set-up: `make serve` and `make test`. Plain pip equivalents: README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve test lint wheel bench soak gate openapi screenshots browser nginx lock audit sbom \
  clean

help:
	@echo "make serve   install, build the index if there is none, serve on http://127.0.0.1:8000"
	@echo "make test    install what the tests need, a browser included, and run them all"
	@echo "make lint    ruff and mypy          make wheel   build the wheel into dist/"
	@echo "make bench   measure speed          make clean   delete the virtual environment"
	@echo "make soak    kill rebuilds, spoil their disk, reload and overload a server (docs/soak.md)"
	@echo "make gate    record the scores that later changes may not fall below"
	@echo "make openapi write docs/openapi.json again"
	@echo "make lock    pin what is deployed again      make audit   known faults in it"
	@echo "make sbom    list it in dist/sbom.cdx.json"
	@echo "make screenshots   take the pictures in docs/screenshots again"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[test,train]'
	@touch $@ $(VENV)/.serve

serve: $(VENV)/.serve
	@$(BIN)/qa serve

test: $(VENV)/.test browser nginx
	$(BIN)/ruff check qa tests bench
	$(BIN)/ruff format --check qa tests bench
	$(BIN)/mypy
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check qa tests bench
	$(BIN)/ruff format --check qa tests bench
	$(BIN)/mypy

wheel: | $(BIN)/python
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build --outdir dist .

bench: $(VENV)/.test
	$(BIN)/python bench/engine.py
	$(BIN)/python bench/serve.py
	$(BIN)/python bench/cold.py

soak: $(VENV)/.test
	$(BIN)/python -m bench.soak_kills
	$(BIN)/python -m bench.soak_reload
	$(BIN)/qa rebuild
	$(BIN)/python -m bench.soak_load

gate: $(VENV)/.test
	$(BIN)/qa rebuild
	$(BIN)/qa evaluate --fold dev --json | $(BIN)/python bench/gate.py

openapi: $(VENV)/.test
	$(BIN)/python bench/openapi.py

screenshots: $(VENV)/.test browser
	$(BIN)/python bench/screenshots.py

# The browser tests drive the machine's own Chromium. Installed here where that needs no question.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	  || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	          apt-get install -qq -y chromium fonts-noto-cjk >/dev/null; } \
	  || echo "no Chromium: the browser tests will be skipped (Debian: apt install chromium)"

# The tests of deploy/ start the machine's own nginx on loopback. Installed as Chromium is.
nginx:
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	          apt-get install -qq -y --no-install-recommends nginx-light >/dev/null; } \
	  || echo "no nginx: its tests will be skipped (Debian: apt install nginx-light)"

# For Linux on x86-64, Python 3.11 and newer, without what only training imports (ADR 0026).
LOCK := uv pip compile --quiet --upgrade --generate-hashes --no-annotate --no-emit-index-url \
  --no-emit-find-links --python-platform x86_64-manylinux_2_28 --python-version 3.11 --custom-compile-command 'make lock'

lock: | $(BIN)/python
	$(BIN)/pip install --quiet uv
	$(BIN)/$(LOCK) deploy/build.in --output-file deploy/requirements-build.lock
	$(BIN)/$(LOCK) pyproject.toml --extra redis --overrides deploy/overrides.txt \
	  --output-file deploy/requirements.lock

audit: | $(BIN)/python
	$(BIN)/pip install --quiet pip-audit
	$(BIN)/pip-audit --disable-pip --requirement deploy/requirements.lock
	$(BIN)/pip-audit --disable-pip --requirement deploy/requirements-build.lock

sbom: $(VENV)/.test
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --output-reproducible \
	  --output-file dist/sbom.cdx.json deploy/requirements.lock

clean:
	rm -rf $(VENV) dist
