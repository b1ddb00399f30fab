"""Which names no guest gets by claiming them."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.networks.dnsmasq_conf import kept_names

RESERVED = {"broadcasthost", "gateway", "ip6-*", "isatap", "localhost", "wpad"}


@pytest.mark.parametrize(
    ("defined", "kept"),
    [
        ([], set()),
        (["web1", "www", "my_vm", "7"], {"web1", "www", "my_vm"}),
        (["DB1"], {"db1"}),
        (["ubuntu22.04", "a.b"], set()),  # no guest's name has a dot
        (["db1.lab.internal", "db2.dmz.internal", "a.b.lab.internal"], {"db1"}),
        (["a\ndhcp-script=/x", "a,b", "a*", "", "-", "w\u00e9b"], {"-"}),
    ],
)
def test_defined_names_are_kept_as_dnsmasq_would_give_them(
    defined: list[str], kept: set[str]
) -> None:
    assert set(kept_names(defined, "hv1", "lab.internal")) == RESERVED | kept | {"hv1"}


@pytest.mark.parametrize("host", ["hv1", "HV1", "hv1.example.com"])
def test_the_hosts_own_name_is_kept(host: str) -> None:
    assert set(kept_names((), host, "lab.internal")) == RESERVED | {"hv1"}
