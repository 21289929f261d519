#!/usr/bin/env bash
# What `make demo` shows: four local processes train a layer-split GNN on a generated graph, then the report.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

.venv/bin/picluster launch --layers-per-node 1
echo
.venv/bin/picluster report
cat <<'TEXT'

Try next:
  .venv/bin/picluster launch --strategy data-parallel        the same losses, bit for bit, from another division
  .venv/bin/picluster launch --layers-per-node 1 --dry-run   the plan alone: who would do what
  .venv/bin/picluster launch --model gcn --layers-per-node 1 another model; models/ holds one file each
  .venv/bin/picluster report --json                          the last run as one JSON object
TEXT
