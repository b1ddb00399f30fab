/*
 * Asks a name server over UDP, and prints how many answers came and in how many seconds.
 *
 *   dnsload ADDRESS PORT SECONDS WINDOW <QUESTIONS
 *
 *   ADDRESS   IPv4
 *   WINDOW    questions under way at once, at most MOST
 *   QUESTIONS a line each: NAME TYPE, the type as a number; asked in turn, without EDNS
 *
 * A lost question is replaced after 100 ms. Replies with another rcode than NOERROR and NXDOMAIN,
 * or with TC, end the run: their time would mean nothing. It judges nothing.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256, SIZE = 300, REPLY = 1500 };

struct question {
    uint8_t bytes[SIZE];
    size_t len;
};

static struct question *questions;
static size_t n_questions, next_question;
static uint8_t replies[MOST][REPLY];
static struct iovec sent[MOST], received[MOST];
static struct mmsghdr out[MOST], in[MOST];

static void add(char *line)
{
    char *type = strchr(line, ' '), *label;
    struct question *ret;

    if (type == NULL || strlen(line) > SIZE - 20)
        errx(2, "not NAME TYPE: %s", line);
    *type++ = '\0';
    questions = reallocarray(questions, n_questions + 1, sizeof *questions);
    if (questions == NULL)
        err(1, "reallocarray");
    ret = questions + n_questions++;
    memcpy(ret->bytes, "\0\0\1\0\0\1\0\0\0\0\0\0", 12); /* RD, one question */
    ret->len = 12;
    for (label = strtok(line, "."); label != NULL; label = strtok(NULL, ".")) {
        const size_t len = strlen(label);
        ret->bytes[ret->len++] = (uint8_t)len;
        memcpy(ret->bytes + ret->len, label, len);
        ret->len += len;
    }
    ret->bytes[ret->len++] = 0;
    ret->bytes[ret->len++] = (uint8_t)(atoi(type) >> 8);
    ret->bytes[ret->len++] = (uint8_t)atoi(type);
    ret->bytes[ret->len++] = 0;
    ret->bytes[ret->len++] = 1;
}

static void ask(int fd, unsigned many)
{
    for (unsigned i = 0; i < many; i++) {
        struct question *q = questions + next_question++ % n_questions;
        q->bytes[0] = (uint8_t)(next_question >> 8);
        q->bytes[1] = (uint8_t)next_question;
        sent[i] = (struct iovec){q->bytes, q->len};
        out[i].msg_hdr = (struct msghdr){.msg_iov = sent + i, .msg_iovlen = 1};
    }
    for (unsigned done = 0; done < many;) {
        const int n = sendmmsg(fd, out + done, many - done, 0);
        if (n < 0)
            err(1, "sendmmsg");
        done += (unsigned)n;
    }
}

/* Returns how many replies came; 0: none in time. */
static unsigned take(int fd, unsigned most)
{
    int n;

    for (unsigned i = 0; i < most; i++) {
        received[i] = (struct iovec){replies[i], REPLY};
        in[i].msg_hdr = (struct msghdr){.msg_iov = received + i, .msg_iovlen = 1};
    }
    n = recvmmsg(fd, in, most, MSG_WAITFORONE, NULL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        err(1, "recvmmsg");
    for (int i = 0; i < n; i++) {
        const int rcode = replies[i][3] & 15;
        if (in[i].msg_len < 12 || (rcode != 0 && rcode != 3) || (replies[i][2] & 2) != 0)
            errx(1, "a reply with rcode %d, flags %02x", rcode, replies[i][2]);
    }
    return (unsigned)n;
}

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    const struct timeval patience = {.tv_usec = 100000};
    struct sockaddr_in to = {.sin_family = AF_INET};
    unsigned window, under_way = 0;
    unsigned long answers = 0;
    double began, end;
    char line[SIZE];
    int fd;

    if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        errx(2, "usage: dnsload ADDRESS PORT SECONDS WINDOW <QUESTIONS");
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    window = (unsigned)atoi(argv[4]);
    while (fgets(line, sizeof line, stdin) != NULL)
        add(line);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        err(1, "%s", argv[1]);
    if (n_questions == 0 || window == 0 || window > MOST)
        errx(2, "no question, or no window from 1 to %d", MOST);
    began = now();
    for (end = began + atof(argv[3]); now() < end;) {
        unsigned n;
        ask(fd, window - under_way);
        n = take(fd, MOST);
        answers += n;
        under_way = n == 0 ? 0 : n < window ? window - n : 0;
    }
    printf("%lu %.6f\n", answers, now() - began);
    return 0;
}
