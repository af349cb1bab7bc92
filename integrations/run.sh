#!/usr/bin/env bash
# Every module in its harness, without containers. CRINOID_ANN_BENCHMARKS, CRINOID_VIBE and
# CRINOID_BIG_ANN_BENCHMARKS name checkouts; what is not there is skipped. CRINOID_WHEEL names a wheel that is built
# already, CRINOID_INTEGRATIONS_VENV an environment to keep.
set -euo pipefail
cd "$(dirname "$0")"
venv=${CRINOID_INTEGRATIONS_VENV:-$(mktemp -d)}
[ -n "${CRINOID_INTEGRATIONS_VENV:-}" ] || trap 'rm -rf "$venv"' EXIT
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" -r tests/requirements.txt
"${pip[@]}" --force-reinstall --no-deps "${CRINOID_WHEEL:-../python}"
"$venv/bin/python" -m pytest -q -rs -p no:cacheprovider "$@" tests
