#!/bin/sh
# Measures the world against its goals. Needs SIGHTLINE_PEOPLE, SIGHTLINE_MODEL_MIRROR and SIGHTLINE_FOOTAGE, and a Python with requirements.txt.
# Usage: tests/world/report/report.sh WORK_FOLDER [PYTHON]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$1
python=${2:-python3}
world="$here/../world"
mkdir -p "$work"
"$world" check "$here/../demo/scene.toml" --seed 7 | tee "$work/check.json"
"$world" crops --ids 500 --views 8 --seed 9001 --out "$work/default" | tee "$work/speed.txt"
"$world" crops --ids 500 --views 8 --seed 9001 --difficulty 0 --out "$work/easy"
"$world" crops --ids 200 --views 4 --seed 9002 --difficulty 0.2 --parts --out "$work/colour"
[ -d "$work/demo" ] || "$world" scene "$here/../demo/scene.toml" --seed 7 --out "$work/demo"
cd "$here"
"$python" reid.py "$work/default"
"$python" reid.py "$work/easy"
"$python" colour.py "$work/colour"
"$python" detect.py "$work/demo" yolox-nano
"$python" detect.py "$work/demo" fastestdet
"$python" detect.py --agreement "$work/demo"
"$python" detect.py --agreement vtest
"$python" reid.py "$work/default" osnet
"$python" gap.py "$work/default" "$work/real_above_synthetic_below.png"
