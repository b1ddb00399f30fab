"""Builds `nss_pyvirt._snapshot`: the C core as a Python extension (cffi, API mode).

Only the build runs this. The structs come from csrc/snapshot_format.h, so they are written once.
"""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

CSRC = Path(__file__).resolve().parent.parent / "csrc"
SOURCES = ("crc32.c", "snapshot.c", "lookup.c", "table.c", "check.c")

FUNCTIONS = """
struct pv_key { bool is_address; size_t len; uint8_t bytes[...]; };
struct pv_host {
    struct pv_record record;
    uint8_t bytes[...];
    uint32_t chosen_count;
    uint8_t chosen[...];
    ...;
};
enum pv_outcome { PV_FOUND, PV_UNKNOWN, PV_NO_DATA, PV_NOT_YET, PV_UNAVAILABLE, ... };
bool pv_name_key(struct pv_key *ret, const char *name);
void pv_address_key(struct pv_key *ret, int family, const void *address);
struct pv_tables { const char *own; const char *peers; };
enum pv_outcome pv_look_up(const struct pv_tables *tables, const struct pv_key *key, int family,
                           bool with_scope, uint64_t now, struct pv_host *ret, int *ret_error);

struct pv_snapshot { int fd; uint64_t size; struct pv_header header; ...; };
int pv_open(struct pv_snapshot *ret, const char *path, void *start, size_t room);
void pv_close(const struct pv_snapshot *snapshot);
int pv_read(const struct pv_snapshot *snapshot, void *to, uint64_t off, size_t len);

#define PV_RANK_BELOW ...
enum pv_change { PV_UNCHANGED, PV_CHANGED, PV_BAD_RECORD, PV_NAME_TAKEN, PV_TOO_LARGE, ... };
struct pv_table {
    struct pv_header header;
    struct pv_slot *slots;
    uint8_t *records;
    size_t len;
    char taken[...];
    ...;
};
bool pv_table_init(struct pv_table *ret, const uint8_t seed[16]);
void pv_table_free(struct pv_table *table);
enum pv_change pv_put(struct pv_table *table, const uint8_t *record, size_t len);
enum pv_change pv_remove(struct pv_table *table, const char *name, bool below);
enum pv_change pv_finish(struct pv_table *table, const struct pv_header *of);
int pv_read_back(const struct pv_table *table, const char *path);
size_t pv_check_records(const uint8_t *bytes, size_t len, uint32_t *records);
"""


def format_definitions() -> str:
    """The structs and integer constants of snapshot_format.h, as cffi's cdef understands them."""
    text = (CSRC / "snapshot_format.h").read_text(encoding="ascii")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    keep = re.compile(r"#define \w+ \w+\s*$|[^#]|$")
    return "\n".join(line for line in text.splitlines() if keep.match(line))


ffibuilder = FFI()
ffibuilder.cdef(format_definitions() + FUNCTIONS)
ffibuilder.set_source(
    "nss_pyvirt._snapshot",
    '#include <stdbool.h>\n#include "lookup.h"\n#include "snapshot.h"\n#include "table.h"\n',
    sources=[f"csrc/{name}" for name in SOURCES],
    depends=[f"csrc/{path.name}" for path in sorted(CSRC.glob("*.h"))],
    include_dirs=["csrc"],
    define_macros=[("_GNU_SOURCE", None)],
    extra_compile_args=["-std=c11", "-fvisibility=hidden"],
)
