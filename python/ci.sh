#!/usr/bin/env bash
# The wheel from a clean environment: built and installed by pip, then its tests.
set -euo pipefail
cd "$(dirname "$0")"
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check ".[test]"
# From another folder, so that what is imported is what was installed.
cp -r tests README.md crinoid/__init__.pyi "$venv/"
cd "$venv"
bin/python -m pytest -q -p no:cacheprovider tests
