# make demo   environment, extension, a small labelled sample, training in both phases, detection, scores, pictures
# make test   environment, extension, style, the whole test suite

PYTHON ?= python3
PY := .venv/bin/python
DEMO := demo
MOBILE := --network mobile0.25

.PHONY: setup test demo clean

setup: .venv/installed
	$(PY) setup.py --quiet build_ext --inplace

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "error: Python 3.10 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "installing requirements.txt into .venv (PyTorch is large: this takes minutes)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

test: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest

clean:
	rm -rf .venv build $(DEMO) evaluation/*.c evaluation/*.so
