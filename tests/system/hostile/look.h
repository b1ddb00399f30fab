/* Looking names up as any program does, and what must be as it was afterwards.
 *
 * The table that the tests publish holds web1 (10.77.0.5 and fd12::5), many (32 addresses of
 * 10.9.0.0/24), starting (pending) and no nosuch. What is not as it must be ends the process with a line that says it.
 */
#ifndef LOOK_H
#define LOOK_H

#include <netdb.h>
#include <nss.h>
#include <stdbool.h>
#include <stddef.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __FILE__, __LINE__))
_Noreturn void fail(const char *what, const char *file, int line);

/* Asks getaddrinfo(): the number of addresses, all of them right, or the (negative) EAI code. */
int look(const char *name, int family);

/* Whether gethostbyname2_r() finds web1's IPv4 address. */
bool finds_web1(void);

/* Asks for all that is in the table and for what is not, by name and by address. */
void look_for_everything(void);

/* The module itself, without glibc around it: for where glibc's own locks or calls are in the way.
 * It stays loaded. */
void load_module(void);

/* What the module says of web1 (IPv4), with errno in `error` and h_errno in `h_error`. */
enum nss_status ask_module(int *error, int *h_error);
bool module_finds_web1(void);

/* Every open descriptor and which file it is. */
struct descriptors;
const struct descriptors *descriptors(void);
void check_descriptors(const struct descriptors *before);
bool is_open(int fd);
void close_sockets(void);

/* One thing to be done to the process, by its name on the command line; 0 ends the list. */
struct trial {
    const char *name;
    void (*run)(const char *argument);
};
extern const struct trial thread_trials[], limit_trials[];

#endif
