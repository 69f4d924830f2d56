#!/usr/bin/env bash
# Compares the bytes that a run writes before and after a change. It runs the same command with the
# code of COMMIT and with the code as it is here, each in its own folder, and compares the SHA-256
# of what the runs made: shards, decisions, joined documents and ledger.
#
#   scripts/compare_runs.sh COMMIT [OPTION OF beam_runner.py ...]
#
# Exits 0 where all bytes are the same, 1 where some differ. Recipes and data that the options name
# with relative paths are those of COMMIT in the first run and those that are here in the second.
# OUT=FOLDER keeps the outputs there; by default they are in out/compare.
set -euo pipefail

if [ $# = 0 ]; then
  sed -n 's/^# \{0,1\}//p' "$0" | tail -n +2
  exit 2
fi
commit=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
out=${OUT:-$root/out/compare}
python=$root/.venv/bin/python
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -rf "$out/before" "$out/after"

tree=$(mktemp -d)
trap 'git -C "$root" worktree remove --force "$tree" || true' EXIT
git -C "$root" worktree add --quiet --detach "$tree" "$commit"

run() { # FOLDER OUTPUT OPTION ...
  (cd "$1" && PYTHONPATH=$1 "$python" beam_runner.py --no_report --output "$2" "${@:3}")
}
digests() { # OUTPUT
  (cd "$1" && find . -type f -regextype posix-extended \
    -regex '\./((shards|decisions|joined)/.*|ledger\.parquet)' | LC_ALL=C sort | xargs -d '\n' sha256sum)
}

run "$tree" "$out/before" "$@"
run "$root" "$out/after" "$@"
digests "$out/before" > "$out/before.sha256"
digests "$out/after" > "$out/after.sha256"
echo
if diff "$out/before.sha256" "$out/after.sha256"; then
  echo "the same bytes in all $(wc -l < "$out/after.sha256") files"
else
  echo "these files differ; what became of the documents:"
  (cd "$root" && PYTHONPATH=$root "$python" -m pipeline.commands.main diff "$out/before" "$out/after") || true
  exit 1
fi
