# What tests/doubles/machine.py runs as root: sh machine.sh around BASE CHECKOUT MASKED
set -eu

# A cgroup of its own: two machines that share one would end each other's services. This shell outlives the
# machine and a killed test run (which sends it TERM), and removes the two folders that are in no namespace.
around() {
  base=$1 group=$1/cgroup/${1##*/}
  mount -t tmpfs -o mode=755 machine "$base"
  mkdir "$base/cgroup" "$base/upper" "$base/work" "$base/root"
  mount -t cgroup2 cgroup2 "$base/cgroup"
  mkdir "$group"
  setpriv --pdeathsig KILL sh -c 'echo 0 >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
    unshare --kill-child --mount --pid --cgroup --ipc --uts --fork --propagation private sh "$0" boot "$@" &
  trap "kill -KILL $!" TERM
  status=0
  wait $! || status=$?
  for _ in $(seq 200); do
    [ -d "$group" ] || break
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05
  done
  umount --recursive --lazy "$base"
  rmdir "$base"
  exit $status
}

# The overlay keeps every write off the host: systemd-tmpfiles would empty the host's own /tmp. What somebody
# enabled on the host (servers, timers, mounts) has no part in the machine, hence the fresh folder of units.
boot() {
  base=$1 checkout=$2 masked=$3
  root=$base/root
  mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" machine "$root"
  for folder in dev proc sys run tmp etc/systemd/system "$checkout"; do mkdir -p "$root/$folder"; done
  mount --rbind "$checkout" "$root$checkout"
  mount -o remount,bind,ro "$root$checkout"
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount --bind "$root/proc/sys/user" "$root/proc/sys/user"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 dev "$root/dev"
  for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  for i in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${i%:*}" "$root/dev/${i#*:}"; done
  mount -t tmpfs -o mode=755 run "$root/run"
  mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  mount -t tmpfs -o mode=755 units "$root/etc/systemd/system"
  for unit in $masked; do ln -s /dev/null "$root/etc/systemd/system/$unit"; done
  mkdir -p "$root/run/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\n' \
    >"$root/run/systemd/journald.conf.d/machine.conf"
  rm -f "$root/etc/machine-id" "$root/etc/hostname"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  echo machine >"$root/etc/hostname"
  # For sandboxes inside. They need a root that is no chroot, in which the kernel permits no user namespaces, and,
  # to mount a /proc of their own, one without covers in view. In /proc/sys/user they forbid more namespaces.
  mkdir "$root/run/proc" "$root/run/host"
  mount -t proc proc "$root/run/proc"
  cd "$root"
  pivot_root . run/host
  umount --lazy /run/host
  exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no
}

"$@"
