# photon-builder: sets up its virtual environment and forwards to the program.
# GNU make itself always exits with 2 on failure; the number that it prints is the program's.

SPEC   ?= quickstart.yaml
OUTPUT ?= output
VENV   ?= .venv
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
PROGRAM = $(VENV)/bin/photon-builder
PYTHON  = $(VENV)/bin/python
DURATIONS = $(if $(CI),--durations=20)

.DEFAULT_GOAL := help
.PHONY: help install image nightly burn plan targets doctor setup judges check format test test-fast fuzz faults bench golden docs clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables: SPEC= TARGET= BASE=sample[:RELEASE]|FILE OUTPUT= TRUST_FIRST=1 (make image SPEC=homelab.yaml)"

install: $(PROGRAM) ## put photon-builder on the PATH: a link in PREFIX/bin (~/.local, as root /usr/local)
	@mkdir -p "$(PREFIX)/bin" && ln -sf "$(abspath $(PROGRAM))" "$(PREFIX)/bin/photon-builder"
	@echo "$(PREFIX)/bin/photon-builder"
	@case ":$$PATH:" in *:"$(PREFIX)/bin":*) ;; \
	*) echo '  hint: that folder is not on the PATH yet: export PATH="$(PREFIX)/bin:$$PATH"' >&2;; esac

image: $(PROGRAM) ## build the artifacts of SPEC (a name in specs/, or a path)
	@$(PROGRAM) build "$(SPEC)" --output "$(OUTPUT)" $(if $(TARGET),--target "$(TARGET)") $(if $(BASE),--base "$(BASE)") $(if $(TRUST_FIRST),--trust-first)

nightly: $(PROGRAM) ## build the changed artifacts of all specs (or SPECS="…"); KEEP=N keeps N builds
	@$(PROGRAM) nightly $(SPECS) --output "$(OUTPUT)/nightly" $(if $(KEEP),--keep "$(KEEP)") $(if $(TRUST_FIRST),--trust-first)

plan: $(PROGRAM) ## show the changes that SPEC makes, without building
	@$(PROGRAM) plan "$(SPEC)" $(if $(TARGET),--target "$(TARGET)")

targets: $(PROGRAM) ## list the targets that can be built
	@$(PROGRAM) targets

burn: $(PROGRAM) ## write IMAGE to the card DEVICE, as root (OPTIONS="…": see docs/burning.md)
	@test -n "$(IMAGE)" -a -n "$(DEVICE)" || { echo "usage: make burn IMAGE=FILE DEVICE=/dev/sdX" >&2; exit 2; }
	@$(PROGRAM) burn "$(IMAGE)" $(DEVICE) $(OPTIONS)

doctor: $(PROGRAM) ## check this host for required and optional programs
	@$(PROGRAM) doctor

setup: $(PROGRAM) $(VENV)/.dev ## create the virtual environment, with the developers' tools

$(PROGRAM): pyproject.toml tools/setup.sh
	@tools/setup.sh "$(VENV)" packages

$(VENV)/.dev: pyproject.toml tools/setup.sh $(PROGRAM)
	@tools/setup.sh "$(VENV)" dev,packages
	@touch $@

judges: ## install the tools that the tests compare with (Debian, Ubuntu)
	@tools/judges.sh

check: setup ## format, lint, types, spelling, generated docs, quick tests (a minute)
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/codespell
	@$(PYTHON) tools/reference.py --check
	@$(PYTHON) -m pytest -q -n auto -m "not slow" --dist worksteal $(DURATIONS) tests/unit tests/formats
	@$(PYTHON) -m tools.fuzz --cases 3

format: setup ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

test: setup judges check ## everything: make check, then the program on real images
	@$(PYTHON) -m pytest -q -n auto -m "not slow" --dist worksteal $(DURATIONS) tests/e2e tests/boot
	@$(PYTHON) -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(DURATIONS) -m slow tests

test-fast: setup ## the quick tests alone
	@$(PYTHON) -m pytest -q -n auto -m "not slow" tests

fuzz: setup ## fuzz every parser and command for SECONDS=60; SEED=N for other cases
	@$(PYTHON) -m tools.fuzz --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

faults: setup ## inject failing system calls and kills for SECONDS=60; SEED=N for other faults
	@$(PYTHON) -m tools.faults --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

bench: setup judges ## measure against cp and the qemu-img route, in one run
	@$(PYTHON) -m tools.bench

golden: setup ## regenerate the golden files: plans of the examples, messages of bad specs
	@$(PYTHON) -m tools.golden
	@$(PYTHON) -m tools.bad_specs

docs: setup ## regenerate docs/reference.md
	@$(PYTHON) tools/reference.py

clean: ## remove the virtual environment and what was built
	@rm -rf "$(VENV)" build *.egg-info .mypy_cache .ruff_cache .pytest_cache
