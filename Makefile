# `make` alone lists the targets. They need Python 3.11 or newer; everything else is installed into .venv, once.

PYTHON ?= python3
# The release that all figures were measured with. If pip would install the large CUDA build on a machine without a GPU:
# make demo PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
TORCH ?= torch==2.13.0
# For `make model`, `make strokes` and so on: the raw downloads (see datasets/README.md), where to prepare them, and how long to train.
RAW ?= ../shared/data
WORK ?= work
EPOCHS ?= 50
MINUTES ?= 80
# The defaults are for minutes; hours want smaller steps.
LONG := --set learning_rate=3e-3 --set distorted=0.5 --minutes $(MINUTES)

SHELL := bash -euo pipefail
BIN := .venv/bin
READER := .venv/reader
VENV := .venv/installed
LOWEST := .venv-lowest/installed
# A process per core; the tests of one file stay together, as they share what they prepare.
PARALLEL := -n auto --dist loadfile
# The core tests: all but those of documents, packaging, data preparation and long trainings.
CORE := --ignore tests/test_docs.py --ignore tests/test_wheel.py --ignore tests/test_prepare.py \
	--ignore tests/test_training.py --ignore tests/test_cli_train.py

# The lines of `latin`. A weight below 1 is the share of the lines that an epoch uses: of large sets, and of sets of few kinds of texts.
LATIN := unipen-others:train*0.13 letters:train*0.35 fonts:train*0.12 copiste:train*0.8 copiste-found:train*0.5 poilus:train mss19:train \
	tabdec:train*0.7 lectaurep:train*0.7 peraire:train dhsd:train*0.3 names:train*0.5
LATIN_DEV := copiste poilus mss19 tabdec lectaurep peraire dhsd names letters

PAGE_LINES := $(foreach name,copiste unipen fonts letters poilus mss19,$(WORK)/$(name))

.PHONY: help demo test check lowest bench data model languages pages strokes synthesis wheel sdist clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s%s\n", $$1, $$2 }' Makefile

