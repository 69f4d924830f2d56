# Two commands do everything on a machine with Python 3.10 or later and a C++ compiler:
#   make demo   environment, the main job on the bundled samples, what came out
#   make test   environment, linters, types, the whole suite
# A third is for in between: tests alone, without those marked slow, in two minutes on two cores:
#   make quick
# One makes a file to install elsewhere, with recipes and samples in it:
#   make wheel
# Two make what some runs need:
#   make kenlm-tools        the programs that train language models
#   make spark-job-server   what hands pipelines to Spark; needs Java and Maven

PYTHON ?= python3
BIN = .venv/bin
STAMP = .venv/.installed
TEST_STAMP = .venv/.installed_test
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable
DATAFLOW_STAMP = build/envs/dataflow/.installed
KENLM_TOOLS = build/kenlm/bin/build_binary
JOB_SERVER = build/spark-job-server.jar
EXPORT_READERS = build/envs/readers/.installed
HADOOP = build/hadoop/.installed

# Compiled as it is installed. Where an image forbids Python to write what it compiles, every process
# would compile the 2,000 modules of Beam and what it needs again, which takes it two seconds.
export UV_COMPILE_BYTECODE = 1
OURS = beam_runner.py llama_corpus pipeline tokenizer training transforms

.PHONY: demo test quick lint wheel kenlm-tools spark-job-server chromium clean

demo: $(STAMP)
	$(BIN)/python beam_runner.py --runner=DirectRunner --output out/demo
	@echo
	$(BIN)/corpus stats out/demo

# What tests need is fetched and compiled side by side.
test:
	$(MAKE) --jobs 2 --output-sync --no-print-directory $(TEST_STAMP) kenlm-tools chromium $(EXPORT_READERS) \
		$(if $(shell command -v mvn),spark-job-server $(HADOOP)) $(DATAFLOW_STAMP) lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

quick: $(TEST_STAMP)
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist worksteal

lint: $(TEST_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel: $(STAMP)
	rm -rf build/lib dist
	$(BIN)/uv build --quiet --wheel --out-dir dist .
	@ls dist/*.whl

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@echo "installing the environment, which takes a minute or two ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(INSTALL) '.[huggingface]'
	$(BIN)/python -m compileall -q $(OURS)
	@echo "compiling the kernels for this processor ..."
	-$(BIN)/python scripts/compile_kernels.py
	@touch $@

# PyTorch, with which training is tested, is most of it: the demo does without.
$(TEST_STAMP): $(STAMP)
	$(INSTALL) '.[test]'
	@touch $@

# What builds Dataflow's jobs, and reaches S3, with a server of it for tests, and Hadoop: packages of
# clouds slow every start of Beam down, so they stand apart. Two at a time would build one project.
$(DATAFLOW_STAMP): $(STAMP) | $(TEST_STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/envs/dataflow
	$(BIN)/uv pip install --quiet --python build/envs/dataflow/bin/python \
		--constraints constraints.txt --editable '.[gcp,aws,hadoop]' 'moto[s3]' flask flask-cors
	@touch $@

# The libraries of the trainers that exports are for, which want other versions of packages. Each is
# imported once or twice: to compile all of them takes longer.
$(EXPORT_READERS): tests/export_readers/requirements.txt | $(STAMP)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/envs/readers
	env -u UV_COMPILE_BYTECODE $(BIN)/uv pip install --quiet --python build/envs/readers/bin/python \
		--requirements $<
	@touch $@

kenlm-tools: $(KENLM_TOOLS)

$(KENLM_TOOLS): scripts/build_kenlm_tools.sh | $(STAMP)
	PYTHON=$(BIN)/python scripts/build_kenlm_tools.sh
	@touch $@

spark-job-server: $(JOB_SERVER)

$(JOB_SERVER): spark/pom.xml $(shell find spark/src -name '*.java')
	mvn --quiet --batch-mode --file spark/pom.xml package
	rm -rf spark/target

# Hadoop's file system, which tests start. Maven does not share its folder with another one.
$(HADOOP): tests/dataflow/hadoop/pom.xml | $(JOB_SERVER)
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/build/hadoop
	@touch $@

# Tests of pages skip without Chromium; where it can be installed it is.
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } || \
	  echo "no Chromium here: the tests of pages will be skipped"

clean:
	rm -rf .venv out build dist
