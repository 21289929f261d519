#!/usr/bin/env bash
# Starts cards as flashed on two virtual Pis, as root: cloud-init reads what `picluster init` wrote, until SSH answers.
# The systems are Debian 13 with the settings by which Raspberry Pi OS and Ubuntu have cloud-init read their boot
# partitions; Ubuntu finds its own by a label, which a container has not: there the folder is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BASE=${BASE:-/var/cache/picluster-cards/trixie}
PACKAGES=cloud-init,netplan.io,network-manager,systemd-resolved,openssh-server,sudo,dbus,iproute2,libpam-systemd,systemd-sysv
SECONDS_TO_ANSWER=180
desk=$(mktemp -d)

main() {
    [[ $(id -u) == 0 ]] || { echo "test-cards: as root" >&2 && exit 1; }
    trap clean EXIT
    [[ -d $BASE ]] || make_base
    make_cards
    begun=$SECONDS
    start pi1 raspberry_pi_os 10.97.1.1/24
    start pi2 ubuntu 10.97.2.1/24
    answers pi1 10.97.1.101
    answers pi2 10.97.2.102
}

make_base() {
    rm -rf "$BASE.part"
    mkdir -p "$BASE.part"
    debootstrap --variant=minbase "--include=$PACKAGES" trixie "$BASE.part"
    mv "$BASE.part" "$BASE"
}

make_cards() {
    ssh-keygen -q -t ed25519 -N "" -f "$desk/id"
    printf '%s\n' "user: me" "key: id.pub" "network: {prefix: 16, gateway: 10.97.1.1}" \
        "nodes: {pi1: 10.97.1.101, pi2: 10.97.2.102}" >"$desk/cluster.yml"
    local picluster=$PWD/.venv/bin/picluster
    (cd "$desk" && "$picluster" init && "$picluster" cards verify cards/*)
}

start() {
    local name=$1 system=$2 address=$3 root=$desk/$1.root
    mkdir "$root" "$root.upper" "$root.work"
    mount -t overlay -o "lowerdir=$BASE,upperdir=$root.upper,workdir=$root.work" picluster-cards "$root"
    rm -f "$root"/etc/ssh/ssh_host_*
    : >"$root/etc/machine-id"
    echo raspberrypi >"$root/etc/hostname"
    mkdir -p "$root/boot/firmware"
    cp "$desk/cards/$name"/* "$root/boot/firmware/"
    "$system" "$root"
    ip netns add "cards-$name"
    ip link add "cards-$name" type veth peer name eth0 netns "cards-$name"
    ip address add "$address" dev "cards-$name"
    ip link set "cards-$name" up
    SYSTEMD_NSPAWN_LOCK=0 setsid systemd-nspawn --quiet --boot --register=no --keep-unit --settings=no \
        --link-journal=no --resolv-conf=off --timezone=off --console=pipe "--machine=cards-$name" "--directory=$root" \
        "--network-namespace-path=/run/netns/cards-$name" --capability=CAP_NET_ADMIN \
        </dev/null >"$desk/$name.log" 2>&1 &
    echo $! >"$desk/$name.pid"
    disown
}

# rpi-cloud-init-mods brings the first file, netplan's settings of the image the second; SSH is off.
raspberry_pi_os() {
    printf '%s\n' "datasource_list: [NoCloud, None]" "datasource: {NoCloud: {seedfrom: 'file:///boot/firmware'}}" \
        >"$1/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg"
    mkdir -p "$1/usr/lib/netplan"
    (umask 077 && echo "network: {version: 2, renderer: NetworkManager}" >"$1/usr/lib/netplan/00-all.yaml")
    chroot "$1" systemctl --quiet disable ssh
}

ubuntu() {
    echo "datasource_list: [NoCloud, None]" >"$1/etc/cloud/cloud.cfg.d/99-fake-cloud.cfg"
    mkdir -p "$1/var/lib/cloud/seed"
    ln -s /boot/firmware "$1/var/lib/cloud/seed/nocloud"
    chroot "$1" systemctl --quiet disable NetworkManager
    chroot "$1" systemctl --quiet enable systemd-networkd ssh
}

answers() {
    local name=$1 address=$2 found
    local words=(ssh -F none -i "$desk/id" -o BatchMode=yes -o ConnectTimeout=3 -o StrictHostKeyChecking=no
        -o "UserKnownHostsFile=$desk/known" -o LogLevel=ERROR "me@$address")
    # It is the node that says it.
    # shellcheck disable=SC2016
    until found=$("${words[@]}" 'echo "$(hostname) $(id -un) $(sudo -n id -u) $(sudo -n passwd -S me | cut -d" " -f2)"'); do
        ((SECONDS - begun < SECONDS_TO_ANSWER)) || { cat "$desk/$name.log" && echo "$name does not answer" && exit 1; }
        sleep 1
    done 2>/dev/null
    [[ $found == "$name me 0 L" ]] || { echo "$name says: $found" && exit 1; }
    "${words[@]}" 'groups | grep -qw video && cloud-init status --wait' >/dev/null || { echo "$name: cloud-init failed" && exit 1; }
    echo "$name answers at $address after $((SECONDS - begun)) s, with me, its key, and sudo"
}

clean() {
    set +e
    local name
    for name in pi1 pi2; do
        [[ -f $desk/$name.pid ]] && kill -KILL -- "-$(<"$desk/$name.pid")" 2>/dev/null
        ip netns delete "cards-$name" 2>/dev/null
        ip link delete "cards-$name" 2>/dev/null
        umount --lazy "$desk/$name.root" 2>/dev/null
    done
    rm -rf --one-file-system "$desk"
}

main
