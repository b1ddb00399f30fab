/* Asks the C library for names and addresses: questions on stdin, answers on stdout, a line each.
 *
 *   version                          which C library this is
 *   getaddrinfo NAME FAMILY FLAGS    "ADDRESS... | CANONICAL-NAME" or "EAI code"
 *   gethostbyname2_r NAME FAMILY     "NAME ALIAS... | ADDRESS..." or "h_errno code"
 *   gethostbyaddr_r ADDRESS          the same
 *   getnameinfo ADDRESS              "NAME" or "EAI code"
 *
 * It uses nothing that the C libraries it is linked to do not all have.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_MAX 65536

static void fail(const char *what)
{
    fprintf(stderr, "answers: %s\n", what);
    exit(1);
}

static void print_code(const char *kind, int code)
{
    if (code == EAI_SYSTEM)
        printf("errno %d\n", errno);
    else
        printf("%s %d\n", kind, code);
}

static void ask_getaddrinfo(const char *name, int family, int flags)
{
    const struct addrinfo hints = {
        .ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    const char *canonical;
    const int error = getaddrinfo(name, NULL, &hints, &list);

    if (error != 0) {
        print_code("EAI", error);
        return;
    }
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            fail("an address that is none");
        printf("%s ", text);
    }
    canonical = list->ai_canonname;
    printf("|%s%s\n", canonical != NULL ? " " : "", canonical != NULL ? canonical : "");
    freeaddrinfo(list);
}

static void print_host(const struct hostent *host)
{
    char text[INET6_ADDRSTRLEN];

    printf("%s ", host->h_name);
    for (char **alias = host->h_aliases; *alias != NULL; alias++)
        printf("%s ", *alias);
    printf("|");
    for (char **address = host->h_addr_list; *address != NULL; address++)
        printf(" %s", inet_ntop(host->h_addrtype, *address, text, sizeof text));
    printf("\n");
}

/* By name, or by address where that is given; with a buffer that is far too small at first. */
static void ask_gethostby(const char *name, const void *address, int family)
{
    static char buffer[BUFFER_MAX];
    const socklen_t address_len = family == AF_INET ? 4 : 16;
    struct hostent host, *found = NULL;
    int h_error = 0, error = ERANGE;

    for (size_t len = 8; error == ERANGE && len <= sizeof buffer; len *= 2) {
        if (address != NULL)
            error = gethostbyaddr_r(address, address_len, family, &host, buffer, len, &found,
                                    &h_error);
        else
            error = gethostbyname2_r(name, family, &host, buffer, len, &found, &h_error);
    }
    if (found != NULL)
        print_host(found);
    else
        print_code("h_errno", h_error);
}

static void ask_getnameinfo(const char *address)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *parsed;
    char name[NI_MAXHOST];
    int error;

    if (getaddrinfo(address, NULL, &hints, &parsed) != 0)
        fail("not an address");
    error = getnameinfo(parsed->ai_addr, parsed->ai_addrlen, name, sizeof name, NULL, 0,
                        NI_NAMEREQD);
    freeaddrinfo(parsed);
    if (error != 0)
        print_code("EAI", error);
    else
        printf("%s\n", name);
}

static void answer(const char *function, const char *what, int family, int flags)
{
    unsigned char address[16];

    if (strcmp(function, "version") == 0)
        printf("%s\n", gnu_get_libc_version());
    else if (strcmp(function, "getaddrinfo") == 0)
        ask_getaddrinfo(what, family, flags);
    else if (strcmp(function, "gethostbyname2_r") == 0)
        ask_gethostby(what, NULL, family);
    else if (strcmp(function, "getnameinfo") == 0)
        ask_getnameinfo(what);
    else if (strcmp(function, "gethostbyaddr_r") == 0) {
        family = strchr(what, ':') != NULL ? AF_INET6 : AF_INET;
        if (inet_pton(family, what, address) != 1)
            fail("not an address");
        ask_gethostby(NULL, address, family);
    } else
        fail("no such function");
}

int main(void)
{
    char line[512], function[32], what[400];

    while (fgets(line, sizeof line, stdin) != NULL) {
        int family = 0, flags = 0;
        what[0] = '\0';
        if (sscanf(line, "%31s %399s %d %d", function, what, &family, &flags) < 1)
            fail("no question");
        answer(function, what, family, flags);
    }
    return 0;
}
