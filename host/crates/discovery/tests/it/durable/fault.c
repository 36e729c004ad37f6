/* A disk that fails: loaded by LD_PRELOAD, it lets calls on files below a folder fail.
 *
 * PLUGBAY_FAULT_FOLDER is the folder. PLUGBAY_FAULT names a file beside it with one word:
 *   full       writes fail by ENOSPC, after half of their bytes
 *   write      writes fail by EIO
 *   sync       fsync and fdatasync fail by EIO
 *   read-only  everything that changes a file or a name fails by EROFS
 * Without the file, or with another word, nothing fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum fault { NONE, FULL, WRITE, SYNC, READ_ONLY };

static enum fault fault(void) {
    char word[16] = "";
    const char *control = getenv("PLUGBAY_FAULT");
    if (control == NULL) return NONE;
    int saved = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (syscall(SYS_read, fd, word, sizeof word - 1) < 0) word[0] = 0;
        syscall(SYS_close, fd);
    }
    errno = saved;
    if (strcmp(word, "full") == 0) return FULL;
    if (strcmp(word, "write") == 0) return WRITE;
    if (strcmp(word, "sync") == 0) return SYNC;
    if (strcmp(word, "read-only") == 0) return READ_ONLY;
    return NONE;
}

static int below_folder(const char *path) {
    const char *folder = getenv("PLUGBAY_FAULT_FOLDER");
    return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_hit(int fd) {
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return below_folder(path);
}

/* The bytes that a write may write; -1 if it fails, with errno set. */
static ssize_t admit(int fd, size_t count) {
    enum fault now = fault();
    if (now == NONE || now == SYNC || !is_hit(fd)) return (ssize_t)count;
    if (now == FULL && count > 1) return (ssize_t)(count / 2);
    errno = now == FULL ? ENOSPC : now == WRITE ? EIO : EROFS;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t admitted = admit(fd, count);
    return admitted < 0 ? -1 : REAL(write)(fd, bytes, (size_t)admitted);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    ssize_t admitted = admit(fd, count);
    return admitted < 0 ? -1 : REAL(pwrite)(fd, bytes, (size_t)admitted, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    ssize_t admitted = admit(fd, count);
    return admitted < 0 ? -1 : REAL(pwrite64)(fd, bytes, (size_t)admitted, at);
}

static int sync_fails(int fd) {
    if (fault() != SYNC || !is_hit(fd)) return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) { return sync_fails(fd) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return sync_fails(fd) ? -1 : REAL(fdatasync)(fd); }

static int change_fails(int hit) {
    if (fault() != READ_ONLY || !hit) return 0;
    errno = EROFS;
    return 1;
}

int ftruncate(int fd, off_t length) {
    return change_fails(is_hit(fd)) ? -1 : REAL(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    return change_fails(is_hit(fd)) ? -1 : REAL(ftruncate64)(fd, length);
}

int unlink(const char *path) {
    return change_fails(below_folder(path)) ? -1 : REAL(unlink)(path);
}

static int open_fails(const char *path, int flags) {
    return (flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0 && change_fails(below_folder(path));
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_fails(path, flags) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_fails(path, flags) ? -1 : REAL(open64)(path, flags, mode);
}
