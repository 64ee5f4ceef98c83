/* Fails, shortens or interrupts the n-th call on files below a folder: see tools/faults.py.

   FAULT_BELOW   the folder; other files are left alone
   FAULT_CALLS   such as write,fsync,rename; the count goes over all of them together
   FAULT_AT      number of the call, from 1; 0 only counts
   FAULT_DO      an errno such as 5, "short", or a signal such as "SIG9"
   FAULT_STICKY  1: all later calls of these kinds fail, too
   FAULT_COUNT   file that takes a byte a call, and says what was hit
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PASS, FAIL, SHORTER };

static atomic_long count;
static const char *below, *calls, *what, *log_path;
static long at;
static int sticky;

__attribute__((constructor)) static void begin(void) {
    below = getenv("FAULT_BELOW");
    calls = getenv("FAULT_CALLS");
    what = getenv("FAULT_DO");
    log_path = getenv("FAULT_COUNT");
    at = atol(getenv("FAULT_AT") ? getenv("FAULT_AT") : "0");
    sticky = getenv("FAULT_STICKY") != NULL;
}

static void note(const char *name, const char *path) {
    char line[PATH_MAX + 100];
    int fd, size;
    if (!log_path) return;
    fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    size = snprintf(line, sizeof line, "%s %s\n", name, path);
    if (size > 0) syscall(SYS_write, fd, line, (size_t)size);
    syscall(SYS_close, fd);
}

static int is_asked(const char *name) {
    const char *found;
    size_t size = strlen(name);
    if (!below || !calls) return 0;
    for (found = strstr(calls, name); found; found = strstr(found + 1, name))
        if ((found == calls || found[-1] == ',') && (!found[size] || found[size] == ',')) return 1;
    return 0;
}

static int decide(const char *name, const char *path) {
    long number;
    if (strncmp(path, below, strlen(below))) return PASS;
    number = atomic_fetch_add(&count, 1) + 1;
    if (!at) note(name, path);
    if (!at || number < at || (number > at && !sticky)) return PASS;
    if (number == at) note(name, path);
    if (!strncmp(what, "SIG", 3)) {
        kill(getpid(), atoi(what + 3));
        return PASS;
    }
    if (!strcmp(what, "short")) return SHORTER;
    errno = atoi(what);
    return FAIL;
}

static int decide_fd(const char *name, int fd) {
    char link[64], path[PATH_MAX];
    struct stat found;
    ssize_t size;
    if (!is_asked(name)) return PASS;
    if (fstat(fd, &found) || !(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode) || S_ISBLK(found.st_mode))) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (size < 0) return PASS;
    path[size] = 0;
    return decide(name, path);
}

static int decide_path(const char *name, int dir, const char *path) {
    char whole[PATH_MAX * 2], link[64], folder[PATH_MAX];
    ssize_t size;
    if (!is_asked(name)) return PASS;
    if (path[0] == '/') return decide(name, path);
    snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
    size = syscall(SYS_readlink, link, folder, sizeof folder - 1);
    if (size < 0) return PASS;
    folder[size] = 0;
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    return decide(name, whole);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define HALF(size) ((size) > 1 ? (size) / 2 : (size))
#define DATA(kind, fd, size) \
    switch (decide_fd(kind, fd)) { case FAIL: return -1; case SHORTER: size = HALF(size); }

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write); DATA("write", fd, size); return real(fd, data, size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t off) {
    REAL(pwrite64); DATA("write", fd, size); return real(fd, data, size, off);
}
ssize_t read(int fd, void *data, size_t size) {
    REAL(read); DATA("read", fd, size); return real(fd, data, size);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t off) {
    REAL(pread64); DATA("read", fd, size); return real(fd, data, size, off);
}
static void halve(const struct iovec *from, int *count, struct iovec *to) {
    memcpy(to, from, sizeof *to * (size_t)*count);
    if (*count > 1) *count = *count / 2; else to[0].iov_len = HALF(to[0].iov_len);
}
ssize_t pwritev64v2(int fd, const struct iovec *data, int n, off64_t off, int flags) {
    REAL(pwritev64v2); struct iovec cut[1024];
    switch (decide_fd("write", fd)) {
    case FAIL: return -1;
    case SHORTER: if (n > 1024) n = 1024; halve(data, &n, cut); data = cut;
    }
    return real(fd, data, n, off, flags);
}
ssize_t preadv64v2(int fd, const struct iovec *data, int n, off64_t off, int flags) {
    REAL(preadv64v2); struct iovec cut[1024];
    switch (decide_fd("read", fd)) {
    case FAIL: return -1;
    case SHORTER: if (n > 1024) n = 1024; halve(data, &n, cut); data = cut;
    }
    return real(fd, data, n, off, flags);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    REAL(copy_file_range); DATA("copy", out, size); return real(in, from, out, to, size, flags);
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t size) {
    REAL(sendfile64); DATA("copy", out, size); return real(out, in, from, size);
}
#define ON_FD(kind) if (decide_fd(kind, fd) == FAIL) return -1
int fsync(int fd) { REAL(fsync); ON_FD("fsync"); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); ON_FD("fsync"); return real(fd); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); ON_FD("truncate"); return real(fd, size); }
int fallocate64(int fd, int mode, off64_t off, off64_t size) {
    REAL(fallocate64); ON_FD("allocate"); return real(fd, mode, off, size);
}
int posix_fallocate64(int fd, off64_t off, off64_t size) {
    REAL(posix_fallocate64);
    if (decide_fd("allocate", fd) == FAIL) return errno;
    return real(fd, off, size);
}
int flock(int fd, int mode) { REAL(flock); ON_FD("flock"); return real(fd, mode); }
int fchmod(int fd, mode_t mode) { REAL(fchmod); ON_FD("meta"); return real(fd, mode); }
int futimens(int fd, const struct timespec *times) { REAL(futimens); ON_FD("meta"); return real(fd, times); }
#define ON_PATH(kind, dir, path) if (decide_path(kind, dir, path) == FAIL) return -1
int rename(const char *a, const char *b) { REAL(rename); ON_PATH("rename", AT_FDCWD, b); return real(a, b); }
int renameat(int c, const char *a, int d, const char *b) {
    REAL(renameat); ON_PATH("rename", d, b); return real(c, a, d, b);
}
int linkat(int c, const char *a, int d, const char *b, int flags) {
    REAL(linkat); ON_PATH("link", d, b); return real(c, a, d, b, flags);
}
int link(const char *a, const char *b) { REAL(link); ON_PATH("link", AT_FDCWD, b); return real(a, b); }
int symlink(const char *a, const char *b) { REAL(symlink); ON_PATH("link", AT_FDCWD, b); return real(a, b); }
int unlink(const char *a) { REAL(unlink); ON_PATH("unlink", AT_FDCWD, a); return real(a); }
int unlinkat(int d, const char *a, int flags) { REAL(unlinkat); ON_PATH("unlink", d, a); return real(d, a, flags); }
int mkdir(const char *a, mode_t mode) { REAL(mkdir); ON_PATH("mkdir", AT_FDCWD, a); return real(a, mode); }
int truncate64(const char *a, off64_t size) { REAL(truncate64); ON_PATH("truncate", AT_FDCWD, a); return real(a, size); }
int chmod(const char *a, mode_t mode) { REAL(chmod); ON_PATH("meta", AT_FDCWD, a); return real(a, mode); }
int utimensat(int d, const char *a, const struct timespec times[2], int flags) {
    REAL(utimensat);
    if (a ? decide_path("meta", d, a) == FAIL : decide_fd("meta", d) == FAIL) return -1;
    return real(d, a, times, flags);
}
int open64(const char *path, int flags, ...) {
    REAL(open64); mode_t mode = 0; va_list rest;
    va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest);
    ON_PATH(flags & (O_WRONLY | O_RDWR) ? "create" : "open", AT_FDCWD, path);
    return real(path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...) {
    REAL(openat64); mode_t mode = 0; va_list rest;
    va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest);
    ON_PATH(flags & (O_WRONLY | O_RDWR) ? "create" : "open", dir, path);
    return real(dir, path, flags, mode);
}
