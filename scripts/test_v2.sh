#!/usr/bin/env bash
# Runs tests of labs in a virtual machine whose kernel has control groups of version 2 alone, as Pis have: `make test-v2`.
# The machine sees all files of this one and changes none: what it writes goes into its memory. It is emulated, and takes
# half an hour. ACCEL=kvm lets the processor itself run it; within another virtual machine that may hang without a word.
# TESTS= names other tests; MEMORY= (GiB) and CORES= are the machine's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=tests/lab/test_lab.py
USUAL=("$LAB"::test_{a_node_is_a_machine_of_its_own,the_memory_limit_is_seen_and_enforced,half_a_core_is_half_a_core}
    tests/lab/test_break.py)
TESTS=${TESTS:-${USUAL[*]}}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/picluster/v2
TIMEOUT_SECONDS=7200
# What reaches this machine's files, and what labs are made of.
FILES=(virtio_pci 9p 9pnet_virtio overlay)
LABS=(veth bridge sch_tbf loop ext4 nf_tables)

fail() {
    printf 'test-v2: %s\n' "$@" >&2
    exit 1
}

check() {
    local program missing=()
    ((EUID == 0)) || fail "labs are made by root" "fix: sudo make test-v2"
    [[ $(uname -m) == x86_64 ]] || fail "it needs an x86 machine"
    for program in qemu-system-x86_64 busybox cpio depmod apt-get dpkg; do
        command -v $program >/dev/null || missing+=("$program")
    done
    ((${#missing[@]} == 0)) || fail "missing: ${missing[*]}" \
        "fix: apt install qemu-system-x86 busybox-static cpio kmod, on Debian or Ubuntu"
}

# Debian's kernel, unpacked; it is not installed.
fetch_kernel() {
    local package
    [[ -e $CACHE/complete ]] && return
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
    [[ -n $package ]] || fail "apt knows no linux-image-amd64" "fix: apt-get update; it is Debian's name for its kernel"
    rm -rf "$CACHE" && mkdir -p "$CACHE"
    (cd "$CACHE" && apt-get download -q -o APT::Sandbox::User=root "$package" && dpkg -x ./*.deb kernel && rm ./*.deb)
    depmod -b "$CACHE/kernel" "$(version)"
    touch "$CACHE/complete"
}

version() { ls "$CACHE/kernel/lib/modules"; }

# Files of modules, in the order in which they are loaded.
modules() {
    local name
    for name in "$@"; do
        modprobe -d "$CACHE/kernel" -S "$(version)" --show-depends "$name" | awk '$1 == "insmod" { print $2 }'
    done | awk '!seen[$0]++'
}

# The first file system: a shell, the modules, and how to come from there to a root like this machine's.
make_start() {
    local start=$1 module name
    mkdir -p "$start"/{bin,modules,labs,proc,sys,dev,host,memory,root}
    cp "$(command -v busybox)" "$start/bin/busybox"
    for module in $(modules "${FILES[@]}"); do
        name=$(basename "${module%.xz}")
        if [[ $module == *.xz ]]; then xz -dc "$module"; else cat "$module"; fi >"$start/modules/$name"
        echo "insmod /modules/$name" >>"$start/load"
    done
    cat >"$start/init" <<'INIT'
#!/bin/busybox sh
busybox() { /bin/busybox "$@"; }
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
insmod() { busybox insmod "$1"; }
. /load
busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host
busybox mount -t tmpfs -o size=80% memory /memory
busybox mkdir /memory/upper /memory/work
busybox mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
busybox cp /run-tests /root/run-tests
busybox umount /proc
exec /bin/busybox switch_root /root /run-tests
INIT
    cat >"$start/run-tests" <<TESTS
#!/bin/bash
export PATH=$PATH HOME=$HOME LC_ALL=C.UTF-8 TMPDIR=/tmp/of-the-machine ${PICLUSTER_INPUT:+PICLUSTER_INPUT="$PICLUSTER_INPUT"}
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm \$TMPDIR
mount -t devpts devpts /dev/pts
for place in /dev/shm /run /var/lib/picluster-lab \$TMPDIR; do mkdir -p \$place && mount -t tmpfs tmpfs \$place; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/init && echo \$\$ >/sys/fs/cgroup/init/cgroup.procs
for module in $(modules "${LABS[@]}" | tr '\n' ' '); do insmod \$module; done
ip link set lo up
hostname v2
echo "kernel \$(uname -r), control groups of version 2: \$(cat /sys/fs/cgroup/cgroup.controllers)"
cd '$PWD' && .venv/bin/pytest -p no:cacheprovider --timeout $TIMEOUT_SECONDS -v --no-header $TESTS
echo "ended with \$?"
echo o >/proc/sysrq-trigger
sleep 60
TESTS
    chmod +x "$start/init" "$start/run-tests"
}

main() {
    check
    fetch_kernel
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    make_start "$folder/start"
    (cd "$folder/start" && find . | cpio --quiet -o -H newc) >"$folder/start.img"
    timeout $TIMEOUT_SECONDS qemu-system-x86_64 -machine q35 -accel "${ACCEL:-tcg,thread=multi}" -cpu "max,-arch-capabilities" \
        -smp "${CORES:-2}" -m "${MEMORY:-10}G" -nic none -nographic -no-reboot </dev/null \
        -kernel "$CACHE"/kernel/boot/vmlinuz-* -initrd "$folder/start.img" \
        -append "console=ttyS0 quiet panic=1 cgroup_no_v1=all" \
        -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap | tee "$folder/told"
    grep -q '^ended with 0' "$folder/told"
}

main
