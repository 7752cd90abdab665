#!/usr/bin/env bash
# Prints the Python to make the virtual environment with: $PYTHON if set, else 3.11 (the version we pin for) or the next newer one.
set -euo pipefail
for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if path=$(command -v "$candidate") && "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$path"
        exit 0
    fi
done
exit 1
