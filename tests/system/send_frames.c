/* send_frames INTERFACE HEX...: put Ethernet frames on the wire as they are, whoever they say sent
 * them. For tests of what a host believes; it runs on machines that have nothing else. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    unsigned char frame[1514];
    struct sockaddr_ll to = {.sll_family = AF_PACKET};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);

    if (argc < 3 || fd < 0)
        return 2;
    to.sll_ifindex = (int)if_nametoindex(argv[1]);
    for (int i = 2; i < argc; i++) {
        size_t len = strlen(argv[i]) / 2;

        for (size_t at = 0; at < len; at++) {
            unsigned int byte;

            if (len > sizeof frame || sscanf(argv[i] + 2 * at, "%2x", &byte) != 1)
                return 2;
            frame[at] = (unsigned char)byte;
        }
        if (sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof to) != (ssize_t)len)
            return 1;
    }
    return 0;
}
