/* Fuzz target: any name and any address, asked through any entry point, of a sound table.
 *
 * Input: entry point, family, length of the buffer (2 bytes), then the name or the address.
 */
#include "harness.h"

#include <string.h>

static const char *const functions[] = {"gethostbyname_r",  "gethostbyname2_r",
                                        "gethostbyname3_r", "gethostbyname4_r",
                                        "gethostbyaddr_r",  "gethostbyaddr2_r"};

static const int families[] = {AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX, -1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *function;
    int family;
    size_t len;

    begin_input();
    if (size < 4)
        return 0;
    function = functions[data[0] % 6];
    family = families[data[1] % 5];
    len = (data[2] | (size_t)data[3] << 8) % 2048;
    if (data[0] % 6 >= 4)
        ask_address(function, family, data + 4, size - 4, len);
    else
        ask_name(function, family, data + 4, size - 4, len);
    return 0;
}
