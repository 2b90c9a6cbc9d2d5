# Everything is made by tools/setup_env.py in .venv; nothing is installed by hand.
# Another Python: make PYTHON=/path/to/python3.12 test
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& command -v "$$candidate" && break; done)
ifeq ($(strip $(PYTHON)),)
$(error error: no Python 3.11 or newer found; install one, or run make PYTHON=/path/to/python3.11)
endif

BIN := .venv/bin

.PHONY: gpu-env gpu-check help setup demo test test-long bench rates wild lint types format clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## make .venv from the lock files (nothing to do when they have not changed)
	@$(PYTHON) tools/setup_env.py

demo: ## the main job: Fashion-MNIST teacher to a gated ONNX student, into runs/fashion
	@$(PYTHON) tools/setup_env.py --runtime
	@DISTIL_CACHE="$${DISTIL_CACHE:-$(CURDIR)/.distil}" \
	  $(BIN)/distil run examples/fashion/recipe.yaml --out runs/fashion

test: ## format, lint, types, import contract and every test, with the time per group
	@$(PYTHON) tools/run_tests.py

test-long: ## the tests that take too long for `make test`
	@$(PYTHON) tools/run_tests.py --long

bench: setup ## time the tool itself; compared with the run before on this machine
	@$(BIN)/python tools/run_bench.py

rates: setup ## how often a verdict on speed is wrong: 3 h of an idle machine; resumes
	@$(BIN)/python -m benchmarks.evidence

wild: setup ## the gate on a git history of 40 commits: about 40 min of an idle machine; resumes
	@$(BIN)/python tools/gate_in_the_wild.py

gpu-env: ## make .venv-gpu: CUDA builds of torch and onnxruntime, from a lock of their own
	@$(PYTHON) tools/setup_gpu_env.py

gpu-check: ## every test marked gpu, on this machine's GPU; the report goes to docs/results
	@$(PYTHON) tools/run_gpu_check.py

lint: setup ## format check, lint, import contract
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/lint-imports --no-logo

types: setup ## mypy --strict
	@$(BIN)/mypy

format: setup ## write the format and what lint can fix by itself
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

clean: ## remove the environment, caches and build folders; runs and stored results stay
	@rm -rf .venv .venv-gpu .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist \
	  *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
