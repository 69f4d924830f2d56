#!/usr/bin/env bash
# Make a corpus from raw dumps, with models trained on the same dumps. docs/from_scratch.md explains
# the steps.
#
#   scripts/from_scratch.sh DATA OUT [MORE]     MORE goes to every command (--workers 2, ...)
#
# The commands' defaults are for whole dumps. The options in LM_OPTIONS, CLASSIFIER_OPTIONS and
# TOKENIZER_OPTIONS come after those given here, and override them.
set -euo pipefail

data=$1
out=$2
shift 2
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
recipe=(--recipe recipes/from_scratch.yaml --set "data=$data" --set "made=$out"
  --set "lid=${LID:-samples/models/lid.176.ftz}" "$@")

# shellcheck disable=SC2086  # the options are words
{
  "$bin/corpus" train-lm "${recipe[@]}" --output "$out/lm" --language en ${LM_OPTIONS:-}
  "$bin/corpus" cited-urls "${recipe[@]}" --output "$out/cited" --languages en
  "$bin/corpus" train-classifier "${recipe[@]}" --output "$out/classifier" --languages en \
    --positive commoncrawl --cited_urls "$out/cited/cited_urls.txt" --negative commoncrawl \
    ${CLASSIFIER_OPTIONS:-}
  "$bin/corpus" train-tokenizer "${recipe[@]}" --output "$out/tokenizer" ${TOKENIZER_OPTIONS:-}
  "$bin/python" beam_runner.py --runner=DirectRunner "${recipe[@]}" --output "$out/corpus"
  "$bin/corpus" verify "$out/corpus"
}
