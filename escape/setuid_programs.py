"""Runs every program with the setuid bit or file capabilities, and looks whether it became somebody."""
import os, subprocess
from attempt import *

found = []
for directory in ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local/bin", "/opt"):
    for top, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(top, name)
            try:
                if os.lstat(path).st_mode & 0o6000 and not os.path.islink(path):
                    found.append(path)
            except OSError:
                pass


def run(*words, text=b""):
    result = subprocess.run(words, input=text, capture_output=True, timeout=4)
    return (result.stdout + result.stderr).decode(errors="replace")


def becomes(path):
    child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        status = read(f"/proc/{child.pid}/status").decode()
        return status if "Uid:\t1000\t1000\t1000\t1000" not in status and "State:\tZ" not in status else None
    finally:
        child.kill()


for path in found:
    must_fail(path, becomes, path)
for words in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["pkexec", "id", "-u"], ["newgrp", "root"], ["unshare", "-r", "id", "-u"]):
    must_fail(" ".join(words), lambda: run(*words).strip() == "0" or None)
must_fail("mount", lambda: "mounted" if subprocess.run(["mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True).returncode == 0 else None)
must_fail("newuidmap", lambda: "mapped" if subprocess.run(["newuidmap", str(os.getpid()), "0", "0", "1"], capture_output=True).returncode == 0 else None)


def own_setuid():
    with open("mine", "wb") as file:
        file.write(read("/usr/bin/id", 1 << 20))
    os.chmod("mine", 0o6755)
    return run("./mine", "-u").strip() != "1000" or None


must_fail("a setuid program of our own", own_setuid)
must_fail("file capabilities", lambda: os.setxattr("mine" if os.path.exists("mine") else "/home/work", "security.capability", b"\1\0\0\2" + bytes(16)) or "set")
for act in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]), lambda: os.setreuid(1, 1), lambda: os.seteuid(0)):
    must_fail("become somebody", lambda: act() or "became")
