/* A plugin in C, written against the ABI by hand. Each codec misbehaves in its own way. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

typedef struct { const uint8_t *ptr; size_t len; } bytes;
typedef struct { bytes key, value; } pair;
typedef struct { const pair *ptr; size_t len; } pairs;
typedef struct { const bytes *ptr; size_t len; } texts;
typedef struct {
    uint8_t *ptr;
    size_t len, cap;
    void (*free)(uint8_t *, size_t, size_t);
} buf;
typedef struct { bytes method, path, query; pairs params, headers; bytes body; } request;
typedef struct {
    uint16_t status;
    pairs headers;
    bytes body;
    void *owner;
    void (*free)(void *);
} response;
typedef struct {
    uint32_t size, version;
    void (*log)(const void *, uint32_t, bytes, pairs);
    bool (*log_enabled)(const void *, uint32_t);
    void (*metric_add)(const void *, bytes, uint64_t);
    void (*metric_set)(const void *, bytes, double);
    void (*codecs)(const void *, void (*)(void *, bytes, texts), void *);
    uint32_t (*encode)(const void *, bytes, bytes, buf *);
    uint32_t (*decode)(const void *, bytes, bytes, buf *);
} host_vtable;
typedef struct { const void *ctx; const host_vtable *vtable; } host;
typedef struct { bytes name; const void *table; } kind;
typedef struct {
    uint32_t size, version;
    uint32_t (*describe)(host, buf *);
    uint32_t (*create)(host, bytes, void **, buf *);
    uint32_t (*health)(void *, host, buf *);
    void (*shutdown)(void *, host);
    void (*destroy)(void *, host);
    struct { const kind *ptr; size_t len; } kinds;
} vtable;
typedef struct {
    uint32_t size, version;
    uint32_t (*encode)(void *, host, uint32_t, bytes, buf *);
    uint32_t (*decode)(void *, host, uint32_t, bytes, buf *);
} codec_table;
typedef struct {
    uint32_t size, version;
    uint32_t (*handle)(void *, host, uint32_t, const request *, response *, buf *);
} handler_table;

enum { OK, INVALID_INPUT, UNSUPPORTED, UNAVAILABLE, INTERNAL, PANICKED };

#define TEXT(text) ((bytes){(const uint8_t *)(text), strlen(text)})

static void free_buf(uint8_t *ptr, size_t len, size_t cap) {
    (void)len, (void)cap;
    free(ptr);
}

static uint32_t say(buf *out, uint32_t status, const void *from, size_t len) {
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, from, len);
    *out = (buf){copy, len, len, free_buf};
    return status;
}

static uint32_t text(buf *out, uint32_t status, const char *from) {
    return say(out, status, from, strlen(from));
}

/* Takes memory until there is none, or `limit` bytes are taken, and touches all of it. */
static size_t hog(size_t limit) {
    const size_t step = 1 << 20;
    size_t taken = 0;
    while (taken < limit) {
        char *more = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED) break;
        memset(more, 1, step);
        taken += step;
    }
    return taken;
}

/* Takes this many MiB, and never returns. */
static void hold(size_t mib) {
    hog(mib << 20);
    for (;;) pause();
}

/* The error of a system call in the constructor, which runs when the library is loaded. */
static int constructor_socket;

__attribute__((constructor)) static void constructed(void) {
    errno = 0;
    constructor_socket = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
#ifdef CONSTRUCTOR_CRASHES
    *(volatile int *)8 = 1;
#endif
#ifdef CONSTRUCTOR_HOLDS
    hold(CONSTRUCTOR_HOLDS);
#endif
#ifdef MISSING
    extern int missing_symbol(void);
    constructor_socket = missing_symbol();
#endif
}

static uint32_t describe(host host, buf *out) {
    (void)host;
#ifdef DESCRIBE_HOLDS
    hold(DESCRIBE_HOLDS);
#endif
#ifdef DESCRIBE_PRINTS
    puts("printed by describe");
    fflush(stdout);
#endif
    return text(out, OK,
        "{\"name\":\"hostile\",\"version\":\"1.0.0\",\"capabilities\":["
        "{\"kind\":\"codec\",\"name\":\"echo\"},"
        "{\"kind\":\"handler\",\"name\":\"hand\"}]}");
}

