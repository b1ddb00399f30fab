"""packaging/docs: pages of every source, links that hold, a folder that is replaced whole."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from handbook import links, markdown, recording, sources, start, typist
from handbook.__main__ import make, put
from nss_pyvirt.errors import UserError
from tests import readme

ROOT = Path(__file__).parents[1]


def build(output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "packaging/docs", output], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("docs") / "html"
    done = build(output)
    assert done.returncode == 0, done.stderr
    return output


def test_there_is_a_page_of_every_source(built: Path) -> None:
    there = {file.name for file in built.iterdir()}
    assert set(sources.page_files(ROOT).values()) < there
    rooms = (built / "rooms.html").read_text()
    assert all(
        f"<code>{file.parent.relative_to(ROOT)}/</code>" in rooms
        for file in ROOT.glob("leasewatch/**/__init__.py")
    )
    headers = (built / "headers.html").read_text()
    assert all(f"csrc/{file.name}" in headers for file in ROOT.glob("csrc/*.h"))
    interfaces = (built / "varlink.html").read_text()
    assert all(file.stem in interfaces for file in ROOT.glob("packaging/varlink/*"))


def test_each_page_reaches_all_others_and_its_sections(built: Path) -> None:
    pages = {file.name for file in built.glob("*.html")} - {"index.html"}
    for file in built.glob("*.html"):
        assert pages <= set(re.findall(r'<a href="([^"#]+)"', file.read_text())), file.name
    guide = (built / "guide.html").read_text()
    for heading in re.findall(r"^## (.*)$", readme.README, re.MULTILINE):
        assert guide.count(html.escape(heading.replace("`", ""))) >= 2, heading


def test_no_page_needs_a_script_or_another_host(built: Path) -> None:
    for file in built.iterdir():
        text = file.read_text()
        assert "<script" not in text, file.name
        assert not re.search(r"@import|url\(|(?:src|srcset)=\"?http", text), file.name


def test_the_start_page_shows_the_transcript_of_the_readme(built: Path) -> None:
    text = (built / "index.html").read_text()
    for command, lines in readme.dialogue()[:4]:
        assert f'<span class="typed">{command}</span>' in text
        assert all(line in text for line in lines)
    assert len(text) < 80_000


def test_two_builds_are_the_same(built: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "again").returncode == 0
    first = {file.name: file.read_bytes() for file in built.iterdir()}
    assert first == {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}


def like_the_checkout(root: Path, **changed: str) -> Path:
    """A folder with links to what the pages are made of, and other texts for some files."""
    root.mkdir()
    for name in ("README.md", "CHANGELOG.md", "leasewatch", "nss_pyvirt", "csrc", "packaging"):
        (root / name).symlink_to(ROOT / name)
    (root / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    for name, text in changed.items():
        (root / f"{name}.md").unlink()
        (root / f"{name}.md").write_text(text)
    return root


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("#no-such-section", "guide.html links to #no-such-section, which is not there"),
        ("leasewatch/NONE.md", "README.md links to leasewatch/NONE.md, which has no page"),
        ("leasewatch/DESIGN.md#none", "guide.html links to design.html#none, which is not there"),
    ],
)
def test_a_broken_link_fails_with_one_line(tmp_path: Path, link: str, fault: str) -> None:
    text = readme.README.replace("If the service stops", f"[x]({link}) If the service stops", 1)
    with pytest.raises(UserError) as error:
        make(like_the_checkout(tmp_path / "checkout", README=text))
    assert error.value.what == fault


def test_an_id_that_a_page_has_twice_is_a_fault() -> None:
    assert links.faults({"a.html": '<p id="x"><p id="x">'}, set()) == ["a.html has the id x twice"]


def test_a_link_inside_a_link_is_a_fault() -> None:
    found = links.faults({"a.html": '<a href="a.html"><b><a href="#"></a></b></a>'}, set())
    assert found == ["a.html has a link to # inside another link"]


def test_a_picture_of_another_host_is_a_fault() -> None:
    found = links.faults({"a.html": '<img src="http://h/x.png"><a href="http://h/">x</a>'}, set())
    assert found == ["a.html needs http://h/x.png, which is on another host"]


def test_a_folder_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter").write_text("dear")
    done = build(tmp_path / "mine")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"docs: {tmp_path}/mine is there, and not from packaging/docs",
        "  hint: name a new folder",
    ]
    assert [file.name for file in tmp_path.rglob("*")] == ["mine", "letter"]


def test_an_earlier_build_is_replaced_whole(tmp_path: Path) -> None:
    made = {"index.html": '<meta name="generator" content="packaging/docs">'}
    put(made | {"old.html": ""}, tmp_path / "html")
    put(made | {"new.html": ""}, tmp_path / "html")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["html", "index.html", "new.html"]


def test_without_mandoc_a_line_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-P", "-m", "handbook", tmp_path / "html"],
        env={"PATH": str(tmp_path), "PYTHONPATH": str(ROOT / "packaging/python")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr.splitlines() == [
        "docs: mandoc is missing",
        "  hint: sudo apt install --no-install-recommends mandoc",
    ]
    assert not list(tmp_path.iterdir())


def test_a_prompt_is_not_part_of_what_is_copied() -> None:
    made = markdown.render("```console\n$ ssh web1\nweb1\n```\n", "README.md", {}).body
    assert '<span class="prompt">$ </span><span class="typed">ssh web1</span>\nweb1' in made


def test_headings_have_the_anchors_of_the_readme_tests() -> None:
    made = markdown.render("# T\n\n## A `b`, c?\n\n## A b c\n", "README.md", {})
    assert made.title == "T"
    assert [one.anchor for one in made.headings] == ["a-b-c", "a-b-c-1"]
    assert "<h1" not in made.body


def cast(*events: tuple[float, str]) -> str:
    lines = [{"version": 2, "width": 80, "height": 24}, *([t, "o", text] for t, text in events)]
    return "\n".join(map(json.dumps, lines))


def test_a_recording_shows_what_each_line_was_last() -> None:
    lines = recording.cells(cast((1, "booting\r"), (1.5, "\x1b[Kup\r\n"), (60, "\x1b[1mx\x1b[0m")))
    assert ["".join(cell.character for cell in line) for line in lines] == ["up", "x"]
    assert [lines[0][0].time, lines[1][0].time] == [1.5, 3]


def test_a_recording_that_moves_the_cursor_is_refused() -> None:
    with pytest.raises(ValueError, match="moves the cursor"):
        recording.cells(cast((0, "\x1b[2A")))


def test_the_recording_is_a_whole_run_of_the_commands_that_the_typist_has() -> None:
    text = start.CAST.read_text()
    lines = ["".join(cell.character for cell in line) for line in recording.cells(text)]
    assert [line[2:] for line in lines if line[:2] == "$ " and line[2:]] == [*typist.COMMANDS]
    assert not [wanted for wanted in typist.PROOF if wanted not in "\n".join(lines)]
    assert max(map(len, lines)) <= typist.COLUMNS
    assert len(text) < 150_000


def test_the_design_page_links_to_the_rooms(built: Path) -> None:
    design = (built / "design.html").read_text()
    assert '<a href="rooms.html#leasewatchnames"><code>names/</code></a>' in design
