# One image for all runners: Beam's, with this package in it (docs/container.md).
#     docker build --tag IMAGE .
# Beam and Python are those of the machine that starts the run: constraints.txt has Beam's version.
FROM apache/beam_python3.11_sdk:2.77.0

# fastText and KenLM are compiled. Debian keeps no older versions of a compiler to name here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/llama-corpus
COPY pyproject.toml constraints.txt README.md LICENSE beam_runner.py ./
COPY llama_corpus llama_corpus
COPY pipeline pipeline
COPY recipes recipes
COPY samples samples
COPY tokenizer tokenizer
COPY training training
COPY transforms transforms
RUN pip install --no-cache-dir --constraint constraints.txt '.[gcp,aws,huggingface]'

ENTRYPOINT ["/opt/apache/beam/boot"]
