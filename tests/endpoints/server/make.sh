#!/bin/sh
# Builds a real llama-server for the tests, once per machine, from the source package of the llama-cpp-python that
# is installed, and prints its path. Only the server itself is compiled (4 minutes on 2 cores): it is linked to the
# package's own llama.cpp libraries, which LD_LIBRARY_PATH names when it is started.
#   make.sh PYTHON    where PYTHON has llama-cpp-python
set -eu
python=$1
here=$(cd "$(dirname "$0")" && pwd)
version=$("$python" -c 'from importlib.metadata import version; print(version("llama-cpp-python"))')
libraries=$("$python" -c 'from importlib.util import find_spec; print(find_spec("llama_cpp").origin)')
libraries=$(dirname "$libraries")/lib
recipe=$(cksum < "$here/CMakeLists.txt" | cut -d ' ' -f 1)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sale
server=$cache/llama-server-$version-$recipe
[ -x "$server" ] && { echo "$server"; exit; }

mkdir -p "$cache"
build=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$build"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP
echo "make: building llama-server $version for the tests, once; it takes 4 to 8 minutes on 2 cores" >&2
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$python" -m pip download -q --no-deps --no-binary :all: -d "$build" "llama-cpp-python==$version" >&2
tar -xzf "$build"/llama_cpp_python-*.tar.gz -C "$build"
if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
  "$python" -m pip install -q --target "$build/tools" cmake ninja >&2
  PATH=$build/tools/bin:$PATH; PYTHONPATH=$build/tools; export PATH PYTHONPATH
fi
cmake -G Ninja -S "$here" -B "$build/out" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 \
  -DLLAMA="$(echo "$build"/llama_cpp_python-*/vendor/llama.cpp)" -DLIBRARIES="$libraries" >"$build/log" 2>&1 \
  && nice ninja -C "$build/out" llama-server >>"$build/log" 2>&1 \
  || { tail -n 40 "$build/log" >&2; echo "make: llama-server could not be built" >&2; exit 3; }
mv "$build/out/server/llama-server" "$server"
echo "$server"
