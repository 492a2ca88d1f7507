#!/usr/bin/env bash
# Checks and times STRIQ on a CUDA machine without a network, in eight minutes at most, and prints one JSON object:
#   bash benchmarks/gpu_check.sh > gpu.json
# It needs torch for CUDA and the packages named in benchmarks/README.md. Progress goes to standard error.
# --device cpu --small tries the script on a machine without a card.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1
exec timeout 480 "${PYTHON:-python3}" -m benchmarks.gpu_check "$@"
