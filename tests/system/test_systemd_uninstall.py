"""The README's uninstall; after it the machine has no project that other tests could use."""

from __future__ import annotations

from tests import readme
from tests.system.debian import STATE, types
from tests.system.machine import Machine


def test_the_uninstall_of_the_readme_leaves_what_was_there_before_its_install(
    bare: tuple[Machine, str], machine: Machine
) -> None:
    _, before = bare
    machine.run(["nss-pyvirt", "install"])
    types(machine, readme.script("Uninstall", "/opt/pyvirt"))
    assert machine.sh(STATE).splitlines() == before.splitlines()
    assert not (machine.root / "opt/pyvirt").exists()
