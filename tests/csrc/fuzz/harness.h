/* What the fuzz targets share: the file that the module reads, and questions asked of it.
 *
 * $PYVIRT_SNAPSHOT is that file at the start. With $ANSWERS, a path, every input's questions and answers are
 * appended there, for tests/csrc/test_fuzz.py to hold against another reader: a line "input", then
 * lines of FUNCTION FAMILY QUESTION ANSWER, the last two in hexadecimal.
 */
#ifndef PV_HARNESS_H
#define PV_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../asking.h"

/* libFuzzer's. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* To be called once for each input. */
void begin_input(void);

/* Makes the file hold these bytes. */
void write_table(const uint8_t *bytes, size_t len);

/* The same. The module then reads the file as this host's own table, with $TABLES/hosts as that of the
 * peers; or, `as_peers`, as the table of the peers, with $TABLES/gone as its own. */
void write_either_table(const uint8_t *bytes, size_t len, bool as_peers);

/* Asks with a buffer of `len` bytes and, when that is too small, with one that is enough. The
 * question and the buffers end where their memory ends, so that the sanitizer sees a byte more. */
void ask_name(const char *function, int family, const uint8_t *name, size_t name_len, size_t len);
void ask_address(const char *function, int family, const uint8_t *address, size_t address_len,
                 size_t len);

#endif
