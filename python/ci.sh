#!/usr/bin/env bash
# The wheel from a clean environment: built and installed by pip, then its tests. What is tested is compiled with the
# profile `ci`, which takes a third of the time; `pip install ./python` alone takes `release`.
set -euo pipefail
cd "$(dirname "$0")"
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
export MATURIN_PEP517_ARGS="--profile ci"
"$venv/bin/pip" install --quiet --disable-pip-version-check ".[test]"
# From another folder, so that what is imported is what was installed.
cp -r tests README.md crinoid/__init__.pyi "$venv/"
cp ../README.md "$venv/FRONT.md"
cd "$venv"
bin/python -m pytest -q -p no:cacheprovider tests
