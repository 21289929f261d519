#!/usr/bin/env bash
# What `make demo` shows: four local processes train a layer-split GNN on a generated graph, then the report.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/picluster launch --inventory inventory/local.yml --layers-per-node 1
echo
.venv/bin/picluster report
cat <<'TEXT'

Try next:
  .venv/bin/picluster launch --strategy data-parallel   another division of the work: the same losses, bit for bit
  .venv/bin/picluster launch --model gcn                another model; models/ holds one file for each
  .venv/bin/picluster launch --dry-run                  the plan alone: who would do what
  .venv/bin/picluster runs                              all runs so far
  .venv/bin/picluster export --output sage.safetensors  the weights, for use with plain PyG
docs/first-run.md goes on from here.
TEXT
