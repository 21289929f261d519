#!/usr/bin/env bash
# Makes .venv, or brings it up to date. PYTHON, EXTRAS and TORCH_WHEEL come from the environment (see the Makefile);
# DEV=1 adds what tests and checks need. What .venv has it keeps: EXTRAS=mpi adds to it, and whoever asks for less than
# there is has it already.
# Nothing in here may ever fetch CUDA packages: on x86 Linux torch is asked for as "+cpu", a name PyPI cannot hold.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PIP=pip==26.3 # the first with --group was 25.1; distributions ship older ones
TORCH_INDEX=https://download.pytorch.org/whl/cpu
PROBE_SECONDS=5
STAMP=.venv/.ready
KNOWN=(worker mpi ray dev)

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset PYTHONDONTWRITEBYTECODE

main() {
    local python identity wanted contents
    python=$(find_python)
    identity="$PWD $python $("$python" --version)"
    wanted=$(asked_extras)
    is_of "$identity" && wanted=$(in_order "$wanted $(held_extras)")
    contents=$(cat pyproject.toml constraints.txt | cksum)
    [[ -e $STAMP && $(<"$STAMP") == "$identity [$wanted]"$'\n'"$contents" && -z ${TORCH_WHEEL:-} ]] && return

    check_python "$python"
    make_environment "$python" "$identity"
    if wants_worker "$wanted"; then install_torch; fi
    install_packages "$wanted"
    if wants_worker "$wanted"; then
        compile_worker
        try_torch
    fi
    printf '%s [%s]\n%s\n' "$identity" "$wanted" "$contents" >"$STAMP"
    echo "ready: $(.venv/bin/python --version) in .venv"
}

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

wants_worker() { [[ ,$1, == *,worker,* ]]; }

# What EXTRAS and DEV name, in our order. An engine is for workers.
asked_extras() {
    local word
    for word in ${EXTRAS//,/ }; do
        [[ " ${KNOWN[*]} " == *" $word "* ]] || fail "there is no extra called $word" \
            "fix: name some of ${KNOWN[*]}, such as: make setup EXTRAS=mpi,ray"
    done
    in_order "$EXTRAS ${EXTRAS:+worker} ${DEV:+dev}"
}

# Words of a list, each once, with commas between.
in_order() {
    local word found=()
    for word in "${KNOWN[@]}"; do
        [[ " ${1//,/ } " == *" $word "* ]] && found+=("$word")
    done
    (IFS=, && echo "${found[*]-}") # bash 3.2, which macOS has, calls an empty array unset
}

# Whether .venv is complete, was made here and by that Python.
is_of() { [[ -e $STAMP && $(head -n 1 "$STAMP") == "$1 ["*"]" ]]; }

held_extras() { head -n 1 "$STAMP" | sed 's/.*\[\(.*\)\]$/\1/'; }

# PYTHON= where it was given, else what .venv was made with, else python3; never the python of an environment.
find_python() {
    local python=${PYTHON:-}
    if [[ -z $python ]]; then
        [[ -e $STAMP ]] && base_python .venv/bin/python && return
        python=python3
    fi
    base_python "$python" || fail "there is no $python here that runs" \
        "fix: sudo apt install python3 python3-venv, or name another one: make setup PYTHON=python3.12"
}

base_python() { "$1" -c 'import os, sys; print(os.path.realpath(sys._base_executable))' 2>/dev/null | grep .; }

check_python() {
    local version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' ||
        fail "$1 is Python $version; picluster needs 3.11 to 3.14" \
            "fix: name another one: make setup PYTHON=python3.12"
    # Debian ships Python without ensurepip, and then venv fails halfway.
    "$1" -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null || fail "$1 cannot make virtual environments" \
        "fix: sudo apt install python$version-venv"
}

# An environment whose stamp is missing was interrupted, and one with another identity was moved or made by
# another Python: both are made anew. Otherwise only the packages have changed.
make_environment() {
    if is_of "$2"; then
        rm "$STAMP"
        return
    fi
    echo "making .venv with $1"
    rm -f "$STAMP"
    "$1" -m venv --clear .venv
    pip install --quiet --no-compile "$PIP"
}

pip() { .venv/bin/python -m pip "$@"; }

# pip install, which tells how far it is: over a slow line it takes minutes. Half of the packages' 30,000 modules are
# Ansible's collections, which nobody imports here: byte-compiling all takes longer than installing them.
pip_install() { .venv/bin/python scripts/pip_install.py --no-compile "$@"; }

# The pin lives in pyproject.toml; constraints.txt is made from it, one line per platform.
pinned_torch() {
    .venv/bin/python - <<'PYTHON'
from pathlib import Path
from pip._vendor.packaging.requirements import Requirement

lines = [line for line in Path("constraints.txt").read_text().splitlines() if line.startswith("torch==")]
pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()]
print(str(pins[0].specifier).removeprefix("=="))
PYTHON
}

# Wheels from PyPI are CPU builds on aarch64 (at the pinned version) and on macOS; on x86 Linux they bring CUDA.
install_torch() {
    local version where="pip's configured sources"
    version=$(pinned_torch)
    set --
    [[ -z ${TORCH_WHEEL:-} && $(installed_torch) =~ ^"$version"(\+cpu)?$ ]] && return
    if [[ $(uname -s) == Linux && $(uname -m) != aarch64 ]]; then
        version+=+cpu
        if [[ -z ${TORCH_WHEEL:-} ]] && reachable "$TORCH_INDEX/torch/"; then
            set -- --index-url "$TORCH_INDEX"
            where=$TORCH_INDEX
        fi
    fi
    where=${TORCH_WHEEL:-$where}
    echo "installing torch $version from $where"
    pip_install --no-deps "$@" "${TORCH_WHEEL:-torch==$version}" || fail \
        "torch $version could not be installed from $where; pip says why, above" \
        "on x86 Linux PyPI's own torch is never tried: it brings gigabytes of CUDA packages" \
        "fix: try again where $TORCH_INDEX can be reached, or fetch the wheel elsewhere and name it:" \
        "     make setup TORCH_WHEEL=/path/to/torch-$version-….whl"
    [[ $(installed_torch) == "$version" ]] ||
        fail "$where is torch $(installed_torch), but picluster is made for $version"
}

installed_torch() { .venv/bin/python -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null; }

reachable() {
    .venv/bin/python - "$1" "$PROBE_SECONDS" 2>/dev/null <<'PYTHON'
import sys
import urllib.request

urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).close()
PYTHON
}

install_packages() {
    local packages=controller,${1%dev} group=()
    [[ $1 == *dev ]] && group=(--group dev)
    echo "installing the other packages"
    pip_install --constraint constraints.txt --editable ".[${packages%,}]" ${group[@]+"${group[@]}"}
}

# Workers on virtual Pis see these packages read-only; other modules Python compiles when they are first imported.
compile_worker() {
    local name packages=(picluster)
    for name in torch torch_geometric numpy ray; do
        packages+=(.venv/lib/python*/site-packages/"$name")
    done
    .venv/bin/python -m compileall -q -j 0 "${packages[@]}" >/dev/null 2>&1 || true # templates among them are no Python
}

# A CPU that lacks an instruction shows itself here, not in the middle of a run.
try_torch() {
    .venv/bin/python -c 'import torch, torch.distributed; torch.ones(8, 8) @ torch.ones(8, 8)' ||
        fail "torch was installed, but does not run on this machine"
}

main
