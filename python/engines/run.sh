#!/usr/bin/env bash
# Sealed collections under Ray and Spark, with the real packages, in an environment of their own. CRINOID_WHEEL names a
# wheel that is built already; without it one is built, with the profile `ci`, as ../ci.sh does. Spark needs a Java runtime
# (default-jre-headless): without one its tests are skipped, and say so.
set -euo pipefail
cd "$(dirname "$0")"
venv=${CRINOID_ENGINES_VENV:-$(mktemp -d)}
[ -n "${CRINOID_ENGINES_VENV:-}" ] || trap 'rm -rf "$venv"' EXIT
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
export MATURIN_PEP517_ARGS="--profile ci"
pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" -r requirements.txt
"${pip[@]}" --force-reinstall --no-deps "${CRINOID_WHEEL:-..}"
# Nobody is told that tests run; nothing listens beyond this machine.
export RAY_USAGE_STATS_ENABLED=0 SPARK_LOCAL_IP=127.0.0.1
PATH="$venv/bin:$PATH" "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@" .
