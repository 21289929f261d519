#!/usr/bin/env bash
# What `make demo` shows: four local processes train a layer-split GNN on a generated graph, then the report.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/picluster launch --inventory inventory/local.yml --layers-per-node 1
echo
.venv/bin/picluster report
cat <<'TEXT'

Try next, after: source .venv/bin/activate
  picluster launch --strategy data-parallel   another plan: the same losses
  picluster launch --model gcn                another model; they lie in models/
  picluster launch --dry-run                  the plan alone: who would do what
  picluster runs                              all runs so far
  picluster export --output sage.safetensors  the weights, for use with PyG
docs/first-run.md goes on from here.
TEXT
