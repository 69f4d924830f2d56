# Two commands do everything on a machine with Python 3.10 or later and a C++ compiler:
#   make demo   environment, the main job on the bundled samples, what came out
#   make test   environment, linters, types, the whole suite
# and two make what some runs need:
#   make kenlm-tools        the programs that train language models
#   make spark-job-server   what hands pipelines to Spark; needs Java and Maven

PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/.installed
TEST_STAMP = .venv/.installed_test
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable
KENLM_TOOLS = build/kenlm/bin/build_binary
JOB_SERVER = build/spark-job-server.jar
EXPORT_READERS = build/envs/readers/.installed

.PHONY: demo test lint kenlm-tools spark-job-server clean

demo: $(STAMP)
	$(BIN)/python beam_runner.py --runner=DirectRunner --output out/demo
	@echo
	$(BIN)/corpus stats out/demo

test: $(TEST_STAMP) $(EXPORT_READERS) kenlm-tools $(if $(shell command -v mvn),spark-job-server) lint
	$(BIN)/python -m pytest

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) .
	@touch $@

# PyTorch, with which training is tested, is most of it: the demo does without.
$(TEST_STAMP): $(STAMP)
	$(INSTALL) '.[test]'
	@touch $@

# The libraries of the trainers that exports are for, which want other versions of packages.
$(EXPORT_READERS): tests/export_readers/requirements.txt | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/envs/readers
	$(BIN)/uv pip install --quiet --python build/envs/readers/bin/python --requirements $<
	@touch $@

kenlm-tools: $(KENLM_TOOLS)

$(KENLM_TOOLS): scripts/build_kenlm_tools.sh | $(STAMP)
	PYTHON=$(BIN)/python scripts/build_kenlm_tools.sh
	@touch $@

spark-job-server: $(JOB_SERVER)

$(JOB_SERVER): spark/pom.xml
	mvn --quiet --batch-mode --file spark/pom.xml package
	rm -rf spark/target

clean:
	rm -rf .venv out build
