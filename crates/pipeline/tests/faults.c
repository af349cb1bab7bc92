// Fails every n-th call that writes, syncs, renames or reads below a folder. Loaded before libc (LD_PRELOAD) by
// tests/faults.rs, which says by the environment what is to fail.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, RENAMES = 4, READS = 8 };

static atomic_ulong calls, failed;

static unsigned long number(const char *name) {
    const char *value = getenv(name);
    return value ? strtoul(value, NULL, 10) : 0;
}

// Whether a path lies below the folder.
static int is_ours(const char *path) {
    const char *folder = getenv("FAULT_FOLDER");
    size_t len = folder ? strlen(folder) : 0;
    return len > 0 && strncmp(path, folder, len) == 0;
}

static int fails(int kind) {
    if (!(number("FAULT_KINDS") & kind)) return 0;
    unsigned long every = number("FAULT_EVERY");
    if (every == 0 || (atomic_fetch_add(&calls, 1) + 1) % every != 0) return 0;
    atomic_fetch_add(&failed, 1);
    errno = number("FAULT_ERROR");
    return 1;
}

static int fails_on(int fd, int kind) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return is_ours(path) && fails(kind);
}

// How many calls have failed: the test looks for it by name.
unsigned long injected_faults(void) { return atomic_load(&failed); }

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t len) {
    REAL(write);
    return fails_on(fd, WRITES) ? -1 : real(fd, bytes, len);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    return fails_on(fd, WRITES) ? -1 : real(fd, parts, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
    REAL(pwrite);
    return fails_on(fd, WRITES) ? -1 : real(fd, bytes, len, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
    REAL(pwrite64);
    return fails_on(fd, WRITES) ? -1 : real(fd, bytes, len, at);
}
int ftruncate(int fd, off_t len) {
    REAL(ftruncate);
    return fails_on(fd, WRITES) ? -1 : real(fd, len);
}
int ftruncate64(int fd, off64_t len) {
    REAL(ftruncate64);
    return fails_on(fd, WRITES) ? -1 : real(fd, len);
}
int fsync(int fd) {
    REAL(fsync);
    return fails_on(fd, SYNCS) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return fails_on(fd, SYNCS) ? -1 : real(fd);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    return is_ours(to) && fails(RENAMES) ? -1 : real(from, to);
}
ssize_t read(int fd, void *bytes, size_t len) {
    REAL(read);
    return fails_on(fd, READS) ? -1 : real(fd, bytes, len);
}
ssize_t pread(int fd, void *bytes, size_t len, off_t at) {
    REAL(pread);
    return fails_on(fd, READS) ? -1 : real(fd, bytes, len, at);
}
ssize_t pread64(int fd, void *bytes, size_t len, off64_t at) {
    REAL(pread64);
    return fails_on(fd, READS) ? -1 : real(fd, bytes, len, at);
}
