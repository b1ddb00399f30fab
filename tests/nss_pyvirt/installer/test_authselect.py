"""Where authselect writes nsswitch.conf, it is refused, and what it says to type does the job.

Debian has no authselect, so these tests play it: it fills in the profile's nsswitch.conf, and takes
lines that the profile lacks from user-nsswitch.conf. The hosts lines have the order of the shipped
profiles of 1.7.1 (Fedora) and 1.2.6 (RHEL 8 and 9). The commands were tried with both by hand.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import nsswitch
from nss_pyvirt.installer.install import install
from nss_pyvirt.installer.remove import remove
from nss_pyvirt.installer.status import status
from tests.nss_pyvirt.installer.image import system, tree

FEDORA = 'files myhostname {if "with-libvirt":libvirt }resolve [!UNAVAIL=return] dns'
RHEL_MINIMAL = 'resolve [!UNAVAIL=return] files myhostname dns {exclude if "with-custom-hosts"}'
RHEL_USERS = "files dns myhostname"
OWN = "/etc/authselect/custom/pyvirt/nsswitch.conf"
MAPS = "/etc/authselect/user-nsswitch.conf"
CREATE = (
    "authselect create-profile pyvirt --base-on {} --symlink-meta --symlink-pam --symlink-dconf"
)
BEHIND = "sed -i '/^hosts:/s/files/& pyvirt [TRYAGAIN=return]/'"
FRONT = "sed -i '/^hosts:/s/hosts:/& files [SUCCESS=return TRYAGAIN=continue] {}/'".format(
    "pyvirt [TRYAGAIN=return]"
)
OUT = (
    "sed -i '/^hosts:/{s/ *pyvirt *\\[TRYAGAIN=return\\]//"
    ";s/ *files \\[SUCCESS=return TRYAGAIN=continue\\]//}'"
)


class Case(NamedTuple):
    """What is selected, the file that has the hosts line, that line, and what is to be typed."""

    selected: str
    file: str
    hosts: str
    to_install: list[str]
    to_remove: list[str]


CASES = {
    "a shipped profile": Case(
        "sssd\nwith-mkhomedir\n",
        "/usr/share/authselect/default/sssd/nsswitch.conf",
        FEDORA,
        [
            CREATE.format("sssd"),
            f"{BEHIND} {OWN}",
            "authselect select custom/pyvirt with-mkhomedir --force",
        ],
        ["authselect select sssd with-mkhomedir --force", "rm -r /etc/authselect/custom/pyvirt"],
    ),
    "one with resolve in front": Case(
        "minimal\n",
        "/usr/share/authselect/default/minimal/nsswitch.conf",
        RHEL_MINIMAL,
        [CREATE.format("minimal"), f"{FRONT} {OWN}", "authselect select custom/pyvirt --force"],
        ["authselect select minimal --force", "rm -r /etc/authselect/custom/pyvirt"],
    ),
    "an own profile": Case(
        "custom/lab\n",
        "/etc/authselect/custom/lab/nsswitch.conf",
        FEDORA,
        [f"{BEHIND} /etc/authselect/custom/lab/nsswitch.conf", "authselect apply-changes"],
        [f"{OUT} /etc/authselect/custom/lab/nsswitch.conf", "authselect apply-changes"],
    ),
    "a profile that has no hosts line": Case(
        "sssd\n",
        MAPS,
        RHEL_USERS,
        [f"{BEHIND} {MAPS}", "authselect apply-changes"],
        [f"{OUT} {MAPS}", "authselect apply-changes"],
    ),
    "a profile whose hosts line is switched off": Case(
        "minimal\nwith-custom-hosts\n",
        MAPS,
        RHEL_MINIMAL,
        [f"{FRONT} {MAPS}", "authselect apply-changes"],
        [f"{OUT} {MAPS}", "authselect apply-changes"],
    ),
}


class Authselect:
    """An image whose nsswitch.conf authselect has made from a profile."""

    def __init__(self, image: Path, case: Case) -> None:
        self.root, self._case = image, case
        self._profile, *_ = case.selected.split()
        if case.file == MAPS:
            shipped = f"/usr/share/authselect/default/{self._profile}/nsswitch.conf"
            self._write(shipped, f"hosts: {RHEL_MINIMAL}\n" if "with-" in case.selected else "\n")
        self._write(case.file, f"passwd: files\nhosts:      {case.hosts}\n")
        self._write("/etc/authselect/authselect.conf", case.selected)
        (image / "etc/nsswitch.conf").unlink()
        (image / "etc/nsswitch.conf").symlink_to("/etc/authselect/nsswitch.conf")
        self._generate(case.file)

    def type(self, typed: str) -> None:
        """Carry out a line of commands. Of authselect's, those that are known here."""
        for command in typed.split(" && "):
            words = command.removeprefix(f"sudo chroot {self.root} ")
            assert words != command
            if words.startswith("authselect create-profile pyvirt"):
                self._create()
            elif words.startswith("authselect select"):
                own = OWN if "custom/pyvirt" in words else self._case.file
                selected = words.removeprefix("authselect select ").removesuffix(" --force")
                self._write("/etc/authselect/authselect.conf", "\n".join(selected.split()))
                self._generate(own)
            elif words == "authselect apply-changes":
                self._generate(self._case.file)
            elif words.startswith(("sed", "rm")):
                inside = re.sub(r"(?<= )/(?=etc)", f"{self.root}/", words)
                subprocess.run(inside, shell=True, check=True)

    def _create(self) -> None:
        shipped = self._case.file.removesuffix("/nsswitch.conf")
        self._write(OWN, (self.root / shipped[1:] / "nsswitch.conf").read_text())
        (self.root / OWN[1:]).with_name("system-auth").symlink_to(f"{shipped}/system-auth")

    def _generate(self, file: str) -> None:
        text = (self.root / file[1:]).read_text()
        filled_in = re.sub(r" *\{exclude[^}]*\}|\{if[^}]*\}", "", text)
        self._write("/etc/authselect/nsswitch.conf", f"# Generated by authselect\n{filled_in}")

    def _write(self, path: str, text: str) -> None:
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_to_be_typed_installs_the_entry_and_removes_it(image: Path, case: Case) -> None:
    authselect = Authselect(image, case)
    sudo = f"sudo chroot {image} "
    generated = (image / "etc/authselect/nsswitch.conf").read_text
    before, former = tree(image), generated()

    with pytest.raises(UserError, match="managed by authselect") as caught:
        install(system(image))
    assert caught.value.hint == " && ".join(
        f"{sudo}{one}" for one in [*case.to_install, "nss-pyvirt install"]
    )
    assert tree(image) == before

    authselect.type(caught.value.hint)
    install(system(image))
    assert status(system(image))[0].state == "ok"
    assert nsswitch.fault(generated()) == ""

    with pytest.raises(UserError, match="managed by authselect") as caught:
        remove(system(image))
    assert caught.value.hint == " && ".join(
        f"{sudo}{one}" for one in [*case.to_remove, "nss-pyvirt remove"]
    )
    authselect.type(caught.value.hint)
    remove(system(image))
    assert generated() == former
