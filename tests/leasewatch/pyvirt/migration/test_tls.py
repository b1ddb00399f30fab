"""The encryption of a migration: certificates that are accepted, and why others are not."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import tls
from leasewatch.pyvirt.migration.modes import TLS_CREDENTIALS
from nss_pyvirt.errors import UserError
from tests.leasewatch.pyvirt.migration.bare_qemu import Pair
from tests.system import certificates
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.usefixtures("sandboxed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a sandbox needs root"),
]


class Hosts:
    """Two QEMUs, and the certificates of both hosts, which are of one CA and for the name kvm2."""

    def __init__(self, stack: ExitStack, folder: Path, certificates: Path) -> None:
        self._certificates = certificates
        self.pair = Pair(stack, folder)
        self.here, self.there = Paths(folder / "here"), Paths(folder / "there")
        self.give(self.here.tls, "good")
        self.give(self.there.qemu_tls, "good")

    def give(self, folder: Path, kind: str) -> None:
        """Put certificates there."""
        shutil.copytree(self._certificates / kind, folder)

    def migrate(self, name: str) -> dict[str, object]:
        """How it ends if the destination is called `name`."""
        source, destination = self.pair.source, self.pair.destination
        tls.add(destination.session, destination.root, self.there, "server")
        tls.add(source.session, source.root, self.here, "client")
        self.pair.set(tls_creds=TLS_CREDENTIALS)
        source.session.ask("migrate-set-parameters", {"tls-hostname": name})
        return self.pair.migrate()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of certificates."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder / "good", "kvm2")
    certificates.make(folder / "other", "kvm2")
    certificates.make(folder / "expired", "kvm2", ca=folder / "good", days=-1)
    return folder


@pytest.fixture
def hosts(tmp_path: Path, made: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(stack, tmp_path, made)


def refusal(hosts: Hosts, name: str = "kvm2") -> UserError:
    """What the person reads of a migration that fails, while the source's QEMU goes on."""
    ended = hosts.migrate(name)
    assert ended["status"] == "failed"
    assert hosts.pair.source.session.ask("query-status")["status"] == "prelaunch"
    found = tls.explain(str(ended["error-desc"]), "kvm2", name)
    assert found is not None, ended["error-desc"]
    return found


@pytest.mark.parametrize("capability", [(), ("multifd",)])
def test_both_hosts_have_certificates_of_one_ca_and_no_file_stays_in_the_sandbox(
    hosts: Hosts, capability: tuple[str, ...]
) -> None:
    hosts.pair.set(*capability)
    assert hosts.migrate("kvm2")["status"] == "completed"
    destination = hosts.pair.destination
    wait_for("the destination", lambda: destination.migration().get("status") == "completed")
    for side in (hosts.pair.source, destination):
        assert not (side.root / "tls").exists()


def test_a_certificate_for_another_name_is_one_line(hosts: Hosts) -> None:
    error = refusal(hosts, "kvm3")
    assert error.what == "the certificate of kvm2 is not for the name kvm3"
    assert error.hint == "give a name that it has: --tls-destination NAME"


def test_a_certificate_of_another_ca_is_one_line(hosts: Hosts) -> None:
    hosts.give(hosts.there.tls, "other")
    error = refusal(hosts)
    assert error.what == "the certificate of kvm2 is from a CA that this host does not know"
    assert error.hint == "put the same ca-cert.pem on both hosts"


def test_an_expired_certificate_is_refused_before_anything_is_sent(hosts: Hosts) -> None:
    hosts.give(hosts.there.tls, "expired")
    with pytest.raises(UserError, match=r"refuses the certificates: .* has expired$") as error:
        hosts.migrate("kvm2")
    file = hosts.there.tls / "server-cert.pem"
    assert str(file) in error.value.what
    assert error.value.hint.endswith(f"openssl x509 -noout -text -in {file}")


def test_a_missing_file_is_named(hosts: Hosts, tmp_path: Path) -> None:
    source, none = hosts.pair.source, Paths(tmp_path / "none")
    (hosts.here.tls / "client-key.pem").unlink()
    with pytest.raises(UserError, match=re.escape(f"no client-key.pem in {hosts.here.tls}")):
        tls.add(source.session, source.root, hosts.here, "client")
    with pytest.raises(UserError, match=rf"no ca-cert.pem .* or {none.qemu_tls}$"):
        tls.add(source.session, source.root, none, "client")


def test_a_later_migration_may_go_without(hosts: Hosts) -> None:
    refusal(hosts, "kvm3")
    session = hosts.pair.source.session
    tls.remove(session)
    assert session.ask("query-migrate-parameters")["tls-creds"] == ""
    assert not [o for o in session.ask("qom-list", {"path": "/objects"}) if "tls" in o["name"]]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("kvm2", "kvm2"),
        ("root@kvm2.example", "kvm2.example"),
        ("ssh://me@kvm2:2222", "kvm2"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_name_in_the_certificate_is_that_of_the_host(host: str, name: str) -> None:
    assert tls.name_of(host) == name


def test_other_failures_are_not_about_certificates() -> None:
    assert tls.explain("Unable to write to socket: Broken pipe", "kvm2", "kvm2") is None
