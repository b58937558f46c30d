"""Looks into the places where machines keep their secrets."""
import os
from attempt import *

for path in ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/etc/crontab",
             "/root/.bashrc", "/root/.ssh/authorized_keys", "/root/.profile", "/var/log/dpkg.log", "/var/lib/dpkg/status", "/var/run/docker.sock",
             "/run/docker.sock", "/run/systemd/private", "/boot/vmlinuz", "/proc/1/environ", "/proc/1/maps", "/proc/1/stack", "/proc/1/auxv",
             "/proc/1/mem", "/proc/1/syscall", "/proc/1/personality", "/proc/1/pagemap", "/proc/kcore", "/proc/kmsg", "/proc/keys",
             "/proc/vmallocinfo", "/proc/slabinfo", "/proc/pagetypeinfo", "/proc/kpagecount", "/proc/timer_list", "/sys/firmware/dmi/tables/DMI",
             "/sys/kernel/security", "/sys/kernel/debug", "/sys/kernel/tracing/trace", "/sys/fs/cgroup", "/.dockerenv", "/.dockerinit"):
    must_fail(path, lambda: (os.listdir(path) if os.path.isdir(path) else read(path)) or None)
for path in ("/root", "/boot", "/mnt", "/media", "/srv", "/lost+found"):
    must_fail(path, lambda: os.listdir(path) or None)
must_be("/home holds work alone", os.listdir("/home") == ["work"], os.listdir("/home"))
must_be("/var is as good as empty", set(os.listdir("/var")) <= {"lib", "tmp", "log", "cache", "run"}, os.listdir("/var"))
must_be("no environment of the host", facts["secret"] not in str(dict(os.environ)), dict(os.environ))
known = {"HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "USER", "PWD", "SHLVL", "_", "LC_CTYPE", "MAIN", "OLDPWD"}
strange = [key for key in os.environ if key not in known and not key.startswith(("MADANG_", "PYTHON", "MPL", "OPENBLAS"))]
must_be("the environment holds what we know", not strange, strange)
