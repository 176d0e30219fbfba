#!/bin/bash
# Boots a real systemd over a throw-away copy of this system: boot.sh SYSTEMD-FOLDER STAND-IN REPORT-FOLDER
# Run in namespaces of its own: unshare --fork --kill-child --pid --mount --cgroup --uts --ipc --net
set -euo pipefail
units=$1 stand_in=$2 report=$3

mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs tmpfs $root/run
mount -t tmpfs tmpfs $root/tmp
mount --rbind /dev $root/dev
mkdir -p $root/report $root/old
mount --bind "$report" $root/report

install -m755 "$stand_in" $root/usr/bin/sightline
install -m644 "$units/sightline-edge.service" $root/etc/systemd/system/
install -m644 -D "$units/sightline.sysusers.conf" $root/etc/sysusers.d/sightline.conf
install -m644 -D "$units/sightline.tmpfiles.conf" $root/etc/tmpfiles.d/sightline.conf
# The log of the stand-in is the one thing that the sandbox lets through for the test.
mkdir -p $root/etc/systemd/system/sightline-edge.service.d
printf '[Service]\nReadWritePaths=/report\nStandardError=append:/report/stderr\n' \
    > $root/etc/systemd/system/sightline-edge.service.d/test.conf
printf '[Unit]\nWants=sightline-edge.service\n' > $root/etc/systemd/system/units-test.target

# The user namespace of PrivateUsers= cannot be made in a chroot, so the root is pivoted.
cd $root
pivot_root . old
umount -l /old
systemd-sysusers /etc/sysusers.d/sightline.conf
systemd-tmpfiles --create /etc/tmpfiles.d/sightline.conf
touch /etc/sightline/edge.toml
echo hunter2 > /etc/sightline/credentials/gate-2
chmod 600 /etc/sightline/credentials/gate-2
# Credentials are mounted in a child's namespace, and come to PID 1 by propagation.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=units-test.target
