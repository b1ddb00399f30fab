/* Gives a fuzz target the files that are named, without libFuzzer: for other compilers and words,
 * and for valgrind.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)data, (void)max_size;
    return size;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rbe");
        uint8_t *data = malloc(1 << 20), *exact;
        size_t size;

        CHECK(file != NULL);
        size = fread(data, 1, 1 << 20, file);
        fclose(file);
        exact = realloc(data, size > 0 ? size : 1);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    return 0;
}
