// Makes namespaces by clone and clone3 from C, where flags stand in registers or behind a pointer, with garbage in the upper halves.
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int held, escaped;

static void judge(const char *what, unsigned long flag, long result) {
    if (result == 0) _exit(0);
    if (result > 0) { waitpid(result, 0, __WALL); printf("%s %#lx made a process\n", what, flag); escaped++; } else held++;
}

int main(void) {
    unsigned long flags[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
                             CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        judge("clone", flags[i], syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0));
        judge("clone with upper bits", flags[i], syscall(SYS_clone, flags[i] | SIGCHLD | 1UL << 40, 0, 0, 0, 0));
        struct clone_args arguments;
        memset(&arguments, 0, sizeof arguments);
        arguments.flags = flags[i];
        arguments.exit_signal = SIGCHLD;
        judge("clone3", flags[i], syscall(SYS_clone3, &arguments, sizeof arguments));
        for (int with_fs = 0; with_fs < 2; with_fs++) {
            long result = syscall(SYS_unshare, flags[i] | (with_fs ? CLONE_FS : 0) | (with_fs ? 1UL << 40 : 0));
            if (result == 0) { printf("unshare %#lx\n", flags[i]); escaped++; } else held++;
        }
    }
    // An ordinary process must still be possible: a wall that stops everything proves nothing.
    pid_t child = fork();
    if (child == 0) _exit(7);
    int status = 0;
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) != 7) { printf("fork does not work\n"); escaped++; }
    printf(escaped ? "ESCAPED: %d of the above\n" : "HELD: %d tries\n", escaped ? escaped : held);
    return escaped;
}
