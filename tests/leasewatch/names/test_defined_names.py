"""Names of definitions, from real files that change."""

from __future__ import annotations

from pathlib import Path

from leasewatch.names.defined_names import DefinedNames


def test_names_and_aliases_follow_the_files_and_what_cannot_be_read_proves_nothing(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "domains"
    defined = DefinedNames(folder)
    assert defined.scan() == set()
    folder.mkdir()
    (folder / "web1.toml").write_text('name = "web1"\naliases = ["db", "db.example"]\n')
    (folder / "web2.toml").write_text('name = "web2"\n')
    (folder / ".web3.toml").write_text("aliases = ['web4']\n")
    assert defined.scan() == {"web1", "web2", "db", "db.example"}
    (folder / "web1.toml").write_text("aliases = [")
    (folder / "web2.toml").write_text("aliases = 'web5'\n")
    assert defined.scan() == {"web1", "web2", "db", "db.example"}
    (folder / "web1.toml").write_text('aliases = ["app"]\n')
    assert defined.scan() == {"web1", "web2", "app"}
    folder.rename(tmp_path / "away")
    assert defined.scan() == {"web1", "web2", "app"}
    folder.mkdir()
    assert defined.scan() == set()