demo: $(READER)  ## read the sample lines with the shipped model
	$(BIN)/inkread predict datasets/sample/*.png
	$(BIN)/inkread eval datasets/sample

test: $(VENV)  ## run the tests
	$(BIN)/pytest $(PARALLEL)

check: $(VENV)  ## what a change must pass: linter, formatting, types, tests with coverage, tests with the oldest dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL) --cov --cov-report=term
	$(MAKE) lowest

lowest: $(LOWEST)  ## run the core tests with the oldest dependencies that pyproject.toml allows
	PYTHONPATH=. .venv-lowest/bin/pytest $(PARALLEL) $(CORE)

bench: $(VENV)  ## measure start-up, reading and training on this machine
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/speed.py

data: $(VENV)  ## prepare all lines and texts that the shipped models are trained on, from the raw data in RAW
	mkdir -p $(WORK)/raw
	for name in unipen text poilus mss19 peraire tabdec lectaurep dhsd names; do \
		tar -xf $(RAW)/$$name.tar.xz -C $(WORK)/raw; done
	tar -xf $(RAW)/texts.tar.bz2 -C $(WORK)/raw
	for name in poilus mss19 tabdec lectaurep; do \
		$(BIN)/python datasets/htr-united/prepare.py $(WORK)/raw/$$name $(WORK)/$$name; done
	$(BIN)/python datasets/htr-united/prepare.py $(WORK)/raw/peraire $(WORK)/peraire --one-writer
	$(BIN)/python datasets/dhsd/prepare.py $(WORK)/raw/dhsd $(WORK)/dhsd
	$(BIN)/python datasets/names/prepare.py $(WORK)/raw/names $(WORK)/names
	$(BIN)/python datasets/copiste/prepare.py $(RAW)/copiste $(WORK)/copiste
	$(BIN)/python datasets/copiste/prepare.py --found $(RAW)/copiste $(WORK)/copiste-found
	$(BIN)/python datasets/text/prepare.py $(WORK)/raw/text $(WORK)/text --copiste $(WORK)/copiste/lines.tsv
	$(BIN)/python datasets/fonts/prepare.py $(RAW)/fonts $(WORK)/fonts --text $(WORK)/raw/text
	$(BIN)/python datasets/letters/prepare.py $(WORK)/raw/unipen $(WORK)/letters --text $(WORK)/raw/text
	$(BIN)/python datasets/unipen/prepare.py $(WORK)/raw/unipen $(WORK)/unipen
	$(BIN)/python datasets/unipen/prepare.py $(WORK)/raw/unipen $(WORK)/unipen-others --other-writers

model: $(WORK)/latin.inkset $(WORK)/latin-dev.inkset  ## train the shipped model again, from the raw data in RAW; the same command continues
	$(BIN)/inkread train $(WORK)/latin.inkset --dev $(WORK)/latin-dev.inkset --out $(WORK)/latin.safetensors --epochs $(EPOCHS) \
		--set learning_rate=3e-3 --set dropout=0.15 --set distorted=0.6 --set photographed=0.2 --set spliced=0.3 \
		--set crossed_out=0.1 --set consistency=0.2 --set evaluations=$(EPOCHS) \
		$$(if [ -f $(WORK)/latin.checkpoint ]; then echo --resume; fi)

$(WORK)/latin.inkset:
	$(MAKE) data
	$(BIN)/inkread prepare $(patsubst %,'$(WORK)/%',$(LATIN)) -o $@

$(WORK)/latin-dev.inkset: $(WORK)/latin.inkset
	$(BIN)/inkread prepare $(patsubst %,$(WORK)/%:dev,$(LATIN_DEV)) --no-photos -o $@

pages: data  ## train the shipped page model again, from the raw data in RAW
	$(BIN)/python datasets/pages/prepare.py $(WORK)/pages --copiste $(RAW)/copiste \
		--htr-united $(foreach name,poilus mss19 peraire tabdec lectaurep,$(WORK)/raw/$(name))
	$(BIN)/python datasets/pages/compose.py $(WORK)/composed --lines $(PAGE_LINES) --count 450
	$(BIN)/python -m inkread.training.page_loop $(WORK)/pages $(WORK)/composed --out $(WORK)/lines.page.safetensors \
		--minutes $(MINUTES)
	$(BIN)/python -m inkread.training.line_filter $(WORK)/pages $(WORK)/composed --model $(WORK)/lines.page.safetensors

languages: $(VENV)  ## train the shipped language models again, from the raw data in RAW
	mkdir -p $(WORK)/raw $(WORK)/models
	tar -xf $(RAW)/text.tar.xz -C $(WORK)/raw
	tar -xf $(RAW)/texts.tar.bz2 -C $(WORK)/raw
	$(BIN)/python datasets/copiste/prepare.py $(RAW)/copiste $(WORK)/copiste
	$(BIN)/python datasets/text/prepare.py $(WORK)/raw/text $(WORK)/text --copiste $(WORK)/copiste/lines.tsv
	$(BIN)/python datasets/text/train.py $(WORK)/text $(WORK)/models

strokes: $(VENV)  ## train the shipped model of pen strokes again, from the raw data in RAW
	mkdir -p $(WORK)/raw
	tar -xf $(RAW)/unipen.tar.xz -C $(WORK)/raw
	tar -xf $(RAW)/text.tar.xz -C $(WORK)/raw
	tar -xf $(RAW)/texts.tar.bz2 -C $(WORK)/raw
	$(BIN)/python datasets/unipen/prepare.py $(WORK)/raw/unipen $(WORK)/unipen-strokes --strokes
	$(BIN)/python datasets/copiste/prepare.py $(RAW)/copiste $(WORK)/copiste
	$(BIN)/python datasets/text/prepare.py $(WORK)/raw/text $(WORK)/text --copiste $(WORK)/copiste/lines.tsv
	$(BIN)/python datasets/letters/prepare.py $(WORK)/raw/unipen $(WORK)/letters-strokes --text $(WORK)/raw/text --strokes
	$(BIN)/inkread train $(WORK)/unipen-strokes:train $(WORK)/letters-strokes:train --dev $(WORK)/unipen-strokes:dev \
		--preset strokes $(LONG) --out $(WORK)/strokes-1.safetensors
	$(BIN)/inkread train $(WORK)/unipen-strokes:train '$(WORK)/letters-strokes:train*2' \
		--dev $(WORK)/unipen-strokes:dev --from $(WORK)/strokes-1.safetensors $(LONG) --set batch=24 \
		--set dropout=0.15 --set distorted=0.75 --set spliced=0.3 --set consistency=0.2 \
		--out $(WORK)/strokes.safetensors

synthesis: $(VENV)  ## train the model of `inkread write`, from the raw data in RAW
	mkdir -p $(WORK)/raw
	tar -xf $(RAW)/unipen.tar.xz -C $(WORK)/raw
	$(BIN)/python datasets/unipen/prepare.py $(WORK)/raw/unipen $(WORK)/unipen-strokes --strokes
	$(BIN)/python experiments/synthesis.py prepare $(WORK)/unipen-strokes:train $(WORK)/synthesis.npz
	$(BIN)/python experiments/synthesis.py train $(WORK)/synthesis.npz $(WORK)/english.synth.safetensors --minutes $(MINUTES)
	$(BIN)/python experiments/synthesis.py finish $(WORK)/english.synth.safetensors $(WORK)/synthesis.npz

wheel: $(VENV)  ## build the wheel into dist/
	rm -rf build
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

sdist: $(VENV)  ## build the source distribution into dist/ and run its tests
	$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")'
	rm -rf build/sdist
	mkdir -p build/sdist
	tar -xf dist/inkread-*.tar.gz -C build/sdist --strip-components 1
	cd build/sdist && PYTHONPATH=. ../../$(BIN)/pytest

clean:  ## remove environments, builds and caches; what `make model` has made stays
	rm -rf .venv .venv-lowest build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

# What reads handwriting: everything but torch, which only training needs and which is larger than all the rest.
$(READER): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "inkread needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true);" \
			"name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PYTHON) -c 'import tomllib; print("\n".join(name for name in \
		tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"] if not name.startswith("torch")))' \
		> .venv/reader.txt
	$(BIN)/pip install --quiet -r .venv/reader.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	$(BIN)/python -m compileall -q inkread
	@touch $@

$(VENV): $(READER)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps 'rmscene>=0.8'
	@touch $@

# "numpy>=2" becomes "numpy==2", and so on
$(LOWEST): pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		needed = project["dependencies"] + project["optional-dependencies"]["pdf"] + project["optional-dependencies"]["heic"]; \
		print("\n".join(needed).replace(">=", "=="))' > .venv-lowest/requirements.txt
	.venv-lowest/bin/pip install --quiet -r .venv-lowest/requirements.txt 'pytest>=8' 'pytest-xdist>=3.6' 'hypothesis>=6' 'onnx>=1.17'
	@touch $@
