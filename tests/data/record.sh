#!/usr/bin/env bash
# tests/data/record.sh run-v2: makes the run folder of a new schema version, with this machine's marks wiped out.
# A folder of a released version is never made again: it shows that old runs can still be read.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkout=$PWD target=$PWD/tests/data/${1:?name of the new folder}
python=${PYTHON:-$checkout/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$work"
"$python" -m picluster.cli.main launch --layers-per-node 1 --epochs 2 --scale 0.003 --hidden 8 --fanout 5,5 \
    --inventory "$checkout/inventory/local.yml"
run=$(echo runs/*)
rm -rf "$target" "$run/checkpoints"
cp -r "$run" "$target"
"$python" - "$target" "$checkout/" "$work/" <<'END'
import os, platform, re, sys
from pathlib import Path

target, checkout, work = sys.argv[1:]
for file in (file for file in Path(target).rglob("*") if file.is_file()):
    text = file.read_text()
    text = text.replace(work, "").replace(f"{checkout}picluster/cli/main.py", "picluster").replace(checkout, "")
    text = text.replace(platform.release(), "6.12.0").replace(f'"host": "{os.uname().nodename}"', '"host": "desk"')
    text = re.sub(r'("model":)"[^"]*"(,"kernel")', r'\1"Example Processor"\2', text)
    text = re.sub(r'("(?:limit|memory)_bytes": ?)\d+', r"\g<1>8589934592", text)
    file.write_text(re.sub(r'("pid": )\d+', r"\g<1>4242", text))
END
