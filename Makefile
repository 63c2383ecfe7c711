# Every target makes the environment it needs, from nothing but Python and a package registry.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTEST_ARGS ?=
# Test workers: one a core, at most four (each holds a jax with 8 devices of its own).
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ $$n -gt 4 ] && n=4; echo $$n)
PYTEST_PARALLEL := -n $(WORKERS) --dist worksteal

# What the benchmarks compare with and draw with, in environments of their own.
BENCH_VENVS := .venv-peers-torch .venv-peers-tensorflow .venv-plot

# An environment works only in the folder where it was built: forget one that was copied or moved here.
$(foreach venv,.venv .venv-colab .venv-newest $(BENCH_VENVS),$(shell \
  [ "$$(cat $(venv)/.locked 2>/dev/null)" = "$(CURDIR)" ] || rm -f $(venv)/.locked $(venv)/.installed))

.PHONY: help demo test golden lint types format notebooks bench bench-peers speed test-colab test-newest lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed ## Run the demonstration
	.venv/bin/tracegraph demo

test: .venv/.installed ## Run the whole test suite, slow tests too (PYTEST_ARGS="-k name" narrows it)
	.venv/bin/python -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS)

golden: .venv/.installed ## Accept what the passes make now of the golden cases (read the diff)
	.venv/bin/python -m pytest tests/golden -q --update-golden $(PYTEST_ARGS)

lint: .venv/.installed ## Check style and formatting with ruff
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: .venv/.installed ## Apply ruff's fixes and formatting
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: .venv/.installed ## Check types with pyright, strictly
	.venv/bin/pyright

notebooks: .venv/.installed ## Execute the notebooks
	.venv/bin/python -m pytest tests/notebooks $(PYTEST_ARGS)

bench: .venv/.installed ## Run the benchmarks
	.venv/bin/python -m benchmarks --keep
	.venv/bin/python -m benchmarks.suite --keep

bench-peers: .venv/.installed .venv-peers-torch/.locked .venv-peers-tensorflow/.locked ## Run the peers of the speed suite
	.venv/bin/python -m benchmarks.peers --keep

speed: .venv/.installed .venv-plot/.locked ## Write the table and the plot of docs/speed.md from the kept results
	.venv-plot/bin/python -m benchmarks.suite.plot
	.venv/bin/python scripts/build-speed-page

test-colab: ## Run the tests on Colab's versions (Python 3.13, jax 0.7.2), if there is a Python 3.13
	@$(call test-on,3.13,.venv-colab)

test-newest: ## Run the tests on the newest jax (Python 3.12), if there is a Python 3.12
	@$(call test-on,3.12,.venv-newest)

lock: ## Resolve the lock files afresh (the only target that uses uv)
	scripts/make-venv .venv-lock 3.11 requirements/lock-tool.txt
	scripts/lock .venv-lock/bin/uv dev 3.11
	scripts/lock .venv-lock/bin/uv colab 3.13
	scripts/lock .venv-lock/bin/uv newest 3.12

clean: ## Remove environments, caches and built files
	rm -rf .venv .venv-colab .venv-newest .venv-lock $(BENCH_VENVS) build dist
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1) a Python version, $(2) its environment: test there, or say that it was skipped.
define test-on
if scripts/find-python $(1) >/dev/null 2>&1; then \
  $(MAKE) --no-print-directory $(2)/.installed && \
  echo "Testing with $$($(2)/bin/python --version)" && \
  $(2)/bin/python -m pytest $(PYTEST_PARALLEL) $(PYTEST_ARGS); \
else \
  echo "SKIPPED: $@ needs Python $(1), and no working one was found."; \
fi
endef

# Two steps, each stamped when done: the locked packages (slow), and this project in editable form (fast).
.venv/.locked: requirements/dev.lock
	@scripts/make-venv .venv 3.11 $<

.venv-colab/.locked: requirements/colab.lock
	@scripts/make-venv .venv-colab 3.13 $<

.venv-newest/.locked: requirements/newest.lock
	@scripts/make-venv .venv-newest 3.12 $<

.venv-peers-%/.locked: requirements/peers-%.txt
	@scripts/make-venv .venv-peers-$* 3.11 $<

.venv-plot/.locked: requirements/plot.txt
	@scripts/make-venv .venv-plot 3.11 $<

# The viewer in requirements/viewer.txt is no dependency: where it cannot be had, its test skips.
%/.installed: %/.locked pyproject.toml requirements/viewer.txt
	@$*/bin/python -m pip install -qq --disable-pip-version-check --no-input \
	  --no-deps --no-build-isolation --editable .
	@$*/bin/python -m pip install -qq --disable-pip-version-check --no-input \
	  --no-deps -r requirements/viewer.txt || echo "Without Model Explorer: one test skips."
	@touch $@
