# madang-escape: runs=3 differ=yes
"""Chance is chance in every sandbox, although they are copies of each other: entropy, addresses, hash seeds, identifiers."""
import ctypes, os, random, subprocess, sys, uuid
from attempt import *

unique = {"getrandom": os.getrandom(8).hex(), "urandom": read("/dev/urandom", 8).hex(), "hash": str(hash("madang")), "random": str(random.random()),
          "uuid": str(uuid.uuid4()), "kernel uuid": read("/proc/sys/kernel/random/uuid").decode().strip(), "stack": hex(id(object()))}
for name, value in unique.items():
    print(f"unique {name} {value}" if name != "stack" else f"place {value}")
maps = lambda: subprocess.run(["/bin/cat", "/proc/self/maps"], capture_output=True, text=True).stdout
stacks = {line.split("-")[0] for _ in range(4) for line in maps().splitlines() if "[stack]" in line}
libraries = {[line for line in maps().splitlines() if "libc" in line][0].split("-")[0] for _ in range(4)}
must_be("stacks lie at chance", len(stacks) > 1, stacks)
must_be("libraries lie at chance", len(libraries) > 1, libraries)
must_be("two draws differ", os.urandom(16) != os.urandom(16), "")
