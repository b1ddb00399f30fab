/* Trials of processes with little: no descriptors, no calls, another root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "look.h"

/* ---- descriptors */

/* glibc loads modules and settings at the first lookup; what is tried comes after it. */
static void without_descriptors(const char *unused)
{
    const struct rlimit three = {3, 3};
    int error, h_error;

    (void)unused;
    load_module();
    look_for_everything();
    CHECK(setrlimit(RLIMIT_NOFILE, &three) == 0 && open("/", O_RDONLY) < 0 && errno == EMFILE);
    CHECK(ask_module(&error, &h_error) == NSS_STATUS_UNAVAIL);
    CHECK(error == EMFILE && h_error == NO_RECOVERY);
    CHECK(look("web1", AF_UNSPEC) < 0 && look("web1", AF_INET6) < 0 && !finds_web1());
    CHECK(close(STDIN_FILENO) == 0);
    look_for_everything();
    CHECK(!is_open(STDIN_FILENO) && is_open(STDOUT_FILENO) && is_open(STDERR_FILENO));
}

static void without_stdio(const char *unused)
{
    (void)unused;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    look_for_everything();
    look_for_everything();
    for (int fd = 0; fd < 64; fd++)
        CHECK(!is_open(fd));
}

/* A program that closes what it does not know, and takes the numbers for files of its own. */
static void closefrom_and_reuse(const char *unused)
{
    (void)unused;
    for (int round = 0; round < 50; round++) {
        const struct descriptors *before;
        look_for_everything();
        closefrom(3);
        for (int fd = 3; fd < 3 + round % 8; fd++) {
            CHECK(memfd_create("own", 0) == fd && write(fd, "own", 3) == 3);
            CHECK(lseek(fd, 1, SEEK_SET) == 1);
        }
        before = descriptors();
        look_for_everything();
        check_descriptors(before);
    }
}

/* ---- seccomp */

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define CALLS_MAX 32

/* From now on: `listed` for these calls, `others` for all others. */
static void install_filter(const long *calls, int count, unsigned listed, unsigned others)
{
    struct sock_filter code[CALLS_MAX + 3] = {NUMBER};
    struct sock_fprog program = {.len = (unsigned short)(count + 3), .filter = code};

    CHECK(count <= CALLS_MAX);
    for (int i = 0; i < count; i++) {
        code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i],
                                                   (unsigned char)(count - i), 0);
    }
    code[count + 1] = (struct sock_filter)RETURN(others);
    code[count + 2] = (struct sock_filter)RETURN(listed);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* What a lookup in /etc/hosts makes, and pread64. */
static const long calls_of_files[] = {
    SYS_openat, SYS_newfstatat, SYS_fstat, SYS_read,   SYS_lseek,      SYS_close,
    SYS_brk,    SYS_mmap,       SYS_munmap, SYS_futex, SYS_exit_group, SYS_pread64,
};
#define CALLS_OF_FILES (int)(sizeof calls_of_files / sizeof *calls_of_files)

/* The module makes no call but these: another one is the end of the process. */
static void only_calls_of_files(const char *unused)
{
    (void)unused;
    load_module();
    CHECK(module_finds_web1());
    install_filter(calls_of_files, CALLS_OF_FILES, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    CHECK(module_finds_web1());
    _exit(0);
}

/* Whole lookups, glibc's attempts to reach further (netlink, sockets for sorting) refused, and so
 * is the module's to ask the service about a pending host. */
static void other_calls_refused(const char *unused)
{
    (void)unused;
    look_for_everything();
    install_filter(calls_of_files, CALLS_OF_FILES, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM);
    look_for_everything();
    CHECK(look("starting", AF_UNSPEC) == EAI_AGAIN && look("starting", AF_INET6) == EAI_AGAIN);
    _exit(0);
}

/* One call of the module itself refused: "not available", and nothing worse. */
static void without(const long *calls, int count, int expected)
{
    int error, h_error;

    load_module();
    look_for_everything();
    install_filter(calls, count, SECCOMP_RET_ERRNO | (unsigned)expected, SECCOMP_RET_ALLOW);
    CHECK(ask_module(&error, &h_error) == NSS_STATUS_UNAVAIL);
    CHECK(error == expected && h_error == NO_RECOVERY);
    CHECK(look("web1", AF_UNSPEC) < 0 && look("web1", AF_INET6) < 0 && !finds_web1());
}

static void without_call(const char *call)
{
    static const long opens[] = {SYS_openat}, stats[] = {SYS_newfstatat, SYS_fstat},
                      reads[] = {SYS_pread64};
    const int error = strchr(call, '!') != NULL ? ENOSYS : EPERM;

    switch (call[0]) {
    case 'o':
        without(opens, 1, error);
        break;
    case 's':
        without(stats, 2, error);
        break;
    default:
        without(reads, 1, error);
    }
}

/* ---- other roots */

/* A program that has looked something up and then confines itself to an empty folder. */
static void chroot_late(const char *folder)
{
    const struct descriptors *before = descriptors();

    look_for_everything();
    CHECK(chroot(folder) == 0 && chdir("/") == 0);
    CHECK(look("web1", AF_UNSPEC) < 0 && look("web1", AF_INET6) < 0 && !finds_web1());
    check_descriptors(before);
}

static void chroot_first(const char *folder)
{
    CHECK(chroot(folder) == 0 && chdir("/") == 0);
    CHECK(look("web1", AF_UNSPEC) < 0 && !finds_web1());
}

static void everything(const char *unused)
{
    const struct descriptors *before = descriptors();

    (void)unused;
    look_for_everything();
    check_descriptors(before);
}

const struct trial limit_trials[] = {{"everything", everything},
                                     {"without-descriptors", without_descriptors},
                                     {"without-stdio", without_stdio},
                                     {"closefrom", closefrom_and_reuse},
                                     {"only-calls-of-files", only_calls_of_files},
                                     {"other-calls-refused", other_calls_refused},
                                     {"without-call", without_call},
                                     {"chroot-late", chroot_late},
                                     {"chroot-first", chroot_first},
                                     {NULL, NULL}};
