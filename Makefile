# Strop. `make` alone lists the targets; README.md tells what they print.

PYTHON   ?= python3
RECIPE   ?= edge
ARTIFACT ?= artifacts/mnist-mlp$(patsubst %,-%,$(filter-out edge,$(RECIPE)))
TARGET   ?= all
OUT      ?= dist
BOARDS   ?=
IMAGES   ?= 10000

$(foreach name,PYTHON RECIPE ARTIFACT TARGET OUT IMAGES,$(if $(strip $($(name))),,\
  $(error $(name) is empty: give it a value, or leave it out)))
$(if $(word 2,$(ARTIFACT)),$(error ARTIFACT is a folder whose path has no blanks, got '$(ARTIFACT)'))
$(if $(shell printf %s '$(subst ','\'',$(IMAGES))' | grep -x '[1-9][0-9]*'),,\
  $(error IMAGES is a number of images from 1 up, got '$(IMAGES)'))

VENV  := .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.made
NATIVE := .cache/native
READY := $(VENV)/.native
PEERS := .cache/bench/peers
SERVERS := .cache/bench/serving
NODE := $(VENV)/bin/node
NPM := demo/node_modules/.package-lock.json
WEB := .cache/demo/$(notdir $(ARTIFACT))-web.strop
EXPORTED_BY = $(shell find native export/src runtime/src \( -name '*.py' -o -name '*.[ch]' -o -name '*.mjs' -o -name '*.toml' \) \
  -not -path '*/tests/*')
C_FILES = $(shell find native export -name '*.[ch]')
# uv installs the same hashed locks, faster; plain pip is enough.
INSTALL := $(if $(shell command -v uv),uv pip install --quiet --python $(PY),$(PY) -m pip install --quiet)

# Intel's kernels choose by cache and thread count unless told not to, and TensorFlow chats.
export TF_CPP_MIN_LOG_LEVEL := 3
# ONNX Runtime reports to its makers unless told not to.
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup data train export test bench bench-peers bench-serving bench-web bench-check lab lab-gpu on \
        test-devices test-gpu test-mcu test-reliability serve test-serve test-fleet test-scale docs lint format \
        lock wheel demo demo-build film digits clean distclean

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make export TARGET=rpi                           one target: cpu, rpi, rpi32, gpu, web, mcu"
	@echo "  make export MODEL=my.keras CALIBRATION=my.npz    a model of your own; also"
	@echo "              EVALUATION=test.npz LABELS=labels.txt OUT=my-dist TASK=output=kind"
	@echo "              SHAPE=input=28,28,1 TRUST=1 CUSTOM=my_layers.py"
	@echo "  make export PRECISION=float32,int8 STRICT=1      some variants; refuse rather than leave one out"
	@echo "  make export MAX_DROP=0.5                         what int8 may lose, in points or percent"
	@echo "  make export METRIC=my_map.py:mean_average_precision=0.01   or in a metric of your own"
	@echo "  make export TARGET=mcu MAX_FLASH=64k MAX_RAM=16k GOLDEN=8   C for microcontrollers; refuse larger"
	@echo "  make export RECIPE=best                          another recipe: edge, notebook, best"
	@echo "  make bench QUICK=1                               in a minute; make bench-check ACCEPT=1: the baseline"

setup: $(READY)  ## make the environment in .venv from the hashed locks

$(STAMP): requirements/dev.txt runtime/pyproject.toml export/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Strop's workstation needs Python 3.11 to 3.13 (TensorFlow's range);" \
	    "$(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module: on Debian, apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) --require-hashes -r requirements/dev.txt
	$(INSTALL) --no-deps --no-build-isolation -e runtime -e export
	@touch $@

