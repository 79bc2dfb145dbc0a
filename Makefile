# make demo   environment, extension, a small labelled sample, training in both phases, detection, scores, images
# make test   environment, extension, style, the whole test suite
# make test_oldest   the test suite with the oldest versions that requirements.txt allows, in an environment of its own
# make fuzz   five minutes (MINUTES=60: an hour) of changed and malicious files for every reader

PYTHON ?= python3
PY := .venv/bin/python
DEMO := demo
TRAIN := --network mobile0.25 --training_dataset $(DEMO)/tvface/train/label.txt --save_folder $(DEMO)/weights \
	--image_size 256 --batch_size 8 --val_dataset $(DEMO)/tvface/val/tvval_label.txt
DETECT := --trained_model $(DEMO)/weights/mobilenet0.25_Final.pth --save_image

OLDEST := .venv_oldest
MINUTES ?= 5

.PHONY: setup test test_oldest fuzz demo clean

setup: .venv/installed
	$(PY) setup.py --quiet build_ext --inplace

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "error: Python 3.10 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "installing requirements.txt into .venv (PyTorch is large: this takes minutes)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Two test processes with one thread each; several threads each would compete for the cores.
test: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile

# Its extension replaces that of .venv, which works with both.
test_oldest: $(OLDEST)/installed
	$(OLDEST)/bin/python setup.py --quiet build_ext --inplace --force
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -n 2 --dist loadfile

$(OLDEST)/installed: requirements.txt
	$(PYTHON) -m venv $(OLDEST)
	sed -E 's/(>=|~=)/==/' requirements.txt > $(OLDEST)/requirements.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -r $(OLDEST)/requirements.txt
	@touch $@

fuzz: setup
	$(PY) -m tests.fuzz --minutes $(MINUTES)

# The demo writes below demo/ only: sample, weights, detections, and results.
demo: setup
	$(PY) -m tools.sample --out $(DEMO)/tvface
	$(PY) train.py $(TRAIN) --no_pretrain --lr 1e-2 --epochs 25 --decay_epochs 20 --finetune_epochs 2 --finetune_lr 1e-4
	$(PY) val_tvface.py $(DETECT) --dataset_folder $(DEMO)/tvface/val/images --save_folder $(DEMO)/val_txt
	$(PY) test_tvface.py $(DETECT) --dataset_folder $(DEMO)/tvface/test/images --save_folder $(DEMO)/test_txt
	$(PY) val_dataset_evaluate/eval.py -p $(DEMO)/val_txt -g $(DEMO)/tvface/val --result $(DEMO)/val_result
	$(PY) test_dataset_evaluate/eval.py -p $(DEMO)/test_txt -g $(DEMO)/tvface/test --result $(DEMO)/test_result
	@echo "training curves:        $(DEMO)/weights/mobilenet0.25_curves.png"
	@echo "reports of the errors:  $(DEMO)/val_result/report.html $(DEMO)/test_result/report.html"
	@echo "drawn detections:      " $(DEMO)/val_txt_drawn/val_0000[0-3].jpg

clean:
	rm -rf .venv $(OLDEST) build $(DEMO) evaluation/*.c evaluation/*.so utils/*.c utils/*.so
