"""Definitions: written whole, read back equal, and refused with the file and key at fault."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from leasewatch.pyvirt.defined import store
from nss_pyvirt.errors import UserError


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A nested table."""

    network: str


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A definition with every shape the real ones have."""

    name: str
    ports: tuple[Port, ...] = ()
    size: int = 1

    word: ClassVar[str] = "thing"

    def checked(self) -> Thing:
        """What its own module refuses."""
        if self.size > 9:
            raise UserError("it is too large", "make it smaller", "invalid")
        return self


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    thing = Thing('web"1', (Port("lab"), Port("dmz")), 7)
    file = store.write(tmp_path / "things", thing)
    assert file.stat().st_mode & 0o777 == 0o644
    assert store.read(tmp_path / "things", thing.name, Thing) == thing
    assert store.names(tmp_path / "things") == ['web"1']


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 'a'\nsize = 10\n", "a.toml: it is too large"),
        ("name = 'a'\nsize = 'big'\n", "a.toml: size: Expected `int`, got `str`"),
        ("name = 'a'\n[[ports]]\nnetwrk = 'x'\n", "a.toml: ports[0]: Object contains unknown"),
        ("name = 'a'\ncolour = 'red'\n", "unknown field `colour`"),
        ("size = 2\n", "missing required field `name`"),
        ("name = 'b'\n", 'a.toml: name: is "b", but the file is named a.toml'),
        ("name = \n", "a.toml: Invalid value (at line 1"),
        ("name = '\xff'\n", "a.toml: "),
    ],
)
def test_a_bad_definition_is_one_line_with_file_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "a.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        store.read(tmp_path, "a", Thing)
    assert says in caught.value.what
    assert "\n" not in caught.value.what


def test_a_name_that_is_nearly_right_is_guessed(tmp_path: Path) -> None:
    store.write(tmp_path, Thing("laboratory"))
    with pytest.raises(UserError, match='there is no thing "labratory"') as caught:
        store.read(tmp_path, "labratory", Thing)
    assert caught.value.hint == "did you mean laboratory?"


def test_a_name_in_another_case_is_guessed(tmp_path: Path) -> None:
    store.write(tmp_path, Thing("Lab"))
    with pytest.raises(UserError) as caught:
        store.read(tmp_path, "LAB", Thing)
    assert caught.value.hint == "did you mean Lab?"


def test_where_there_is_none_the_hint_is_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='there is no thing "lab"') as caught:
        store.read(tmp_path, "lab", Thing)
    assert caught.value.hint == "sudo pyvirt thing create lab"


@pytest.mark.parametrize("name", ["../passwd", "a/b", ".hidden", "a.json", "a" * 241, "é" * 121])
def test_a_name_never_leads_out_of_the_folder_or_to_what_is_no_definition(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UserError, match="is no thing's name"):
        store.read(tmp_path, name, Thing)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    thing = Thing("é" * 120)
    store.write(tmp_path, thing)
    assert store.read(tmp_path, thing.name, Thing) == thing


def test_a_write_that_fails_leaves_the_old_definition_and_no_litter(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()  # a rename cannot replace a folder
    with pytest.raises(UserError, match="cannot write"):
        store.write(tmp_path, Thing("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]
