// Calls through the 32-bit gate and the x32 numbers, where a filter for 64 bits may not look.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int held, escaped;

static void attempt(const char *what, long (*act)(void)) {
    int pipes[2];
    if (pipe(pipes)) return;
    pid_t child = fork();
    if (child == 0) {
        long result = act();
        if (result >= 0) (void)!write(pipes[1], "+", 1);
        _exit(0);
    }
    close(pipes[1]);
    char byte = 0;
    ssize_t count = read(pipes[0], &byte, 1);
    close(pipes[0]);
    waitpid(child, 0, 0);
    if (count == 1) { printf("%s worked\n", what); escaped++; } else held++;
}

#ifdef __x86_64__
static long old_gate(long number, long one) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(one), "c"(0L), "d"(0L) : "memory");
    return result;
}
static long old_getpid(void) { return old_gate(20, 0); }
static long old_unshare(void) { return old_gate(310, 0x10000000); }
static long old_keyctl(void) { return old_gate(288, 0); }
static long old_personality(void) { return old_gate(136, 0x0040000); }
static long old_socketcall(void) { return old_gate(102, 1); }
static long x32_getpid(void) { return syscall(0x40000000 | 39); }
static long x32_unshare(void) { return syscall(0x40000000 | 272, 0x10000000); }
static long x32_mount(void) { return syscall(0x40000000 | 165, "none", "/tmp", "tmpfs", 0, 0); }
static long x32_ptrace(void) { return syscall(0x40000000 | 521, 16, 1, 0, 0); }
static long vsyscall_gate(void) {
    // Emulated in the kernel, and filtered there too.
    long (*time_of)(long *) = (long (*)(long *))0xffffffffff600400;
    return time_of(0) > 0 ? -1 : -1;
}
#endif
static long huge(void) { return syscall(100000); }
static long negative(void) { return syscall(-2); }

int main(void) {
#ifdef __x86_64__
    attempt("getpid through the 32-bit gate", old_getpid);
    attempt("unshare through the 32-bit gate", old_unshare);
    attempt("keyctl through the 32-bit gate", old_keyctl);
    attempt("personality through the 32-bit gate", old_personality);
    attempt("socketcall through the 32-bit gate", old_socketcall);
    attempt("getpid as x32", x32_getpid);
    attempt("unshare as x32", x32_unshare);
    attempt("mount as x32", x32_mount);
    attempt("ptrace as x32", x32_ptrace);
    attempt("vsyscall", vsyscall_gate);
#endif
    attempt("a number that is none", huge);
    attempt("a negative number", negative);
    printf(escaped ? "ESCAPED: %d of the above\n" : "HELD: %d tries\n", escaped ? escaped : held);
    return escaped;
}
