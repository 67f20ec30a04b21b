# `make demo` and `make test` set everything up by themselves; a second time that takes a second or two.
#
#   make demo    four models sell a task, a sandbox proves the patch: story on stderr, patch on stdout
#   make test    the checks and the whole test suite
#   make faults  every attack and fault, promise by promise: a table, and tests/faults.md
#   make guards  take every guard away, one by one, and expect its test to fail
#   make check   ruff, mypy, import contracts
#   make bench   measure, print a table, write build/bench.json
#   make bench-shapes  an auction of models of the true Qwen3 shapes that do not fit together (SHAPES="4B 8B 14B 32B")
#   make bench-speed   models of the 0.6B and 4B shapes beside the bare llama.cpp loop
#   make results  renew the results in the README from those that are kept (FROM=DIR keeps a run's first)
#   make clean   remove what was built (make distclean: the virtual environment too)

PYTHON ?= python3
# The demo sells a few tasks to fill the memory, then the one whose patch goes to stdout.
DEMO_LEVEL ?= 3
DEMO_MEMORY ?= 0 27
DEMO_SEED ?= 81
PYTEST_ARGS ?=
SHAPES ?= 4B 8B 14B 32B

# GCC 12 miscompiles llama.cpp's AMX kernels: a process that uses them dies of an illegal instruction.
ENGINE_FLAGS ?= -DCMAKE_C_FLAGS=-U__AMX_INT8__ -DCMAKE_CXX_FLAGS=-U__AMX_INT8__

VENV := .venv
BIN := $(VENV)/bin
JOBS := $(shell nproc 2>/dev/null || echo 2)
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip

.PHONY: all demo test faults guards check bench bench-shapes bench-speed results clean distclean packages engine \
	image ready llama-server
.NOTPARALLEL:
.DEFAULT_GOAL := all

all: ready
	@echo "ready: $(BIN)/sale --help, make demo, make test" >&2

# $(call need,TEST,DEBIAN PACKAGES): installs the packages where the test fails, as root on Debian; else
# says what to type.
define need
	@$(1) >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "make: $(2) missing; type: sudo apt-get install $(2)" >&2; exit 3; fi; \
	  echo "make: installing $(2)" >&2; \
	  get="apt-get -qq install -y --no-install-recommends $(2)"; export DEBIAN_FRONTEND=noninteractive; \
	  $$get </dev/null >/dev/null 2>&1 || { apt-get -qq update >&2 && $$get </dev/null >&2; }; }
endef

$(VENV)/.made:
	$(call need,command -v $(PYTHON),python3)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is older than 3.11; type: make PYTHON=python3.11" >&2; exit 3; }
	$(call need,$(PYTHON) -c "import ensurepip$(comma) venv",python3-venv)
	@$(PYTHON) -m venv $(VENV)
	@touch $@
comma := ,

$(VENV)/.packages: $(VENV)/.made pyproject.toml constraints.txt
	$(call need,command -v git,git)
	$(call need,command -v g++,g++)
	@$(BIN)/python -c "import llama_cpp" 2>/dev/null || \
	  echo "make: installing packages; llama.cpp is compiled once, which takes 5 to 8 minutes on 2 cores" >&2
	@CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) CMAKE_ARGS="$(ENGINE_FLAGS)" $(PIP) install -q -c constraints.txt -e '.[train,offline,bench,dev]' >&2
	@touch $@

packages: $(VENV)/.packages

engine: packages
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh sandbox/engine.sh >&2

image: engine
	@$(BIN)/sale sandbox build >&2

ready: image

demo: ready
	@folder=$$(mktemp -d "$${TMPDIR:-/tmp}/sale-demo.XXXXXX"); \
	trap 'rm -rf "$$folder"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP; \
	export XDG_DATA_HOME="$$folder/data" XDG_CONFIG_HOME="$$folder/config"; sale="$(CURDIR)/$(BIN)/sale"; \
	sell() { \
	  "$$sale" practice new "$$folder/task-$$1" --level $(DEMO_LEVEL) --seed $$1 >&2 || exit; \
	  cd "$$folder/task-$$1"; status=0; "$$sale" solve issue.md --pool practice || status=$$?; cd /; \
	  [ $$status -le 1 ] || exit $$status; \
	}; \
	for seed in $(DEMO_MEMORY); do sell $$seed >&2; echo >&2; done; \
	sell $(DEMO_SEED); exit $$status

check: packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo "make: type: $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# The tests of models on servers speak to a real one.
llama-server: packages
	@sh tests/endpoints/server/make.sh $(BIN)/python >&2

test: ready check llama-server
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

faults: ready
	@$(BIN)/python -m tests.faults

guards: ready
	@$(BIN)/python -m tests.guards

bench: ready
	@$(BIN)/python -m salecli.bench.bars

bench-speed: packages
	@$(BIN)/python -m salecli.bench.bars.shape_speed

bench-shapes: packages
	@$(BIN)/python -m salecli.bench.bars.shape_auction $(SHAPES)

results: packages
	@$(BIN)/python -m salecli.bench.report.readme $(if $(FROM),--from "$(FROM)")

clean:
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find salecli tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	@rm -rf $(VENV)
