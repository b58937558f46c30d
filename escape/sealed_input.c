// Changes the file that the host made of our standard input, which it may still hold.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    struct stat seen;
    int escaped = 0;
    if (fstat(0, &seen) || !S_ISREG(seen.st_mode)) {
        printf("HELD: the standard input is no file\n");
        return 0;
    }
    int again = open("/proc/self/fd/0", O_RDWR);
    if (again >= 0) {
        if (pwrite(again, "x", 1, 0) == 1) escaped += puts("written");
        if (ftruncate(again, 0) == 0) escaped += puts("cut");
        if (ftruncate(again, 1 << 20) == 0) escaped += puts("lengthened");
        if (mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) != MAP_FAILED) escaped += puts("mapped to be written");
    }
    puts(escaped ? "ESCAPED: the standard input can be changed" : "HELD: 4 tries");
    return escaped != 0;
}
