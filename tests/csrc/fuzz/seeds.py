"""The fuzz targets' first inputs, all but one made by the encoder; run it to rewrite them.

They are in the tree, as corpus/TARGET/NAME; test_fuzz.py holds that they are what this makes.
"""

from __future__ import annotations

import socket
from pathlib import Path

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host
from tests.csrc.contract import ALIVE, HOSTS, address
from tests.csrc.crafted import crammed

CORPUS = Path(__file__).with_name("corpus")
FUNCTIONS = ("name", "name2", "name3", "name4", "addr", "addr2")
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC, socket.AF_UNIX)


def table(*hosts: Host, wait: int = 0) -> bytes:
    """A table that is the same each time; `wait` in milliseconds."""
    return snapshot.encode(hosts, generation=1, published=1, pending_wait=wait, seed=bytes(16))


def question(function: str, family: int, room: int, what: bytes) -> bytes:
    """An input of question.c."""
    head = bytes([FUNCTIONS.index(function), FAMILIES.index(socket.AddressFamily(family))])
    return head + room.to_bytes(2, "little") + what


WEB1, DB, _SIX, LINK, NEAR, GONE, STARTING, _LATE, HALF, WAIT6, LONGEST, MANY = HOSTS
TABLES = {
    "empty": table(),
    "one": table(WEB1),
    "two": table(WEB1, DB),
    "link": table(LINK, WEB1),
    "near": table(NEAR._replace(names=("web1",))),
    "over": table(GONE, WEB1._replace(names=("web1",))),
    "pending": table(STARTING, HALF, WAIT6),
    "longest": table(LONGEST),
    "many": table(MANY._replace(names=("web1", "many"))),
    # More names than a table holds densely: header, slots and record are each read by themselves.
    "spread": table(Host(("web1", *(f"w{i}" for i in range(33))), (address("10.0.0.1", ALIVE),))),
    "crammed": crammed(3),
    "shared": table(*(Host((f"web{i}",), (address("10.0.0.1", ALIVE),)) for i in range(4))),
}
V4, V6, BOTH, OTHER = FAMILIES
QUESTIONS = {
    "name": question("name", V4, 512, b"web1"),
    "name2": question("name2", V6, 512, b"WWW."),
    "name3": question("name3", V4, 40, b"db"),
    "name4": question("name4", BOTH, 1024, b"web1.default.internal"),
    "name4-nscd": question("name4", BOTH, 1025, b"many"),
    "longest": question("name4", BOTH, 1024, LONGEST.names[0].encode()),
    "pending": question("name2", V6, 1024, b"half"),
    "over": question("name2", V4, 1024, b"gone"),
    "other": question("name2", OTHER, 1024, b"web1"),
    "addr": question("addr", V4, 512, socket.inet_aton("10.77.0.5")),
    "addr2": question("addr2", V6, 512, socket.inet_pton(V6, "fd12::5")),
    "mapped": question("addr2", V6, 512, socket.inet_pton(V6, "::ffff:10.77.0.5")),
    "link": question("addr", V6, 512, socket.inet_pton(V6, "fe80::1")),
    "short": question("addr", V6, 512, socket.inet_aton("10.77.0.5")),
}
ANYWHERE, NOWHERE, STREAM, TABLE, OVERLONG, NAMELESS = range(6)
AWAIT, RECEIVE, SEND, PAUSE, SHUT_DOWN, PUBLISH, DESCRIPTOR, FLOOD, HOLD = range(9)
FOUND, GAVE_UP, NOTHING, JUNK = range(4)
PEERS = {
    "none": bytes([NOWHERE]),
    "stream": bytes([STREAM, AWAIT, 0]),
    "file": bytes([TABLE]),
    "overlong": bytes([OVERLONG]),
    "nameless": bytes([NAMELESS]),
    "published": bytes([ANYWHERE, AWAIT, 0, RECEIVE, 255, PUBLISH, FOUND, SEND, 9]),
    "gave-up": bytes([ANYWHERE, AWAIT, 0, PUBLISH, GAVE_UP, SEND, 9]),
    "liar": bytes([ANYWHERE, SEND, 9, PUBLISH, NOTHING]),
    "junk": bytes([ANYWHERE, PUBLISH, JUNK, SEND, 200]),
    "silent": bytes([ANYWHERE, AWAIT, 0, PAUSE, 3, PAUSE, 3]),
    "dripping": bytes([ANYWHERE, *(SEND, 1, PAUSE, 1) * 4]),
    "dead": bytes([ANYWHERE]),
    "deaf": bytes([ANYWHERE, SHUT_DOWN, 0, SHUT_DOWN, 1, PAUSE, 2]),
    "descriptor": bytes([ANYWHERE, DESCRIPTOR, 0, PUBLISH, FOUND, SEND, 9]),
    "held": bytes([ANYWHERE, HOLD, 0]),
    "flood": bytes([ANYWHERE, FLOOD, 0, AWAIT, 0]),
}
"""Inputs of peer.c."""
SEEDS = {"snapshot": TABLES, "question": QUESTIONS, "peer": PEERS}

ONE = Host(("web1",), (address("10.77.0.5"),))
WORLDS = {
    "hosts": table(*HOSTS),
    "pending": table(Host(("web1",), (), ALIVE), wait=4),
    "found": table(ONE, wait=4),
    "gone": table(Host(("db",), ()), wait=4),
}
"""Tables that the targets question and peer ask."""


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    for target, inputs in SEEDS.items():
        write(CORPUS / target, inputs)
