# eyas: two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# Python 3.11 or newer must be there; everything else goes into $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock
# Threads that spin would starve the other process.
TESTS = OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses 2 --dist worksteal
# make test PYTEST="-k serve" runs a part.
PYTEST ?=
# Parts of `make mutation`, by mutmut's names.
MUTANTS ?=
FUZZ ?= 20000
FUZZED = tests/data/test_parsers.py tests/data/test_source_fuzz.py tests/serve/test_pixels.py tests/serve/test_request_fuzz.py
# make api-check API="--seed 2 --max-examples 500" looks elsewhere.
API ?=
# make bench-train BENCH="--rounds 1 --networks mlp" runs a part.
BENCH ?=
# make tour TOUR="--data digits" takes four minutes.
TOUR ?=
# make docs-figures PAGES="optimisers splits" draws a part.
PAGES ?=
# Empty where it is not there: what needs it is then skipped, and says so.
NPM = $(shell command -v npm)
# Looks at pages as a screen reader would.
AXE = axe-core@4.14.1
# Validators of Gateway API and the Prometheus Operator, generated from their types.
MODELS = @kubernetes-models/gateway-api@2.0.0 @kubernetes-models/prometheus-operator@6.0.0
# Those that `make unit` skips in part, for want of the tools of tests/deploy/tools.lock: they say so.
DEPLOY_TESTS = $(shell grep -l "make deploy-check" tests/deploy/test_*.py)
SERVE_PEERS = $(basename $(notdir $(wildcard benchmarks/serve/locks/*.lock)))

.DEFAULT_GOAL := help
.PHONY: help demo test lint types contracts unit pages image-check install-check release-check licences deploy-check sagemaker-check ui-check ui-pictures api-check docs docs-serve docs-figures tour readme coverage mutation fuzz bench-train bench-recipe bench-transfer bench-tune bench-tune-training bench-together bench-serve bench-decode bench-monitor bench-explain lock clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(VENV)/.demo  ## install, and walk the whole road on the built-in digits (KEEP=1 leaves the server running)
	$(BIN)/eyas demo $(if $(KEEP),--keep)

test: lint types contracts unit  ## what CI runs: lint, types, import contracts, tests

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

unit: $(VENV)/.dev
	$(TESTS) -m "not pages" $(PYTEST)

coverage: $(VENV)/.dev  ## run the tests, and say which branches they take, by package (half an hour; asks for no share)
	rm -rf build/coverage
	-$(TESTS) -m "not pages" --cov --cov-report= $(PYTEST)
	$(BIN)/coverage json --quiet -o build/coverage/coverage.json
	$(BIN)/python tests/quality/coverage_by_package.py build/coverage/coverage.json

mutation: $(VENV)/.dev build/mutmut/.done  ## change the numeric core in thousands of places, and list what no test sees (MUTANTS="eyas.tune.swarm.moves*" is a part)
	PYTHONPATH=build/mutmut OMP_NUM_THREADS=1 $(BIN)/python -m mutmut run --max-children 2 $(MUTANTS)
	PYTHONPATH=build/mutmut $(BIN)/python -m mutmut results

build/mutmut/.done: tests/quality/mutmut.lock
	rm -rf $(@D) mutants
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) --requirement $<
	touch $@

fuzz: $(VENV)/.dev  ## feed what reads data and requests 20,000 examples a test (FUZZ=1000000 for a night)
	FUZZ=$(FUZZ) $(TESTS) --timeout 0 $(FUZZED) $(PYTEST)

pages: $(VENV)/.dev  ## run every command of the README, the site and the notebooks
	$(TESTS) -m pages $(PYTEST)

image-check: $(VENV)/.dev  ## build the images with docker, podman or buildah, and ask what is in them (20 minutes)
	EYAS_IMAGE_CHECK=1 $(BIN)/pytest tests/deploy/test_*_image.py $(PYTEST)

install-check: $(VENV)/.dev  ## install each half alone in a clean environment, and predict with the serving half
	$(BIN)/python tests/install/check.py

release-check: $(VENV)/.dev build/release-tools/.done build/boto3/.done  ## build what a release is, twice alike, and run its demo (TAG=v0.1.0 is held against it)
	$(BIN)/python tests/install/release.py build/release-tools/bin/python $(TAG)

build/release-tools/.done: tests/install/build.lock
	rm -rf build/release-tools && $(PYTHON) -m venv build/release-tools
	build/release-tools/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/install/build.lock
	touch $@

licences: $(VENV)/.dev build/boto3/.done  ## list the licences of all libraries anew, in docs/licences.md
	$(BIN)/python tests/install/licences.py

sagemaker-check: $(VENV)/.dev build/boto3/.done  ## boto3, which does not fit requirements.lock, against the service
	PYTHONPATH=build/boto3 $(BIN)/pytest tests/serve/test_sagemaker.py

deploy-check: $(VENV)/.dev build/deploy-tools/.done $(if $(NPM),build/deploy-tools/node/.done)  ## manifests against the real API schemas, and the roll-outs against moto's AWS
	PYTHONPATH=$(CURDIR)/build/deploy-tools $(BIN)/pytest $(DEPLOY_TESTS)

build/deploy-tools/.done: tests/deploy/tools.lock deploy/docker/ray.lock
	rm -rf build/deploy-tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target build/deploy-tools $(^:%=--requirement %)
	touch $@

build/deploy-tools/node/.done: build/deploy-tools/.done Makefile
	rm -rf $(@D)
	$(NPM) install --silent --no-audit --no-fund --prefix $(@D) $(MODELS)
	touch $@

build/boto3/.done: tests/serve/boto3.lock
	rm -rf build/boto3
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target build/boto3 --requirement tests/serve/boto3.lock
	touch $@

ui-check: $(VENV)/.dev build/ui-check/.done $(if $(NPM),build/ui-check/axe/.done)  ## the web pages in a real Chromium, which Debian's package chromium brings
	PYTHONPATH=build/ui-check $(BIN)/pytest tests/serve/ui tests/ui_training $(PYTEST)

ui-pictures: $(VENV)/.dev build/ui-check/.done  ## draw the site's pictures of the web pages anew
	PYTHONPATH=build/ui-check:tests $(BIN)/python tests/serve/ui/pictures.py docs/figures/web
	PYTHONPATH=build/ui-check:tests $(BIN)/python tests/ui_training/draw_training.py docs/figures/web

build/ui-check/.done: tests/serve/ui/browser.lock
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $(@D) --requirement $<
	touch $@

build/ui-check/axe/.done: build/ui-check/.done Makefile
	rm -rf $(@D)
	$(NPM) install --silent --no-audit --no-fund --prefix $(@D) $(AXE)
	touch $@

api-check: $(VENV)/.dev build/schemathesis/.done  ## Schemathesis against the service and its OpenAPI document (1 to 4 minutes)
	$(BIN)/python tests/api/check_api.py build/schemathesis/bin/st $(API)

build/schemathesis/.done: tests/api/schemathesis.lock
	rm -rf build/schemathesis && $(PYTHON) -m venv build/schemathesis
	build/schemathesis/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/api/schemathesis.lock
	touch $@

docs: $(VENV)/.dev  ## build the documentation site, strictly, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.dev  ## show the site while you write it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

docs-figures: $(VENV)/.dev  ## draw the site's figures anew, by the very commands of its pages
	$(BIN)/python docs/hooks/figures.py $(PAGES)

tour: $(VENV)/.dev build/ui-check/.done  ## the whole way on CIFAR-100, the page in a browser and a roll-back included (an hour)
	PYTHONPATH=build/ui-check:tests $(BIN)/python tests/tour/tour.py $(TOUR)

readme: $(VENV)/.dev  ## run the README's commands, and renew the outputs and pictures that it shows
	$(BIN)/python docs/hooks/readme.py

bench-train: $(VENV)/.dev build/keras/.done  ## training speed against Keras+TensorFlow (about 20 minutes)
	$(BIN)/python benchmarks/train/compare.py --keras-python build/keras/bin/python $(BENCH)

bench-recipe: $(VENV)/.dev build/keras/.done  ## the recipe for CIFAR-100 on a CPU, and the source's network in the same time (an hour)
	$(BIN)/python benchmarks/train/recipe.py --keras-python build/keras/bin/python $(BENCH)

bench-transfer: $(VENV)/.dev  ## few images a class: a frozen backbone against training from scratch (half an hour or more; goes on where it stopped)
	$(BIN)/python benchmarks/transfer/few_shot.py $(BENCH)

bench-tune: build/peers/.done  ## the swarm against other tuners, on real tables and BBOB (an hour and a half)
	PYTHONPATH=src build/peers/bin/python benchmarks/tune/race.py $(BENCH)

bench-tune-training: $(VENV)/.dev  ## the swarm against TPE+Hyperband and ASHA on real networks (about 2 hours)
	$(BIN)/python benchmarks/tune/training.py $(BENCH)

build/peers/.done: benchmarks/tune/peers.lock
	rm -rf build/peers && $(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/tune/peers.lock
	touch $@

bench-together: $(VENV)/.dev  ## small models trained as one program, against each alone on the same cores (about 15 minutes)
	$(BIN)/python benchmarks/train/together.py $(BENCH)

bench-serve: $(VENV)/.dev build/peers-serve/eyas/.done $(SERVE_PEERS:%=build/peers-serve/%/.done)  ## the server against Triton, FastAPI, BentoML and others (about 2 hours; needs wrk)
	$(BIN)/python benchmarks/serve/compare.py $(BENCH)

bench-decode: build/peers-decode/.done  ## Pillow, as eyas decodes, against other decoders of JPEG and PNG (about 3 minutes)
	PYTHONPATH=src build/peers-decode/bin/python benchmarks/decode/compare.py $(BENCH)

bench-monitor: $(VENV)/.dev  ## drift, outliers, calibration, what watching costs, roll-back (about 40 minutes; needs wrk)
	$(BIN)/python benchmarks/monitor/compare.py $(BENCH)

bench-explain: $(VENV)/.dev  ## which explanations are reliable, and what they take (about 2 minutes)
	$(BIN)/python benchmarks/explain/compare.py $(BENCH)

build/peers-serve/eyas/.done: pyproject.toml requirements.lock
	rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock ".[serve]"
	touch $@

build/peers-serve/%/.done: benchmarks/serve/locks/%.lock
	rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

build/peers-decode/.done: benchmarks/decode/decoders.lock
	rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

build/keras/.done: benchmarks/train/keras.lock
	rm -rf build/keras && $(PYTHON) -m venv build/keras
	build/keras/bin/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/train/keras.lock
	touch $@

lock:  ## renew requirements.lock from the newest versions that pyproject.toml allows, and the images' locks from it
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --editable ".[dev]"
	build/lock/bin/python -m pip freeze --exclude-editable --exclude setuptools | sed 's/+cpu$$//' > requirements.lock
	build/lock/bin/python deploy/docker/closure.py pyproject.toml "eyas[serve,postgres,jwks,otel]" > deploy/docker/serve.lock
	build/lock/bin/python deploy/docker/closure.py pyproject.toml "eyas[serve,client,train,ray,track,postgres]" > deploy/docker/train.lock
	build/lock/bin/python -m pip install --quiet --constraint requirements.lock "ray[default]"
	build/lock/bin/python deploy/docker/closure.py pyproject.toml "ray[default]" deploy/docker/train.lock > deploy/docker/ray.lock
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet $$(sed -n 's/^mlflow-skinny==/mlflow==/p; s/^psycopg==/psycopg[binary]==/p' requirements.lock)
	{ sed -n 1p deploy/docker/mlflow.lock; build/lock/bin/python -m pip freeze --exclude setuptools; } > build/lock/mlflow.lock
	mv build/lock/mlflow.lock deploy/docker/mlflow.lock
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet hatchling cyclonedx-bom
	{ sed -n 1p deploy/docker/tools.lock; build/lock/bin/python -m pip freeze --all --exclude setuptools; } > build/lock/tools.lock
	mv build/lock/tools.lock deploy/docker/tools.lock
	rm -rf build/lock

clean:  ## remove the environment and what tools left behind
	rm -rf $(VENV) build dist mutants .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "eyas needs Python 3.11 or newer; name it: make demo PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP) --editable ".[serve,train]"
	touch $@

$(VENV)/.dev: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.demo
