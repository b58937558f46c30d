// madang-escape: ends=denied-syscall
// A call that no honest program makes must end the run with a verdict of its own, not with an error that can be tried again.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    printf("before\n");
    fflush(stdout);
    syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, 0);
    printf("ESCAPED: still alive after reboot\n");
    return 0;
}
