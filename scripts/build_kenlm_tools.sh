#!/usr/bin/env bash
# Build KenLM's lmplz and build_binary, which the Python wheels of KenLM do not hold, from its
# source distribution on PyPI.
#
#   scripts/build_kenlm_tools.sh [FOLDER]     default build/kenlm; the programs lie in FOLDER/bin
#
# Needs a C++ compiler, CMake, Boost, zlib and Eigen; on Debian or Ubuntu:
#   apt-get install cmake g++ libboost-program-options-dev libboost-system-dev \
#     libboost-thread-dev libboost-test-dev zlib1g-dev libbz2-dev liblzma-dev libeigen3-dev
set -euo pipefail

version=0.3.0
python=${PYTHON:-python3}
folder=${1:-"$(cd "$(dirname "$0")/.." && pwd)/build/kenlm"}

if [[ -x $folder/bin/lmplz && -x $folder/bin/build_binary ]]; then
  echo "$folder/bin holds lmplz and build_binary already"
  exit 0
fi

mkdir -p "$folder/source" "$folder/make"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary kenlm \
  --dest "$folder" "kenlm==$version"
tar -xzf "$folder/kenlm-$version.tar.gz" --strip-components=1 --directory "$folder/source"
cmake -S "$folder/source" -B "$folder/make" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_POLICY_VERSION_MINIMUM=3.5 > "$folder/cmake.log" 2>&1 ||
  { cat "$folder/cmake.log" >&2; exit 1; }
cmake --build "$folder/make" --parallel "$(nproc)" --target lmplz build_binary \
  > "$folder/make.log" 2>&1 || { tail -n 50 "$folder/make.log" >&2; exit 1; }
mkdir -p "$folder/bin"
cp "$folder/make/bin/lmplz" "$folder/make/bin/build_binary" "$folder/bin/"
echo "$folder/bin holds lmplz and build_binary"
