"""Types commands into a shell, and records its terminal as asciicast v2.

`python -m handbook.typist FILE`, in a world of packaging/world with the service and a key: see
packaging/recording.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from nss_pyvirt.errors import UserError
from nss_pyvirt.replacing import replace

COLUMNS, LINES = 80, 40
PROMPT = b"\x1b[0m$ "
DEADLINE = 300.0
"""Seconds that a command may take."""
STRANGER = """
ip link add office type bridge
ip addr add 192.168.1.1/24 dev office
ip link set office up
dnsmasq --conf-file=/dev/null --interface=office --bind-interfaces --port=0 --no-ping \
    --dhcp-range=192.168.1.50,192.168.1.59 --dhcp-leasefile=/var/lib/misc/dnsmasq.leases
ip netns add stranger
ip link add eth0 netns stranger type veth peer name stranger
ip link set stranger master office up
ip -n stranger link set eth0 up
"""
"""A machine on another network, with another DHCP server. It does not show in the recording."""
SHELL = r"""
PS1='\[\e[0m\]$ '
bind 'set enable-bracketed-paste off'
sudo() { "$@"; } # root is the only user of the world
udhcpc() { ip netns exec stranger busybox udhcpc -n -q -i eth0 -s /bin/true "$@"; }
"""
COMMANDS = (
    "sudo pyvirt launch web1 --kernel vmlinuz --initrd initrd.gz --accel tcg",
    "ssh web1 hostname",
    "getent hosts web1",
    """python3 -c 'import socket; print(socket.gethostbyname("web1"))'""",
    "leasewatch list",
    "# A machine of another network asks its DHCP server for the same name:",
    "udhcpc -x hostname:web1",
    "leasewatch resolve web1 --explain",
    "ssh web1 hostname",
)
PROOF = ("web1 is ready after", "is the name of a running domain")
"""What the recording must show."""


class Recorder:
    """A shell on a terminal of its own, and what it has written so far."""

    def __init__(self, rc_file: Path) -> None:
        self._terminal, inside = pty.openpty()
        termios.tcsetwinsize(inside, (LINES, COLUMNS))
        shell = ["setsid", "--ctty", "bash", "--rcfile", str(rc_file), "-i"]
        self._shell = subprocess.Popen(shell, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self.events: list[tuple[float, str, str]] = []
        self._written = b""
        self._rest = b""
        self._start = time.monotonic()

    def wait_for_prompt(self) -> None:
        """Record until the shell asks for the next command."""
        end = time.monotonic() + DEADLINE
        while not self._written.endswith(PROMPT):
            if time.monotonic() > end:
                raise UserError(f"no prompt after: {self._written[-300:].decode(errors='replace')}")
            self._record(0.5)

    def type(self, command: str) -> None:
        """Type a command as a person would, and wait until it has ended."""
        for key in command:
            os.write(self._terminal, key.encode())
            self._record_for(0.035)
        self._record_for(0.5)
        self._written = b""
        os.write(self._terminal, b"\n")
        self.wait_for_prompt()
        self._record_for(1.2)

    def end(self) -> None:
        """End the shell."""
        self._shell.kill()
        self._shell.wait()

    def _record_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._record(left)

    def _record(self, seconds: float) -> None:
        if select.select([self._terminal], [], [], seconds)[0]:
            piece = os.read(self._terminal, 1 << 16)
            self._written += piece
            text, self._rest = _decoded(self._rest + piece)
            self.events.append((round(time.monotonic() - self._start, 3), "o", text))


def _decoded(data: bytes) -> tuple[str, bytes]:
    """The text of the whole characters, and the bytes of one that is not whole yet."""
    for cut in range(4):
        try:
            return data[: len(data) - cut].decode(), data[len(data) - cut :]
        except UnicodeDecodeError:
            continue
    raise UserError("a program writes no UTF-8")


def record() -> list[tuple[float, str, str]]:
    """Run all commands. Raises UserError if one does not end, or if the proof is missing."""
    rc_file = Path("/run/world/typist.rc")
    rc_file.write_text(SHELL)
    recorder = Recorder(rc_file)
    try:
        recorder.wait_for_prompt()
        for command in COMMANDS:
            if command.startswith("#"):
                subprocess.run(["sh", "-ec", STRANGER], check=True)
            recorder.type(command)
    finally:
        recorder.end()
    shown = "".join(text for _, _, text in recorder.events)
    missing = [text for text in PROOF if text not in shown]
    if missing:
        raise UserError(f"the recording does not show {missing[0]!r}:\n{shown}")
    return recorder.events


def main() -> int:
    """Write the recording into the file that the one argument names."""
    head = {"version": 2, "width": COLUMNS, "height": LINES, "title": "pyvirt launch web1"}
    try:
        lines = [json.dumps(head), *(json.dumps(event) for event in record())]
    except UserError as error:
        print(f"recording: {error.what}", file=sys.stderr)
        return 1
    replace(Path(sys.argv[1]), ("\n".join(lines) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