# The native engine is installed from the wheel that devices get. Without a compiler there is none.
$(READY): $(STAMP) $(shell find native \( -name tests -o -name web -o -name __pycache__ -o -name .ruff_cache \) -prune -o -type f -print)
	@$(PY) -m native.wheels --out $(NATIVE)
	@if ls $(NATIVE)/*.whl >/dev/null 2>&1; then \
	  $(INSTALL) --no-deps --no-index --find-links $(NATIVE) --force-reinstall strop-native; fi
	@touch $@

data: $(STAMP)  ## fetch MNIST and check it against the original files' SHA-256
	$(PY) -m train --fetch-only

train: $(STAMP)  ## train, or go on with a killed training (AGAIN=1: from the start)
	$(PY) -m train --recipe $(RECIPE) --out "$(ARTIFACT)" $(if $(AGAIN),--restart,--resume)

# A folder that somebody names is not trained into but by `make train`: the name may be misspelled.
$(ARTIFACT)/training.json: | $(STAMP)
ifeq ($(origin ARTIFACT),file)
	$(PY) -m train --recipe $(RECIPE) --out "$(ARTIFACT)" --resume
else
	@echo "There is no model in $(ARTIFACT). Train one: make train ARTIFACT=$(ARTIFACT)" >&2; exit 2
endif

export: $(READY) $(if $(MODEL),,$(ARTIFACT)/training.json)  ## train if need be, export, prove, report into dist/
	@$(PY) -m strop_export --target "$(TARGET)" --out "$(OUT)" \
	  $(if $(MODEL),--model "$(MODEL)",--artifact "$(ARTIFACT)") \
	  $(if $(CALIBRATION),--calibration "$(CALIBRATION)") \
	  $(if $(EVALUATION),--evaluation "$(EVALUATION)") \
	  $(if $(LABELS),--labels "$(LABELS)") $(if $(NAME),--name "$(NAME)") \
	  $(if $(PRECISION),--precision "$(PRECISION)") $(if $(STRICT),--strict) \
	  $(if $(MAX_FLASH),--max-flash "$(MAX_FLASH)") $(if $(MAX_RAM),--max-ram "$(MAX_RAM)") \
	  $(if $(GOLDEN),--golden "$(GOLDEN)") \
	  $(if $(MAX_DROP),--max-drop "$(MAX_DROP)") $(if $(METRIC),--metric "$(METRIC)") \
	  $(foreach task,$(TASK),--task "$(task)") $(foreach shape,$(SHAPE),--shape "$(shape)") \
	  $(if $(TRUST),--trust) $(if $(CUSTOM),--custom "$(CUSTOM)")

test: $(READY) $(ARTIFACT)/training.json  ## run every test (trains the model first if there is none)
	$(PY) -m tests $(TESTS)

lab: $(READY)  ## build the emulated boards, once: Raspberry Pis and an old PC (BOARDS='pi4 pi5': some)
	@$(PY) -m lab build $(BOARDS)

lab-gpu: $(STAMP)  ## fetch the software GPU that tests run on
	@$(PY) -m lab gpu

on: $(READY)  ## run a command on an emulated board: make on BOARD=pi4 CMD='strop doctor'
	@$(PY) -m lab on "$(BOARD)" $(if $(CPU),--cpu "$(CPU)") '$(subst ','\'',$(CMD))'

test-devices: lab export  ## prove every engine and precision on every board; writes dist/devices.json
	STROP_IMAGES=$(IMAGES) $(PY) -m pytest tests/devices

test-gpu: lab-gpu export  ## prove the GPU's files on a software GPU, and on a real one where there is one
	$(PY) -m pytest tests/gpu

test-mcu: $(READY) $(ARTIFACT)/training.json  ## run five models on emulated microcontrollers; writes dist/mcu.json
	$(PY) -m pytest tests/mcu

test-reliability: export  ## hostile bytes, threads, power cuts; writes dist/reliability.json
	$(PY) -m tests tests/fuzz tests/reliability

serve: export  ## serve the MNIST bundle on 127.0.0.1, until ^C (PORT=8000)
	@$(VENV)/bin/strop serve "$(OUT)/$(notdir $(ARTIFACT))-cpu.strop" $(if $(PORT),--port $(PORT))

test-serve: export bench-serving  ## requests, installs, overload, peers; writes dist/serve.json
	STROP_SERVE_REQUESTS=$${STROP_SERVE_REQUESTS:-100000} $(PY) -m tests tests/serve

test-fleet: $(READY)  ## rollouts to 1,000 simulated devices (STROP_FLEET_DEVICES); writes dist/fleet.json
	STROP_FLEET_DEVICES=$${STROP_FLEET_DEVICES:-1000} $(PY) -m tests tests/fleet

test-scale: export  ## 1,000,000 digits (STROP_SCALE_IMAGES) here and on Ray; writes dist/scale.json
	STROP_SCALE_IMAGES=$${STROP_SCALE_IMAGES:-1000000} $(PY) -m tests tests/scale

# Not with --quiet, which also hides warnings from mkdocs's strict mode.
docs: $(STAMP)  ## write the pages made from code again, and build the site into build/site
	$(PY) -m tools.api_page
	$(PY) -m tools.command_page
	$(PY) -m tools.decision_index
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build

lint: $(STAMP) $(NPM)  ## ruff, clang-format, mypy --strict, import contracts; tsc and biome for the page
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/clang-format --dry-run -Werror $(C_FILES)
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(NODE) demo/node_modules/typescript/bin/tsc -p demo
	$(NODE) demo/node_modules/typescript/bin/tsc -p demo/worker
	cd demo && ../$(NODE) node_modules/@biomejs/biome/bin/biome check .

format: $(STAMP) $(NPM)  ## let ruff, clang-format and biome write the code's layout
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/clang-format -i $(C_FILES)
	cd demo && ../$(NODE) node_modules/@biomejs/biome/bin/biome check --write .

bench: export bench-peers  ## measure Strop beside its engines' own loops and other packages
	@$(PY) -m benchmarks $(if $(QUICK),--quick --out .cache/bench/quick/latest.json) \
	  --artifact "$(ARTIFACT)" --dist "$(OUT)"

bench-peers: $(PEERS)/.made  ## install the packages that Strop is measured against (1.3 GB)

# They have an environment of their own: none of them is to see the others' TensorFlow.
$(PEERS)/.made: requirements/bench.txt | $(STAMP)
	$(PY) -m venv --clear $(PEERS)
	$(subst $(PY),$(PEERS)/bin/python,$(INSTALL)) --require-hashes -r $<
	@touch $@

bench-serving: $(SERVERS)/.made  ## install the servers that `strop serve` is measured beside (0.4 GB)

# They have an environment of their own: MLServer needs an older Starlette than `strop serve`.
$(SERVERS)/.made: requirements/serving.txt | $(STAMP)
	$(PY) -m venv --clear $(SERVERS)
	$(subst $(PY),$(SERVERS)/bin/python,$(INSTALL)) --require-hashes -r $<
	@touch $@

bench-web: $(READY) $(NPM) $(ARTIFACT)/training.json  ## measure the module for pages beside onnxruntime-web, under Node
	@$(PY) -m benchmarks.web $(if $(QUICK),--quick --out .cache/bench/web.json) --artifact "$(ARTIFACT)"

bench-check: export bench-peers  ## measure again, quickly, and exit with 1 if Strop became slower than the baseline
	@$(PY) -m benchmarks --quick --axes latency,throughput --out .cache/bench/fresh.json \
	  --artifact "$(ARTIFACT)" --dist "$(OUT)"
	@$(PY) -m benchmarks.check .cache/bench/fresh.json $(if $(ACCEPT),--accept)

wheel: $(READY)  ## build the exporter's wheel into build/, to export from a script of your own
	cd export && "$(CURDIR)/$(PY)" -m hatchling build --target wheel --directory "$(CURDIR)/build"

demo: demo-build  ## draw a digit in a page: build it into dist/demo/ and serve it (PORT=8765)
	@$(PY) -m demo.serve "$(OUT)/demo" $(if $(PORT),--port "$(PORT)")

demo-build: $(WEB) $(NPM)  ## build the page alone: static files for any host
	@$(NODE) demo/build.mjs $(WEB) "$(OUT)/demo"
	@$(PY) -m demo.licenses "$(OUT)/demo/licenses.txt"

# A folder of its own: the report in dist/ is about what `make export` made there.
$(WEB): $(ARTIFACT)/training.json $(EXPORTED_BY) | $(READY)
	@$(PY) -m strop_export --target web --out $(@D) --artifact "$(ARTIFACT)"
	@touch $@

$(NPM): demo/package.json demo/package-lock.json | $(STAMP)
	@cd demo && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" npm ci --loglevel=error
	@touch $@

film: demo-build  ## film the page for README: docs/pictures/demo.webp
	$(PY) -m tools.film "$(OUT)/demo"

digits: export  ## name ten test digits with the exported model, as pictures in dist/digits/
	$(PY) examples/digits.py "$(ARTIFACT)" "$(OUT)"

lock:  ## write the hashed locks again from requirements/*.in (needs uv)
	for name in litert onnx tflite serve serial fleet; do \
	  uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links requirements/$$name.in -o requirements/$$name.txt; done
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-deps \
	  --no-emit-index-url --no-emit-find-links requirements/tflite-armv7l.in -o requirements/tflite-armv7l.txt
	for python in 3.11 3.13; do \
	  name=lab-python$$(echo $$python | tr -d .); \
	  uv pip compile --quiet --python-version $$python --python-platform aarch64-manylinux_2_36 \
	    --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	    requirements/$$name.in -o requirements/$$name.txt; done
	for name in onnx-webgpu bench serving ci evaluate dev; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links requirements/$$name.in -o requirements/$$name.txt; done

clean:  ## remove dist/ and caches; keep .venv, the data, what was trained and the boards
	rm -rf build dist .mypy_cache .pytest_cache .import_linter_cache .hypothesis
	[ ! -d .cache ] || find .cache -mindepth 1 -maxdepth 1 -not -name lab -exec rm -rf {} +
	find . \( -name __pycache__ -o -name .ruff_cache \) -not -path './.venv/*' -not -path './.cache/*' -prune -exec rm -rf {} +

distclean: clean  ## remove everything that git does not hold
	rm -rf .venv .cache artifacts data demo/node_modules examples/out
