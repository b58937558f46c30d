"""What is seen of the machine is the sandbox's own: memory, processors, names, versions."""
import os, re, subprocess
from attempt import *

limit = int(os.environ["MADANG_MEMORY_BYTES"])
meminfo = {line.split(":")[0]: int(line.split()[1]) for line in read("/proc/meminfo").decode().splitlines()}
must_be("MemTotal", meminfo["MemTotal"] * 1024 == limit, meminfo)
must_be("MemAvailable", meminfo["MemAvailable"] * 1024 <= limit, meminfo)
must_be("no swap", meminfo["SwapTotal"] == 0, meminfo)
count = read("/proc/cpuinfo", 1 << 20).decode().count("processor\t")
must_be("/proc/cpuinfo", count == 1, count)
must_be("sched_getaffinity", len(os.sched_getaffinity(0)) == 1, os.sched_getaffinity(0))
must_be("nproc", subprocess.run(["nproc"], capture_output=True, text=True).stdout.strip() == "1", "")
must_be("os.cpu_count", os.cpu_count() == 1, os.cpu_count())
free = subprocess.run(["free", "-b"], capture_output=True, text=True).stdout
must_be("free", not free or int(free.split()[7]) == limit, free)
must_be("host name", os.uname().nodename == "madang" != facts["hostname"], os.uname())
must_be("host name in files", facts["hostname"] not in read("/etc/hostname").decode() or len(facts["hostname"]) < 4, read("/etc/hostname"))
must_be("no command line of the kernel", read("/proc/cmdline").strip() == b"", read("/proc/cmdline"))
for path, pattern in (("/proc/kallsyms", rb"^[0-9a-f]*[1-9a-f][0-9a-f]* "), ("/proc/modules", rb"0x[0-9a-f]*[1-9a-f]"), ("/proc/iomem", rb"[1-9a-f][0-9a-f]+-"),
                      ("/proc/ioports", rb"[1-9a-f][0-9a-f]*-")):
    must_fail(f"addresses in {path}", lambda: re.search(pattern, read(path, 65536), re.M) and path)
must_be("no users of the host", all(int(line.split(":")[2]) in (0, 1000, 65534) or int(line.split(":")[2]) < 1000 for line in open("/etc/passwd")), read("/etc/passwd"))
must_fail("hashes of passwords", lambda: [line for line in open("/etc/passwd") if line.split(":")[1] not in ("x", "*", "!")] or None)
