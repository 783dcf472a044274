# Commands that are run often. `make` lists them; `make PYTHON=python3.12 install` chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install test ci lint format types docs demo pictures speed

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/pytest: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[ci]'
	@touch $@

install: $(BIN)/pytest ## make .venv with everything that tests and checks need

test: install ## run all tests but the long ones
	$(BIN)/pytest -n 2 --dist loadgroup

ci: ## run everything that a change must pass, in fresh environments
	.ci/run

lint: install ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install ## fix style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: install ## check types
	$(BIN)/mypy

docs: install ## build the documentation into site/, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

demo: install ## start the demo
	$(BIN)/python spaces_demo/app.py

pictures: install ## train on the sample world, and remake the Space's model and gallery and all pictures of README and docs
	$(BIN)/accelerate launch training/pretrain.py --output_dir outputs/pictures --resume none
	$(BIN)/python -m training.hub.space_files --model outputs/pictures
	$(BIN)/python -m tests.end_to_end.documentation_pictures outputs/pictures

speed: install ## measure everything, and compare with the run before
	$(BIN)/python -m tests.speed --json outputs/speed.jsonl $$(test -f outputs/speed.jsonl && echo --against outputs/speed.jsonl)
