"""A name server that runs: its files, its process, and questions to it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.name_servers.places import HERE, Place, free_port
from tests.name_servers.programs import UNPACKED, Programs

_SECONDS = 60
"""How long it may take until it answers, or until it has ended."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an engine makes its files of."""

    folder: Path
    address: str
    port: int
    control_port: int
    programs: Programs
    options: str
    config: str


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """An implementation. In words, `{folder}` is the folder of the server."""

    name: str
    package: str
    command: tuple[str, ...]
    files: Callable[[Setup], dict[str, str]]
    tools: Mapping[str, tuple[str, ...]]
    """Its programs that ask the running server, with the words that lead them to it."""
    stop: tuple[str, ...]
    """The tool, and the word that ends the server in good order."""
    prepare: Callable[[Setup], None] | None = None


@dataclass(slots=True)
class NameServer:
    """A server of `engine` at `address`, `port`; `running` makes, starts and ends it."""

    engine: Engine
    folder: Path
    address: str
    port: int
    place: Place
    programs: Programs
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it with the files that are in its folder, and wait until it answers anything."""
        script = 'exec "$@" >>"$0" 2>&1'
        command = self.programs.argv(self.engine.command[0])
        command += self._words(self.engine.command[1:])
        self._process = self.place.spawn(["sh", "-c", script, self.folder / "log", *command])
        deadline = time.monotonic() + _SECONDS
        while not self.answers():
            alive = self._process.poll() is None
            assert alive, f"{self.engine.name} has ended:\n{self.log()}"
            late = time.monotonic() > deadline
            assert not late, f"{self.engine.name} does not answer:\n{self.log()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in good order: what it has to keep is on disk."""
        assert self._process is not None
        self.tool(*self.engine.stop)
        self._process.wait(_SECONDS)

    def kill(self) -> None:
        """End it at once, if it is running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """End it, and with it the processes that it has made, if it is running."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        self.kill()

    @property
    def pid(self) -> int:
        """Of the server, where the place adds no process of its own (`HERE`, `Namespace`)."""
        assert self._process is not None
        return self._process.pid

    def tool(self, program: str, *words: str) -> str:
        """What one of the engine's tools prints, e.g. `tool("rndc", "zonestatus", "lab.test")`."""
        given = self._words(self.engine.tools[program])
        return self.place.run([*self.programs.argv(program), *given, *words]).stdout

    def dig(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask with dig, one try of 5 s; its exit status is 9 without any reply."""
        given = [f"@{self.address}", "-p", str(self.port), "+tries=1", "+time=5"]
        return self.place.run([*self.programs.argv("dig"), *given, *words], check=False)

    def ask(self, name: str, rdtype: str = "A") -> list[str]:
        """The data of the answer, as dig prints it; empty for anything else than an answer."""
        return self.dig("+short", name, rdtype).stdout.splitlines()

    def answers(self) -> bool:
        """Whether it replies to a question, with anything."""
        return self.dig("+time=1", "+norecurse", "version.bind", "TXT", "CH").returncode == 0

    def log(self) -> str:
        """What it has printed so far."""
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [word.format(folder=self.folder) for word in words]


@contextmanager
def running(
    engine: Engine,
    folder: Path,
    address: str = "127.0.0.1",
    port: int = 0,
    *,
    options: str = "",
    config: str = "",
    files: Mapping[str, str] = {},
    place: Place = HERE,
    programs: Programs = UNPACKED,
) -> Iterator[NameServer]:
    """Run a server, and end it when the block ends; a failure in the block shows its log.

    `options` is for the section that the engine has once (`options`, `server`), `config` follows.
    `files`: further ones in `folder`, which is made, and is the server's working folder. Port 0: a
    free one. The address and a port for its tools are the place's, so give a port in a namespace.
    """
    folder.mkdir(mode=0o755, parents=True)
    port = port or free_port(address)
    setup = Setup(folder, address, port, port + 1, programs, options, config)
    for name, text in {**engine.files(setup), **files}.items():
        (folder / name).write_text(text)
    if engine.prepare:
        engine.prepare(setup)
    server = NameServer(engine, folder, address, port, place, programs)
    try:
        server.start()
        yield server
    except BaseException as error:
        error.add_note(f"the log of {engine.name}:\n{server.log()}")
        raise
    finally:
        server.end()
