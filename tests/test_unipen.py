"""UNIPEN: hand-made files in the folders of the distribution, faulty and hostile ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ink_samples import only, points, refused

from inkread.errors import BadInput
from inkread.inputs import read_inks
from inkread.inputs.unipen import read_segments, writer_name


def unipen(folder: Path, provider: str, ink: str, labels: str) -> Path:
    """A label file and the ink that it includes, as they lie in the distribution."""
    file = folder / "include" / provider / "data" / "a.dat"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f".WRITER_ID ann\n.COORD X Y T\n{ink}")
    path = folder / "data" / "7" / provider / "a.dat"
    path.parent.mkdir(parents=True)
    path.write_text(f".VERSION 1.0\n.INCLUDE {provider}/data/a.dat\n{labels}")
    return path


INK = ".PEN_UP\n.PEN_DOWN\n0 0 1\n5 7 2\n.PEN_UP\n6 7 3\n.PEN_DOWN\n8 1 4\n9 2 5"


def test_components_are_numbered_as_the_provider_does(tmp_path: Path) -> None:
    path = unipen(tmp_path, "sta", INK, '.SEGMENT WORD 2 ? "say \\"hi\\""')
    (ink,) = read_inks(path)
    assert (ink.text, ink.writer, points(ink)) == ('say "hi"', "ann", [[[8, -1], [9, -2]]])
    path = unipen(tmp_path, "kar", INK, '.SEGMENT WORD 1 ? "no"\n.SEGMENT WORD 0,1 OK "yes"\n')
    assert [(ink.text, len(ink.strokes)) for ink in read_inks(path)] == [("no", 1), ("yes", 2)]


def test_the_largest_unit_with_a_text_is_used(tmp_path: Path) -> None:
    labels = '.SEGMENT WORD 0 ? "to"\n.SEGMENT TEXT 0-1 ? "to be"\n.SEGMENT CHARACTER 0 ? "t"\n'
    path = unipen(tmp_path, "kar", INK, labels)
    assert [ink.text for ink in read_inks(path)] == ["to be"]
    assert [segment.unit for segment in read_segments(path)] == ["WORD", "TEXT", "CHARACTER"]


def test_a_file_without_labels_is_one_ink() -> None:
    assert points(only(".COORD T Y X\n.PEN_DOWN\n0 1 2\n0 3 4\n")) == [[[2, -1], [4, -3]]]


def test_nothing_outside_the_include_folder_is_read(
    tmp_path: Path, symlink: Callable[[Path, Path | str], None]
) -> None:
    secret = tmp_path / "secret.dat"
    secret.write_text(".PEN_DOWN\npassword 1\n")
    data = tmp_path / "set"
    for link, target in (("file", secret), ("folder", tmp_path)):
        unipen(data / link, "kar", INK, "")
        symlink(data / link / "include/kar/data/link", target)
    (data / "whole/data").mkdir(parents=True)
    symlink(data / "whole/include", tmp_path)
    symlink(data / "folder/include/kar/data/inside", "a.dat")
    for place, included in [
        ("file", secret),
        ("file", "kar/data/../../../../../secret.dat"),
        ("file", "kar/data/link"),
        ("folder", "kar/data/link/secret.dat"),
        ("whole", "secret.dat"),
    ]:
        file = data / place / "data/b.dat"
        file.write_text(f".VERSION 1.0\n.INCLUDE {included}\n.PEN_DOWN\n1 2\n3 4\n")
        with pytest.raises(BadInput, match=r"b\.dat, line 2: .INCLUDE of a file outside") as caught:
            read_inks(file)
        assert "password" not in str(caught.value)
    file = data / "folder/data/b.dat"
    file.write_text(".INCLUDE kar/data/inside\n")
    assert len(read_inks(file)[0].strokes) == 2


def test_an_error_in_an_included_file_does_not_quote_it(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", ".PEN_DOWN\n1 password\n", "")
    with pytest.raises(
        BadInput, match=r"include/kar/data/a\.dat: the component at line 3 contains something else"
    ) as caught:
        read_inks(path)
    assert "password" not in str(caught.value)


def test_includes_that_double_many_times_are_refused(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", ".INCLUDE kar/data/0\n", "")
    for level in range(30):
        (tmp_path / f"include/kar/data/{level}").write_text(f".INCLUDE kar/data/{level + 1}\n" * 2)
    (tmp_path / "include/kar/data/30").write_text(INK)
    with pytest.raises(BadInput, match="more than 500,000 components"):
        read_inks(path)


def test_an_included_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = unipen(tmp_path, "kar", INK, "")
    assert len(read_inks(path)[0].strokes) == 2
    unipen(tmp_path / "other", "kar", INK + "\n.PEN_DOWN\n1 2\n", "")
    (tmp_path / "other/include/kar/data/a.dat").replace(tmp_path / "include/kar/data/a.dat")
    assert len(read_inks(path)[0].strokes) == 3


def test_faulty_unipen_is_refused(tmp_path: Path) -> None:
    assert "line 2 contains something else than numbers" in refused(".COORD X Y\n.PEN_DOWN\n1 2\n3 x\n").problem
    assert "not a finite number" in refused(".PEN_DOWN\n1 2\n3 nan\n").problem
    assert "no ink in what it includes (a.dat)" in refused('.INCLUDE a.dat\n.SEGMENT WORD 0 ? "a"\n').problem
    assert "no pen strokes" in refused(".VERSION 1.0\n").problem
    for part in ("0-1-2", "1-2,3--4", "99999999999"):
        error = refused(f'.PEN_DOWN\n1 2\n3 4\n.SEGMENT WORD {part} ? "a"\n')
        assert error.line == 4 and error.problem.startswith("not numbers of components")
    assert "no ink in what it includes (.)" in refused(".INCLUDE .\n").problem
    assert "no ink in what it includes" in refused(f".INCLUDE {'x' * 300}\n").problem
    circle = unipen(tmp_path, "kar", ".INCLUDE kar/data/a.dat\n", "")
    with pytest.raises(BadInput, match="run in a circle"):
        read_inks(circle)


def test_a_writer_is_named_by_provider_and_name(tmp_path: Path) -> None:
    path = unipen(tmp_path, "apb", INK, '.SEGMENT WORD 0 ? "to"')
    (segment,) = read_segments(path)
    assert writer_name(segment, path) == "ap/ann"
    assert writer_name(replace(segment, writer=None), Path("7/apd/001.dat")) == "ap/001"
