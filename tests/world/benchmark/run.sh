#!/bin/sh
# Films the benchmark's scenes, replays and measures them: run.sh WORK_FOLDER [SCENE]...
# Needs `make build world` and SIGHTLINE_PEOPLE. Fails when a scene falls below its gate.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$1
shift
[ $# -gt 0 ] || set -- easy medium hard night gap sixteen crowd
status=0
for scene in "$@"; do
    seed=$(sed -n 's/.*--seed \([0-9]*\).*/\1/p' "$here/$scene.toml" | head -n 1)
    film=$work/$scene
    [ -f "$film/manifest.toml" ] || "$root/tests/world/world" scene "$here/$scene.toml" --seed "$seed" --out "$film"
    # Those who are not there are the people of the demo.
    python3 "$here/sentences.py" "$film/ground_truth/descriptions.json" "$root/tests/world/demo/ground_truth/descriptions.json" \
        > "$work/$scene-sentences.json"
    rm -rf "$work/$scene-store"
    "$root/target/release/sightline" replay "$film/manifest.toml" --config "$here/$scene.config.toml" \
        --store "$work/$scene-store" --mtmc "$work/$scene-persons.txt" --eval="$work/$scene-report" \
        --sentences "$work/$scene-sentences.json" --gate "$here/$scene.gate.toml" || status=1
    "$root/target/release/sightline" eval mtmc --gt "$film/ground_truth/ai_city_2024.txt" --tracks "$work/$scene-persons.txt"
done
exit $status
