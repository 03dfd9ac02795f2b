"""What the user names becomes documents: folders, patterns, lists and ranges of pages."""

import errno
import io
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inkread.errors import BadInput, NothingToRead
from inkread.inputs import IMAGE_SUFFIXES, INK_SUFFIXES, collect
from inkread.inputs.collect import Collection, Input, is_document

Link = Callable[[Path, Path | str], None]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    """Empty files, with their folders: what is collected is not opened."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def found(*arguments: str) -> Collection:
    """What is collected without any problem."""
    collected = collect.collect(arguments)
    assert not collected.problems
    return collected


def paths(*arguments: str) -> list[str]:
    return [Path(document.path).as_posix() for document in found(*arguments).inputs]


def relatives(*arguments: str) -> list[str]:
    return [document.relative.as_posix() for document in found(*arguments).inputs]


def problem(*arguments: str) -> BadInput:
    """The only problem, where nothing is found."""
    collected = collect.collect(arguments)
    (error,) = collected.problems
    assert not collected.inputs and error.hint
    return error


# ---- folders


def test_a_folder_in_natural_order(here: Path) -> None:
    names = "Page1.png page2.jpg page10.tif b/1.pdf b/2.inkml b/11/x.webp b/c.PNG page2/a.png".split()
    make(*(f"in/{name}" for name in names))
    order = "b/1.pdf b/2.inkml b/11/x.webp b/c.PNG Page1.png page2/a.png page2.jpg page10.tif".split()
    assert relatives("in") == order
    assert paths("in") == paths("in/") == [f"in/{name}" for name in order]
    assert paths(str(here / "in")) == [(here / "in" / name).as_posix() for name in order]
    os.chdir("in")
    assert relatives(".") == order


def test_equal_numbers_have_an_order() -> None:
    make_order = sorted([Path("a1"), Path("a01"), Path("a1b"), Path("a"), Path("A2"), Path("1"), Path("10"), Path("9")])
    ordered = sorted(make_order, key=collect._natural)
    assert [str(path) for path in ordered] == ["1", "9", "10", "a", "a01", "a1", "a1b", "A2"]


def test_what_is_no_document_is_skipped_and_counted(here: Path) -> None:
    names = ("a.png", "a.xml", "b.XML", "a.txt", "a.json", "notes", ".hidden.png", ".git/x.png", ".git/y.png")
    make(*(f"in/{name}" for name in names))
    collected = found("in")
    assert [document.path for document in collected.inputs] == [os.path.join("in", "a.png")]
    assert collected.skipped.endings == {".xml": 2, ".txt": 1, ".json": 1, "": 1}
    assert re.fullmatch(r"skipped 5 files that are not documents \(\.xml 2, .*\), 2 hidden", str(collected.skipped))
    assert str(found("in/a.png").skipped) == ""
    make(*(f"many/{number}.k{number}" for number in range(9)), "many/a.png")
    assert str(found("many").skipped).endswith(", others 3)")
    make("one/a.png", "one/Thumbs.db")
    assert str(found("one").skipped) == "skipped 1 file that is not a document (.db 1)"


def test_every_format_with_an_ending_of_its_own_is_recognised() -> None:
    for suffix in INK_SUFFIXES | IMAGE_SUFFIXES:
        assert suffix.startswith(".") and suffix == suffix.lower() and is_document(f"a{suffix.upper()}")
    assert not any(map(is_document, ["a.xml", "a.json", "a.txt", "a.html", "a.md", "a.docx", "png", ".png"]))


def test_a_folder_for_results_is_left_out(here: Path) -> None:
    make("in/a.png", "in/texts/a.pdf", "in/b/texts/c.png")
    collected = collect.collect(["in"], leave_out=Path("in/texts"))
    assert [document.relative.as_posix() for document in collected.inputs] == ["a.png", "b/texts/c.png"]
    assert len(collect.collect(["in/texts"], leave_out=Path("in/texts")).inputs) == 1


def test_links(here: Path, symlink: Link) -> None:
    """Links to files are followed, those to folders are not: they could lead in a circle, or to all of the disk."""
    make("in/a.png", "in/b/c.png", "other/d.png")
    for name, target in {
        "loop": "..",
        "b/up": "../../in",
        "self.png": "self.png",
        "lost.png": "no",
        "o": "../other",
    }.items():
        symlink(here / "in" / name, target)
    symlink(here / "in" / "linked.png", here / "other" / "d.png")
    collected = found("in")
    assert [document.relative.as_posix() for document in collected.inputs] == ["a.png", "b/c.png", "linked.png"]
    assert str(collected.skipped) == "skipped 5 symbolic links to folders or to nothing"
    assert relatives("in/o") == ["d.png"]  # named itself
    assert relatives("in/**/*.png") == ["a.png", "b/c.png", "linked.png", "lost.png", "self.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_in_a_folder_is_not_opened(here: Path) -> None:
    make("in/a.png")
    os.mkfifo("in/b.png")
    assert relatives("in") == ["a.png"]


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/locked/b.png")
    scandir = os.scandir

    def locked(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    collected = collect.collect(["in"])
    assert [document.relative.as_posix() for document in collected.inputs] == ["a.png"]
    (error,) = collected.problems
    assert error.path == os.path.join("in", "locked")
    assert error.problem == "the folder cannot be read (Permission denied)" and error.hint


def test_folders_without_documents(here: Path) -> None:
    make("empty/a.docx", "full/a.png")
    assert isinstance(problem("empty"), NothingToRead)
    assert str(problem("empty")).startswith("empty: no documents in this folder; ")
    collected = collect.collect(["empty", "full"])
    assert len(collected.inputs) == len(collected.problems) == 1


def test_ten_thousand_files_are_listed_fast(here: Path) -> None:
    """It takes 0.2 s of a CPU."""
    for folder in map(Path, "0123456789"):
        folder.mkdir()
        for number in range(1000):
            (folder / f"{number}.png").touch()
    began = time.process_time()
    assert len(found(".").inputs) == 10_000
    assert time.process_time() - began < 2


# ---- files


def test_files_are_taken_as_they_are_named(here: Path) -> None:
    make("a.docx", "in/.b.png")
    names = ("a.docx", "in/.b.png", "missing.png", "-", "a.docx")
    assert [document.path for document in found(*names).inputs] == [*names]
    assert relatives(*names) == ["a.docx", ".b.png", "missing.png", "stdin", "a.docx"]


@pytest.mark.parametrize(
    ("name", "first", "last"), [("#3", 3, 3), ("#3-7", 3, 7), ("#5-", 5, None), ("#1-1", 1, 1), ("#12", 12, 12)]
)
def test_ranges_of_pages(here: Path, name: str, first: int, last: int | None) -> None:
    make("in/scan.pdf")
    assert found(f"in/scan.pdf{name}").inputs == [Input("in/scan.pdf", Path("scan.pdf"), first, last)]


def test_pages_of_a_document() -> None:
    assert [*Input("a.pdf", Path(), 3, 7).pages(7)] == [3, 4, 5, 6, 7]
    assert [*Input("a.pdf", Path(), 3).pages(4)] == [3, 4]
    assert [*Input("a.pdf", Path()).pages(2)] == [1, 2]
    for document, count, message in [
        (Input("a.pdf", Path(), 3, 7), 6, "a.pdf: 6 pages, but page 7 is wanted"),
        (Input("a.pdf", Path(), 2), 1, "a.pdf: 1 page, but page 2 is wanted"),
    ]:
        with pytest.raises(BadInput, match=message):
            document.pages(count)


def test_no_ranges_of_pages(here: Path) -> None:
    make("scan.pdf")
    for name in ("scan.pdf#0", "scan.pdf#7-3"):
        assert str(problem(name)) == f"{name}: not a range of pages; write for example #3, #3-7 or #5-"
    assert paths("scan.pdf#x", "scan.pdf#", "scan.pdf#-3", "lost.pdf#3") == [  # reported as missing when opened
        "scan.pdf#x",
        "scan.pdf#",
        "scan.pdf#-3",
        "lost.pdf#3",
    ]


def test_an_existing_file_wins(here: Path) -> None:
    make("scan.pdf", "scan.pdf#2", "@list.txt", "list.txt", "a[1].png", "#3", "@in/b.png")
    names = ["scan.pdf#2", "@list.txt", "a[1].png", "#3", "@in/b.png"]
    assert found(*names).inputs == [Input(name, Path(Path(name).name)) for name in names]
    assert relatives("@in") == ["b.png"]
    assert found("scan.pdf#2#4").inputs == [Input("scan.pdf#2", Path("scan.pdf#2"), 4, 4)]


# ---- lists


def test_a_list_of_files(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("scan.pdf", "in/b/c.png", "in/a.png")
    lines = f"\ufeffscan.pdf#2-3\r\n\nin/b/c.png\n../x.png\n{here / 'in' / 'a.png'}\nin\né *.png\n@x\n"
    Path("list.txt").write_bytes(lines.encode())
    documents = found("@list.txt").inputs
    assert [(document.path, document.relative.as_posix()) for document in documents] == [
        ("scan.pdf", "scan.pdf"),
        ("in/b/c.png", "in/b/c.png"),
        ("../x.png", "x.png"),
        (str(here / "in" / "a.png"), "a.png"),
        (os.path.join("in", "a.png"), "in/a.png"),
        (os.path.join("in", "b", "c.png"), "in/b/c.png"),
        ("é *.png", "é *.png"),
        ("@x", "@x"),
    ]
    assert (documents[0].first, documents[0].last) == (2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        assert found("@-").inputs == documents


def test_lists_that_cannot_be_used(here: Path) -> None:
    Path("empty.txt").write_text("\n \n")
    Path("image.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    assert str(problem("@empty.txt")) == "@empty.txt: an empty list; write one path per line"
    assert isinstance(problem("@empty.txt"), NothingToRead)
    assert "image.png: not a list of paths" in str(problem("@image.png"))
    assert "lost.txt: no such file" in str(problem("@lost.txt"))
    make("a.png")
    Path("list.txt").write_text("a.png#0\na.png\n")
    collected = collect.collect(["@list.txt"])
    assert len(collected.inputs) == len(collected.problems) == 1  # one bad line does not hide the others


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_names_that_are_not_utf8(here: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    make(f"in/{name}")
    Path("list.txt").write_bytes(b"in/caf\xe9.png\n")
    assert [document.path for document in found("in", "@list.txt").inputs] == [f"in/{name}"] * 2


# ---- patterns


def test_patterns(here: Path) -> None:
    make("in/page10.png", "in/page2.png", "in/x.docx", "in/b/page1.png", "in/.hidden.png", "in/b/.h/page3.png")
    assert paths("in/*.png") == ["in/page2.png", "in/page10.png"]
    assert paths("in/*") == ["in/b/page1.png", "in/page2.png", "in/page10.png", "in/x.docx"]
    assert paths("in/**/*.png") == ["in/b/page1.png", "in/page2.png", "in/page10.png"]
    assert relatives("in/**/*.png") == relatives("in/**") == ["b/page1.png", "page2.png", "page10.png"]
    assert relatives("in/page?.png") == ["page2.png"] and relatives("*/page[1-2].png") == ["in/page2.png"]
    assert relatives("i*/**") == ["in/b/page1.png", "in/page2.png", "in/page10.png", "in/x.docx"]
    assert relatives("i*") == ["in/b/page1.png", "in/page2.png", "in/page10.png"]
    assert paths(str(here / "in" / "page?.png")) == [(here / "in" / "page2.png").as_posix()]


def test_patterns_that_match_nothing(here: Path) -> None:
    assert str(problem("in/*.png")) == "in/*.png: no file matches this pattern; check it"
    assert isinstance(problem("in/*.png"), NothingToRead)
    make("in/a.png")
    assert isinstance(problem(f"in/{'x' * 5000}*"), BadInput)