static const char *life = "alive";
static bool stays;

static uint32_t create(host host, bytes config, void **instance, buf *out) {
    if (memmem(config.ptr, config.len, "refuse", 6)) return text(out, INVALID_INPUT, "refused");
    if (memmem(config.ptr, config.len, "hang", 4)) for (;;) pause();
    if (memmem(config.ptr, config.len, "crash", 5)) abort();
    stays = memmem(config.ptr, config.len, "stay", 4);
    static int created;
    if (created++ && memmem(config.ptr, config.len, "once", 4)) {
        return text(out, UNAVAILABLE, "only once");
    }
    const char *gate = getenv("GATE");
    while (gate && access(gate, F_OK) == 0) usleep(1000);
    host.vtable->log(host.ctx, 2, TEXT("created"), (pairs){NULL, 0});
    *instance = &life;
    return text(out, OK, "");
}

static uint32_t health(void *instance, host host, buf *out) {
    (void)instance, (void)host;
    const char *gate = getenv("HEALTH_GATE");
    while (gate && access(gate, F_OK) == 0) usleep(1000);
    return text(out, OK, "");
}

static void *in_a_thread(void *arg) {
    *(int *)arg = 7;
    return NULL;
}

/* The name of each thing that should fail, and how it did. */
static uint32_t forbidden(buf *out) {
    static char report[8192];
    size_t at = 0;
#define TRY(name, call)                                                                      \
    do {                                                                                     \
        errno = 0;                                                                           \
        long result = (long)(call);                                                          \
        at += (size_t)snprintf(report + at, sizeof report - at, "%s=%s\n", name,             \
                               result >= 0 ? "allowed" : strerrorname_np(errno));            \
    } while (0)
    char *const none[] = {NULL};
    TRY("execve", execve("/bin/true", none, none));
    TRY("inet", socket(AF_INET, SOCK_STREAM, 0));
    TRY("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    TRY("pair", socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0}));
    TRY("fork", fork());
    TRY("vfork", syscall(SYS_vfork));
    TRY("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY("kill-host", kill(getppid(), 0));
    TRY("write", open("/tmp/plugbay-hostile", O_WRONLY | O_CREAT, 0600));
    TRY("write-null", open("/dev/null", O_RDWR));
#ifdef __x86_64__
    TRY("x32", syscall(0x40000000L + SYS_socket, AF_INET, SOCK_STREAM, 0));
#endif
    TRY("clone", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    TRY("clone3", syscall(SYS_clone3, NULL, 0));
    TRY("read", open("/etc/passwd", O_RDONLY));
    TRY("read-host", open("/proc/1/environ", O_RDONLY));
    TRY("unlink", unlink("/tmp/plugbay-hostile"));
    TRY("unshare", syscall(SYS_unshare, 0));
    TRY("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    TRY("chroot", chroot("/"));
    TRY("rlimit", setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
    void *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY("hole", madvise(own, 4096, MADV_REMOVE));
    struct iovec all = {own, 4096};
    TRY("hole-else", syscall(440, -10000, &all, 1, MADV_REMOVE, 0));
    TRY("fallocate", syscall(SYS_fallocate, 0, 0, 0, 4096));
    TRY("filter", syscall(SYS_seccomp, 2, 0, &(uint32_t){0}));

    /* The scheduling of the host. */
    pid_t host = getppid();
    TRY("nice-host", setpriority(PRIO_PROCESS, (id_t)host, 1));
    TRY("nice-user", setpriority(PRIO_USER, 0, 1));
    TRY("affinity-host", sched_setaffinity(host, sizeof(cpu_set_t), &(cpu_set_t){{1}}));
    TRY("scheduler-host", sched_setscheduler(host, SCHED_IDLE, &(struct sched_param){0}));
    TRY("param-host", sched_setparam(host, &(struct sched_param){0}));
    TRY("attr-host", syscall(SYS_sched_setattr, host, NULL, 0));
    TRY("io-host", syscall(SYS_ioprio_set, 1, host, 3 << 13));
    TRY("move-host", syscall(SYS_move_pages, host, 0, NULL, NULL, NULL, 0));
    TRY("migrate-host", syscall(SYS_migrate_pages, host, 0, NULL, NULL));
    TRY("core-host", prctl(PR_SCHED_CORE, 2, host, 0, 0));
    TRY("nice-self", setpriority(PRIO_PROCESS, 0, 0));

    /* Signals to the host from a file that changes. */
    int ends[2];
    (void)!pipe(ends);
    TRY("owner", fcntl(ends[0], F_SETOWN, host));
    TRY("owner-ex", fcntl(ends[0], F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, host}));
    TRY("signal", fcntl(ends[0], F_SETSIG, SIGKILL));
    TRY("owner-io", ioctl(ends[0], FIOSETOWN, &host));
    TRY("group-io", ioctl(ends[0], SIOCSPGRP, &host));
    TRY("lease", fcntl(0, F_SETLEASE, F_RDLCK));
    TRY("notify", fcntl(0, F_NOTIFY, DN_MODIFY));
    TRY("outlive", prctl(PR_SET_PDEATHSIG, 0));

    /* Changes of files through descriptors that are open for reading. */
    int file = open("/etc/ld.so.cache", O_RDONLY);
    struct timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    TRY("fchmod", fchmod(file, 0644));
    TRY("fchmodat2", syscall(452, AT_FDCWD, "/etc/ld.so.cache", 0644, 0));
    TRY("fchown", fchown(file, (uid_t)-1, (gid_t)-1));
    TRY("fsetxattr", fsetxattr(file, "user.x", "1", 1, XATTR_REPLACE));
    TRY("lsetxattr", lsetxattr("/etc/ld.so.cache", "user.x", "1", 1, XATTR_REPLACE));
    TRY("setxattrat", syscall(463, AT_FDCWD, "/etc/ld.so.cache", 0, "user.x", NULL, 0));
    TRY("fremovexattr", fremovexattr(file, "user.x"));
    TRY("lremovexattr", lremovexattr("/etc/ld.so.cache", "user.x"));
    TRY("removexattrat", syscall(466, AT_FDCWD, "/etc/ld.so.cache", 0, "user.x"));
    TRY("file_setattr", syscall(469, AT_FDCWD, "/etc/ld.so.cache", NULL, 0, 0));
    TRY("times", futimens(file, times));
    TRY("flags", ioctl(file, 0x40086602, &(long){0}));
    TRY("cut", open("/tmp/plugbay-hostile", O_RDONLY | O_TRUNC));

    /* Memory that no limit sees. */
    TRY("shm", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    TRY("messages", msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    TRY("semaphores", semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
    TRY("queue", syscall(SYS_mq_open, "plugbay", O_RDWR | O_CREAT, 0600, NULL));
    TRY("memfd", syscall(SYS_memfd_create, "x", 0));
    TRY("shared", (long)mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    TRY("watches", syscall(SYS_inotify_init1, 0));
    pthread_t thread;
    int seen = 0;
    TRY("thread", pthread_create(&thread, NULL, in_a_thread, &seen) ? -1 : 0);
    pthread_join(thread, NULL);
    TRY("kill-self", kill(getpid(), 0));
    at += (size_t)snprintf(report + at, sizeof report - at, "seen=%d\nconstructor=%s\n", seen,
                           constructor_socket ? strerrorname_np(constructor_socket) : "allowed");
    return text(out, OK, report);
}

static struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Uses what may be granted: `input` is a verb and its object. Says "done", or how it failed. */
static uint32_t use(bytes input, buf *out) {
    static char line[4096], found[4096];
    size_t len = input.len < sizeof line ? input.len : sizeof line - 1;
    memcpy(line, input.ptr, len);
    line[len] = 0;
    char *object = strchr(line, ' ');
    if (!object) return text(out, INVALID_INPUT, "use what?");
    *object++ = 0;
    long result = -1;
    errno = 0;
    if (strcmp(line, "variable") == 0) {
        const char *value = getenv(object);
        return text(out, OK, value ? value : "unset");
    } else if (strcmp(line, "read") == 0) {
        int fd = open(object, O_RDONLY);
        if (fd >= 0 && (result = read(fd, found, sizeof found)) >= 0) {
            close(fd);
            return say(out, OK, found, (size_t)result);
        }
    } else if (strcmp(line, "stat") == 0) {
        struct stat of;
        result = stat(object, &of);
        if (result == 0) {
            int len = snprintf(found, sizeof found, "%lld bytes", (long long)of.st_size);
            return say(out, OK, found, (size_t)len);
        }
    } else if (strcmp(line, "list") == 0) {
        DIR *folder = opendir(object);
        result = folder ? 0 : -1;
        if (folder) closedir(folder);
    } else if (strcmp(line, "write") == 0) {
        int fd = open(object, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        result = fd < 0 ? -1 : write(fd, "written", 7);
        if (fd >= 0) close(fd);
    } else if (strcmp(line, "cut") == 0) {
        result = open(object, O_RDONLY | O_TRUNC);
    } else if (strcmp(line, "folder") == 0) {
        result = mkdir(object, 0700);
    } else if (strcmp(line, "unlink") == 0) {
        result = unlink(object);
    } else if (strcmp(line, "rename") == 0) {
        snprintf(found, sizeof found, "%s.new", object);
        result = rename(object, found);
    } else if (strcmp(line, "symlink") == 0) {
        result = symlink("/etc/passwd", object);
    } else if (strcmp(line, "tcp") == 0 || strcmp(line, "fast") == 0) {
        struct sockaddr_in to = loopback(object);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        result = fd < 0 ? -1
                 : *line == 't' ? connect(fd, (struct sockaddr *)&to, sizeof to)
                                : sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to);
        if (fd >= 0) close(fd);
    } else if (strcmp(line, "udp") == 0) {
        struct sockaddr_in to = loopback(object);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        result = fd < 0 ? -1 : sendto(fd, "datagram", 8, 0, (struct sockaddr *)&to, sizeof to);
        if (fd >= 0) close(fd);
    } else if (strcmp(line, "listen") == 0) {
        struct sockaddr_in at = loopback("0");
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        result = bind(fd, (struct sockaddr *)&at, sizeof at) && listen(fd, 1) ? -1 : 0;
        if (fd >= 0) close(fd);
    } else if (strcmp(line, "socket") == 0) {
        int family, type, protocol;
        sscanf(object, "%d %d %d", &family, &type, &protocol);
        result = socket(family, type, protocol);
    } else if (strcmp(line, "name") == 0) {
        struct addrinfo *found = NULL;
        int failed = getaddrinfo(object, NULL, NULL, &found);
        if (found) freeaddrinfo(found);
        return text(out, OK, failed ? gai_strerror(failed) : "done");
    } else if (strcmp(line, "memory") == 0) {
        result = syscall(SYS_memfd_create, object, 0);
    }
    return text(out, OK, result >= 0 ? "done" : strerrorname_np(errno));
}

/* The environment, the folder, and the kind of every open descriptor. */
static uint32_t look(buf *out) {
    extern char **environ;
    static char report[8192];
    size_t at = 0;
    char folder[256] = "?";
    if (syscall(SYS_getcwd, folder, sizeof folder) < 0) folder[0] = '!';
    int variables = 0;
    while (environ && environ[variables]) variables++;
    at += (size_t)snprintf(report, sizeof report, "env=%d\ncwd=%s\n", variables, folder);
    for (int fd = 0; fd < 1024; fd++) {
        int type;
        socklen_t size = sizeof type;
        if (fcntl(fd, F_GETFD) < 0) continue;
        bool socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
        at += (size_t)snprintf(report + at, sizeof report - at, "fd=%s\n",
                               socket ? "socket" : fd < 3 ? "standard" : "other");
    }
    char byte;
    at += (size_t)snprintf(report + at, sizeof report - at, "stdin=%ld\n", (long)read(0, &byte, 1));
    return text(out, OK, report);
}

struct list { char text[1024]; size_t at; };

static void visit(void *arg, bytes name, texts media_types) {
    struct list *list = arg;
    list->at += (size_t)snprintf(list->text + list->at, sizeof list->text - list->at, "%.*s:%zu ",
                                 (int)name.len, name.ptr, media_types.len);
}

static bool starts(bytes input, const char *word) {
    return input.len >= strlen(word) && memcmp(input.ptr, word, strlen(word)) == 0;
}

static void *for_ever(void *nothing) {
    for (;;) pause();
    return nothing;
}

static void deaf(int signal) {
    (void)signal;
    for (;;) pause();
}

/* `decode` does what its input says. */
static uint32_t decode(void *instance, host host, uint32_t index, bytes input, buf *out) {
    (void)instance, (void)index;
    if (starts(input, "nested ")) {
        return host.vtable->decode(host.ctx, TEXT("other"), (bytes){input.ptr + 7, input.len - 7}, out);
    }
    if (starts(input, "codecs")) {
        struct list list = {.at = 0};
        host.vtable->codecs(host.ctx, visit, &list);
        return say(out, OK, list.text, list.at);
    }
    if (starts(input, "log")) {
        pair field = {TEXT("key"), TEXT("value")};
        bool enabled = host.vtable->log_enabled(host.ctx, 2);
        host.vtable->log(host.ctx, 2, TEXT("a line of C"), (pairs){&field, 1});
        host.vtable->metric_add(host.ctx, TEXT("lines"), 3);
        host.vtable->metric_set(host.ctx, TEXT("level"), 0.5);
        puts("printed by C");
        fflush(stdout);
        return text(out, OK, enabled ? "enabled" : "disabled");
    }
    if (starts(input, "flood ")) {
        long lines = strtol((const char *)input.ptr + 6, NULL, 10);
        for (long i = 0; i < lines; i++) {
            host.vtable->log(host.ctx, 2, TEXT("one of many"), (pairs){NULL, 0});
        }
        printf("after the flood: status %u\n",
               host.vtable->decode(host.ctx, TEXT("other"), TEXT("abc"), out));
        fflush(stdout);
        return OK;
    }
    if (starts(input, "print ")) {
        for (long i = strtol((const char *)input.ptr + 6, NULL, 10); i > 0; i--) puts("spam");
        fflush(stdout);
    }
    if (starts(input, "invalid")) return text(out, INVALID_INPUT, "not that");
    if (starts(input, "panic")) return text(out, PANICKED, "panicked: oh");
    if (starts(input, "segv")) *(volatile int *)8 = 1;
    if (starts(input, "abort")) abort();
    if (starts(input, "starve")) {
        fputs("memory allocation of 99 bytes failed\n", stderr);
        abort();
    }
    if (starts(input, "exit")) exit(3);
    if (starts(input, "hang")) {
        host.vtable->log(host.ctx, 2, TEXT("hangs"), (pairs){NULL, 0});
        for (;;) pause();
    }
    if (starts(input, "meet")) {
        /* Returns once two calls have arrived. */
        static atomic_int here;
        here++;
        while (here < 2) usleep(1000);
        puts("both are here");
        fflush(stdout);
    }
    if (starts(input, "say ")) {
        printf("%.*s\n", (int)input.len - 4, (const char *)input.ptr + 4);
        fflush(stdout);
        return host.vtable->decode(host.ctx, TEXT("other"), TEXT("wait"), out);
    }
    if (starts(input, "threads ")) {
        pthread_attr_t small;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 64 << 10);
        pthread_t thread;
        for (long i = strtol((const char *)input.ptr + 8, NULL, 10); i > 0; i--) {
            pthread_create(&thread, &small, for_ever, NULL);
        }
        for (;;) pause();
    }
    if (starts(input, "fork")) {
        pid_t child = fork();
        if (child == 0) for (;;) pause();
        char number[16];
        snprintf(number, sizeof number, "%d", child);
        return text(out, OK, number);
    }
    if (starts(input, "leave")) {
        /* Tries to join the host's own process group. */
        int left = setpgid(0, getpgid(getppid()));
        return text(out, OK, left ? strerrorname_np(errno) : "left");
    }
    if (starts(input, "deafen")) {
        /* Sends every other thread a signal whose handler never returns. */
        signal(SIGUSR1, deaf);
        pid_t self = getpid(), this = (pid_t)syscall(SYS_gettid);
        for (pid_t thread = self; thread < self + 200; thread++) {
            if (thread != this) syscall(SYS_tgkill, self, thread, SIGUSR1);
        }
        return text(out, OK, "deaf");
    }
    if (starts(input, "slow")) usleep(300000);
    if (starts(input, "compute")) {
        const clock_t begun = clock();
        while (clock() - begun < CLOCKS_PER_SEC / 5) {}
    }
    if (starts(input, "hog")) {
        size_t taken = hog(SIZE_MAX);
        char message[64];
        snprintf(message, sizeof message, "out of memory at %zu MiB", taken >> 20);
        return text(out, INTERNAL, message);
    }
    if (starts(input, "hold ")) {
        hold(strtoull((const char *)input.ptr + 5, NULL, 10));
    }
    if (starts(input, "big ")) {
        size_t size = strtoull((const char *)input.ptr + 4, NULL, 10);
        *out = (buf){calloc(size, 1), size, size, free_buf};
        return OK;
    }
    if (starts(input, "garbage")) {
        char noise[64];
        memset(noise, 0xff, sizeof noise);
        for (int fd = 3; fd < 64; fd++) (void)!write(fd, noise, sizeof noise);
        for (;;) pause();
    }
    if (starts(input, "close")) {
        for (int fd = 3; fd < 64; fd++) close(fd);
        for (;;) pause();
    }
    if (starts(input, "forbidden")) return forbidden(out);
    if (starts(input, "look")) return look(out);
    if (starts(input, "use ")) return use((bytes){input.ptr + 4, input.len - 4}, out);
    return say(out, OK, input.ptr, input.len);
}

static uint32_t encode(void *instance, host host, uint32_t index, bytes input, buf *out) {
    (void)instance, (void)host, (void)index;
    return say(out, OK, input.ptr, input.len);
}

static void free_owner(void *owner) {
    free(owner);
}

/* Answers with the request's method, path, query and first header, and its body. */
static uint32_t handle(void *instance, host host, uint32_t index, const request *request,
                       response *response, buf *error) {
    (void)instance, (void)host, (void)index;
    static const pair header = {{(const uint8_t *)"x-c", 3}, {(const uint8_t *)"yes", 3}};
    if (request->path.len > 5 && memcmp(request->path.ptr, "/hang", 5) == 0) for (;;) pause();
    if (request->path.len > 5 && memcmp(request->path.ptr, "/slow", 5) == 0) usleep(200000);
    if (request->path.len > 5 && memcmp(request->path.ptr, "/fail", 5) == 0) {
        return text(error, UNSUPPORTED, "failed as asked");
    }
    char *body = malloc(4096 + request->body.len);
    int len = sprintf(body, "%.*s %.*s %.*s %zu %zu ", (int)request->method.len, request->method.ptr,
                      (int)request->path.len, request->path.ptr, (int)request->query.len,
                      request->query.ptr, request->params.len, request->headers.len);
    memcpy(body + len, request->body.ptr, request->body.len);
    response->status = 201;
    response->headers = (pairs){&header, 1};
    response->body = (bytes){(uint8_t *)body, (size_t)len + request->body.len};
    response->owner = body;
    response->free = free_owner;
    return OK;
}

static void shutdown_(void *instance, host host) {
    (void)instance;
    host.vtable->log(host.ctx, 2, TEXT("the last call"), (pairs){NULL, 0});
    if (stays) for (;;) pause();
}

static void destroy(void *instance, host host) {
    (void)instance, (void)host;
}

#ifdef NO_ENTRY
#define plugbay_entry_v2 another_name
#endif
#ifndef VERSION
#define VERSION 2
#endif

const vtable *plugbay_entry_v2(void) {
#ifdef NULL_ENTRY
    return NULL;
#endif
    static const codec_table codec = {sizeof(codec_table), 1, encode, decode};
    static const handler_table handler = {sizeof(handler_table), 1, handle};
    static const kind kinds[] = {
        {{(const uint8_t *)"codec", 5}, &codec},
        {{(const uint8_t *)"handler", 7}, &handler},
    };
    static const vtable table = {
        sizeof(vtable), VERSION, describe, create, health, shutdown_, destroy, {kinds, 2},
    };
    return &table;
}
