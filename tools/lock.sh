#!/usr/bin/env bash
# Pins the dependencies of pyproject.toml for all our Pythons and both architectures, with the hashes of every file.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(tools/python.sh)" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet uv
compile() {
    "$work/venv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        pyproject.toml requirements/build.in "$@"
}
compile --output-file requirements/run.txt
compile --extra test --constraint requirements/run.txt --output-file requirements/test.txt
compile --extra docs --constraint requirements/run.txt --output-file requirements/docs.txt
