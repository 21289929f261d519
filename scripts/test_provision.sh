#!/usr/bin/env bash
# Provisions nodes of one system, twice, and trains on them. The environment gives OS, INVENTORY and PICLUSTER_RELEASE (see
# the Makefile).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -A IMAGES=(
    [ubuntu]="Ubuntu Server 24.04 LTS or later, 64-bit, for Raspberry Pi"
    [debian]="Debian 12 or later, 64-bit"
    [raspios]="Raspberry Pi OS Lite, 64-bit, of November 2025 or later"
)

main() {
    local image=${IMAGES[${OS:-}]:-}
    [[ -n $image ]] || fail "OS=${OS:-} is none of ${!IMAGES[*]}" "fix: make test-provision OS=debian"
    if [[ -n ${INVENTORY:-} ]]; then
        on_machines
    elif [[ $OS != raspios && $(own_system) == "$OS" && $(id -u) == 0 ]]; then
        echo "no INVENTORY: on virtual Pis of ${PICLUSTER_RELEASE:-the release of this machine}"
        exec .venv/bin/pytest -m lab tests/lab/test_provision.py
    else
        fail "OS=$OS needs one to ten machines that were flashed with $image and not touched since" \
            "fix: docs/first-boot.md writes the cards; then make test-provision OS=$OS INVENTORY=inventory/hosts.yml" \
            "     (ubuntu and debian: as root on a machine of that system it makes virtual Pis instead)"
    fi
}

fail() {
    printf 'test-provision: %s\n' "$@" >&2
    exit 1
}

own_system() { sed -n 's/^ID=//p' /etc/os-release; }

on_machines() {
    check_system
    .venv/bin/picluster provision --inventory "$INVENTORY"
    .venv/bin/picluster provision --inventory "$INVENTORY" --json |
        .venv/bin/python -c 'import json, sys; sys.exit(any(node["changed"] for node in json.load(sys.stdin)["nodes"]))' ||
        fail "the second run changed something"
    .venv/bin/picluster launch --inventory "$INVENTORY" --layers-per-node 1
    .venv/bin/picluster report
}

# Raspberry Pi OS calls itself Debian; /etc/rpi-issue tells them apart.
check_system() {
    local question='[ -e /etc/rpi-issue ] && echo is raspios || sed -n "s/^ID=/is /p" /etc/os-release'
    .venv/bin/ansible all -i "$INVENTORY" -m raw -a "$question" | grep -E '^is ' | sort | uniq -c | tee /dev/stderr |
        awk -v wanted="$OS" '$3 != wanted { wrong = 1 } END { exit wrong || !NR }' ||
        fail "not all machines of $INVENTORY have ${IMAGES[$OS]}"
}

main
