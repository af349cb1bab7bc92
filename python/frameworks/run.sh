#!/usr/bin/env bash
# The stores for LangChain, LlamaIndex and Haystack, against the real packages and their standard tests, in an
# environment of their own. CRINOID_WHEEL names a wheel that is built already; without it one is built.
set -euo pipefail
cd "$(dirname "$0")"
venv=${CRINOID_FRAMEWORKS_VENV:-$(mktemp -d)}
[ -n "${CRINOID_FRAMEWORKS_VENV:-}" ] || trap 'rm -rf "$venv"' EXIT
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" -r requirements.txt
"${pip[@]}" --force-reinstall --no-deps "${CRINOID_WHEEL:-..}"
# Nobody is told that tests run.
export HAYSTACK_TELEMETRY_ENABLED=False ANONYMIZED_TELEMETRY=False
"$venv/bin/python" -m pytest -q -p no:cacheprovider -p no:codspeed "$@" .
