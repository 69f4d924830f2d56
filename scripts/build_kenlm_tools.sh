#!/usr/bin/env bash
# Build KenLM's programs lmplz and build_binary from its source distribution on PyPI. KenLM's Python
# wheels do not have them.
#
#   scripts/build_kenlm_tools.sh [FOLDER]     default: build/kenlm; the programs are in FOLDER/bin
#
# Needs a C++ compiler, make and pip. CMake and Boost come from PyPI, too (the packages cmake and
# cmeel-boost). They are used for the build only, and are removed after it.
set -euo pipefail

kenlm=0.3.0
boost=1.88.0 # KenLM needs Boost's library "system", which 1.89 no longer has
cmake=3.31.6
python=${PYTHON:-python3}
folder=${1:-"$(cd "$(dirname "$0")/.." && pwd)/build/kenlm"}

if [[ -x $folder/bin/lmplz && -x $folder/bin/build_binary ]]; then
  echo "$folder/bin holds lmplz and build_binary already"
  exit 0
fi

work=$folder/work
rm -rf "$work"
mkdir -p "$work/source" "$folder/bin" "$folder/lib"
pip=("$python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" download --no-deps --no-binary kenlm --dest "$work" "kenlm==$kenlm"
tar -xzf "$work/kenlm-$kenlm.tar.gz" --strip-components=1 --directory "$work/source"
# The Boost libraries used do not depend on Python, so one wheel serves every Python version.
"${pip[@]}" install --target "$work/tools" --no-deps --only-binary :all: --python-version 3.11 \
  "cmake==$cmake" "cmeel-boost==$boost"

"$work/tools/cmake/data/bin/cmake" -S "$work/source" -B "$work/make" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/tools/cmeel.prefix" \
  -DCMAKE_SKIP_BUILD_RPATH=ON -DCMAKE_EXE_LINKER_FLAGS='-Wl,-rpath,$ORIGIN/../lib' \
  > "$folder/cmake.log" 2>&1 || { cat "$folder/cmake.log" >&2; exit 1; }
"$work/tools/cmake/data/bin/cmake" --build "$work/make" --parallel "$(nproc)" \
  --target lmplz build_binary > "$folder/make.log" 2>&1 ||
  { tail -n 50 "$folder/make.log" >&2; exit 1; }

cp "$work/tools/cmeel.prefix/lib/"libboost_{program_options,thread}.so.* "$folder/lib/"
cp "$work/make/bin/lmplz" "$work/make/bin/build_binary" "$work"
mv "$work/lmplz" "$work/build_binary" "$folder/bin/" # last, so that the programs are complete
rm -r "$work"
echo "$folder/bin holds lmplz and build_binary"
