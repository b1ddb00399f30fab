/* Trials of what else may happen while a thread looks a name up: forks, cancellation, signals,
 * small stacks, the module opened and closed by the program itself. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "look.h"

#define THREADS 4

static atomic_bool over;

static pthread_t start(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, function, argument) == 0);
    return thread;
}

static void *keep_looking(void *unused)
{
    while (!over)
        look_for_everything();
    return unused;
}

/* ---- forks */

/* Children use the module itself: glibc's own locks are not made for a fork among threads. */
static void child(int number)
{
    const struct descriptors *before;

    if (number % 2 == 0) {
        execl("/proc/self/exe", "hostile", "inherited", NULL);
        _exit(1);
    }
    before = descriptors();
    for (int i = 0; i < 20; i++)
        CHECK(module_finds_web1());
    check_descriptors(before);
    _exit(0);
}

static void *keep_forking(void *unused)
{
    for (int i = 0; i < 60; i++) {
        const pid_t pid = fork();
        int status;
        CHECK(pid >= 0);
        if (pid == 0)
            child(i);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        CHECK(module_finds_web1());
    }
    return unused;
}

static void forks(const char *unused)
{
    pthread_t looking[THREADS], forking[THREADS];

    (void)unused;
    load_module();
    look_for_everything();
    for (int i = 0; i < THREADS; i++)
        looking[i] = start(keep_looking, NULL);
    for (int i = 0; i < THREADS; i++)
        forking[i] = start(keep_forking, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(forking[i], NULL);
    over = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(looking[i], NULL);
}

/* Only what a program is always given is open after exec, whatever other threads were at. */
static void inherited(const char *unused)
{
    (void)unused;
    for (int fd = 3; fd < 1024; fd++)
        CHECK(!is_open(fd));
}

/* ---- cancellation */

static const char *asked; /* what: the module, gethostbyname2_r or getaddrinfo */
static atomic_long looks;

static bool look_once(void)
{
    switch (asked[0]) {
    case 'm':
        return module_finds_web1();
    case 'g':
        return finds_web1();
    default:
        return look("web1", AF_INET) == 1;
    }
}

static void *look_until_cancelled(void *ready)
{
    for (;;) {
        CHECK(look_once());
        looks++;
        atomic_store((atomic_bool *)ready, true);
        pthread_testcancel();
    }
}

/* Cancels after a lookup or two, each time a little later. */
static void cancel_one(int number)
{
    const struct timespec later = {0, number % 97 * 500L};
    atomic_bool ready = false;
    const pthread_t thread = start(look_until_cancelled, &ready);
    void *result;

    while (!ready)
        sched_yield();
    nanosleep(&later, NULL);
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
}

static void check_cancel_state_is_kept(int state)
{
    int former;

    pthread_setcancelstate(state, NULL);
    CHECK(module_finds_web1());
    look_for_everything();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &former);
    CHECK(former == state);
}

static void cancels(const char *what)
{
    const struct descriptors *before;

    asked = what;
    load_module();
    check_cancel_state_is_kept(PTHREAD_CANCEL_ENABLE);
    check_cancel_state_is_kept(PTHREAD_CANCEL_DISABLE);
    before = descriptors();
    for (int i = 0; i < 250; i++)
        cancel_one(i);
    CHECK(looks > 250);
    if (what[0] != 'm')
        close_sockets(); /* that to nscd: glibc 2.36 leaves it open when cancelled in connect() */
    check_descriptors(before);
    look_for_everything();
}

/* ---- signals */

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* Looks names up while SIGVTALRM comes every `microseconds`, until it has come so often. */
static void look_under_signals(long microseconds, int often)
{
    const struct itimerspec each = {{0, microseconds * 1000}, {0, microseconds * 1000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    timer_t timer;

    signals = 0;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &each, NULL) == 0);
    while (signals < often)
        look_for_everything();
    CHECK(timer_delete(timer) == 0);
}

static void signalled(const char *flags)
{
    const struct sigaction action = {
        .sa_handler = count_signal, .sa_flags = strcmp(flags, "restart") == 0 ? SA_RESTART : 0};

    CHECK(sigaction(SIGVTALRM, &action, NULL) == 0);
    look_under_signals(10000, 50);
    look_under_signals(100, 2000);
}

/* ---- stacks */

static void *look_on_a_small_stack(void *unused)
{
    for (int i = 0; i < 100; i++)
        CHECK(module_finds_web1() && finds_web1());
    return unused;
}

/* In threads with no more stack than there must be. */
static void stacks(const char *unused)
{
    pthread_t threads[THREADS];
    pthread_attr_t attributes;

    (void)unused;
    load_module();
    look_for_everything();
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 16384) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(threads + i, &attributes, look_on_a_small_stack, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- dlclose */

static void open_and_close(void)
{
    for (int i = 0; i < 500; i++) {
        void *module = dlopen("libnss_pyvirt.so.2", i % 2 ? RTLD_NOW : RTLD_LAZY);
        CHECK(module != NULL);
        load_module(); /* another reference to the same */
        CHECK(module_finds_web1());
        CHECK(dlclose(module) == 0 && dlclose(module) == 0);
        CHECK(module_finds_web1()); /* NODELETE: it is still there */
    }
}

/* Alone, and then while others look names up in it. */
static void dlcloses(const char *unused)
{
    pthread_t threads[2];

    (void)unused;
    open_and_close();
    for (int i = 0; i < 2; i++)
        threads[i] = start(keep_looking, NULL);
    open_and_close();
    over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

const struct trial thread_trials[] = {
    {"forks", forks},         {"inherited", inherited}, {"cancels", cancels},
    {"signalled", signalled}, {"stacks", stacks},       {"dlcloses", dlcloses},
    {NULL, NULL}};
