#!/usr/bin/env bash
# Checks and times STRIQ on a CUDA machine without a network: bash benchmarks/gpu_check.sh OUT
# It needs torch for CUDA and the packages named in benchmarks/README.md.
set -uo pipefail
export PYTHONUNBUFFERED=1
out=${1:?"name a folder for the results"}
mkdir -p "$out"
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/device.txt"
python3 -c 'import torch; print("torch", torch.__version__)' | tee -a "$out/device.txt"
status=0
python3 -m pytest -q -p no:cacheprovider -o filterwarnings= -o addopts= tests/scoring/test_engines.py tests/scoring/test_recording.py \
    tests/training/test_mixed_precision.py 2>&1 | tee "$out/tests.txt" | tail -30 || status=1
python3 benchmarks/gpu_parity.py "$out/parity.json" || status=1
python3 -m striq.cli train --planes kidney --planes a4c --epochs 1 --amp --device cuda --out "$out/work/train" || status=1
python3 -m striq.cli study planes --model "$out/work/train" --device cuda --out "$out/work/planes" | tail -5 || status=1
python3 -m striq.cli study bench --device cuda --batch 1 --batch 32 --batch 256 --repeats 20 --out "$out/bench" || status=1
rm -rf "$out/work"
exit $status
