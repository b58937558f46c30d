"""What attempts have in common: the facts that the host planted, raw system calls, the last word.

An attempt is a list of tries. Each runs in a child of its own, because some end their process; one that succeeds is an escape.
"""
import atexit, ctypes, errno, os, select, signal, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# x86-64; from 424 on the same everywhere.
NUMBERS = dict(
    mmap=9, ioctl=16, shmget=29, ptrace=101, syslog=103, personality=135, modify_ldt=154, pivot_root=155, chroot=161, acct=163,
    settimeofday=164, mount=165, umount2=166, swapon=167, reboot=169, sethostname=170, setdomainname=171, iopl=172, ioperm=173,
    init_module=175, delete_module=176, quotactl=179, io_setup=206, clock_settime=227, clock_adjtime=305, mq_open=240,
    kexec_load=246, add_key=248, request_key=249, keyctl=250, migrate_pages=256, unshare=272, move_pages=279,
    perf_event_open=298, fanotify_init=300, prlimit64=302, name_to_handle_at=303, open_by_handle_at=304, setns=308,
    process_vm_readv=310, process_vm_writev=311, kcmp=312, finit_module=313, seccomp=317, memfd_create=319, kexec_file_load=320,
    bpf=321, userfaultfd=323, pidfd_send_signal=424, io_uring_setup=425, open_tree=428, move_mount=429, fsopen=430, fsconfig=431,
    fsmount=432, fspick=433, pidfd_open=434, clone3=435, openat2=437, pidfd_getfd=438, process_madvise=440, mount_setattr=442,
    memfd_secret=447, process_mrelease=448, statmount=457, listmount=458, open_tree_attr=467,
)
TRY_SECONDS = 5

facts = {}
if not sys.stdin.isatty():
    for line in sys.stdin:
        key, _, value = line.rstrip("\n").partition("=")
        facts[key] = value

held, escaped = 0, []


def call(name, *arguments):
    """A raw system call; raises OSError where the kernel refuses."""
    numbers = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(NUMBERS[name]), *numbers)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def must_fail(what, act, *arguments):
    """An escape if `act` returns anything but None or False: an error, a signal, silence are the wall's answers."""
    global held
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            value = act(*arguments)
            if value is not None and value is not False:
                os.write(write, ("+" + repr(value)[:300]).encode())
        except BaseException:
            pass
        os._exit(0)
    os.close(write)
    ready, _, _ = select.select([read], [], [], TRY_SECONDS)
    seen = os.read(read, 400) if ready else b""
    os.close(read)
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(child, 0)
    if seen.startswith(b"+"):
        escaped.append(f"{what}: {seen[1:].decode(errors='replace')}")
    else:
        held += 1


def must_be(what, good, seen):
    """An escape if what is seen is not what it has to be."""
    global held
    if good:
        held += 1
    else:
        escaped.append(f"{what}: {seen!r}"[:300])


def read(path, most=4096):
    with open(path, "rb") as file:
        return file.read(most)


def opened(path, flags):
    """The path if it opens, for must_fail."""
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    return path


@atexit.register
def _last_word():
    sys.stdout.flush()
    if escaped:
        print(f"ESCAPED: {len(escaped)} of {held + len(escaped)}: " + "; ".join(escaped)[:2000], flush=True)
    elif held == 0:
        print("ESCAPED: nothing was tried", flush=True)
    else:
        print(f"HELD: {held} tries", flush=True)
