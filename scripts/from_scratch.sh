#!/usr/bin/env bash
# From raw dumps and no ready model to shards: docs/from_scratch.md says what each step does.
#
#   scripts/from_scratch.sh DATA OUT [MORE]     MORE goes to every command (--workers 2, ...)
#
# What decides how much is learnt from has defaults for whole dumps; for small ones they are given in
# the environment: PIECES, VOCABULARY, SAMPLE_BYTES (of each model's text), POSITIVE and NEGATIVE (the
# classifier's sets) and CITED (yes: of the positive sources, the pages that Wikipedia cites; no: all
# of their documents).
set -euo pipefail

data=$1
out=$2
shift 2
cd "$(dirname "$0")/.."
corpus=${CORPUS:-.venv/bin/corpus}
recipe=(--recipe recipes/from_scratch.yaml --set "data=$data" --set "made=$out"
  --set "lid=${LID:-samples/models/lid.176.ftz}" "$@")
bytes=${SAMPLE_BYTES:-1e9}

"$corpus" train-lm "${recipe[@]}" --output "$out/lm" --language en \
  --pieces "${PIECES:-65536}" --sample_bytes "$bytes" --web_sample_bytes "$bytes"

cited=()
if [[ ${CITED:-yes} == yes ]]; then
  "$corpus" cited-urls "${recipe[@]}" --output "$out/cited" --languages en
  cited=(--cited_urls "$out/cited/cited_urls.txt")
fi
"$corpus" train-classifier "${recipe[@]}" --output "$out/classifier" "${cited[@]}" \
  --positive "${POSITIVE:-commoncrawl}" --negative "${NEGATIVE:-commoncrawl}" --languages en \
  --sample_bytes "$bytes"

"$corpus" train-tokenizer "${recipe[@]}" --output "$out/tokenizer" \
  --vocabulary_size "${VOCABULARY:-32000}" --sample_bytes "$bytes"

"${corpus%corpus}python" beam_runner.py --runner=DirectRunner "${recipe[@]}" --output "$out/corpus"
"$corpus" verify "$out/corpus"
