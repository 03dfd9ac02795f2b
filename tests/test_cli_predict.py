"""`inkread predict`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import INKS, LINE, ROOT, SAMPLE, done, refused, run
from PIL import Image

from inkread.data import open_dataset
from inkread.document import FORMATS
from inkread.inputs import open_images
from inkread.model.checkpoint import load_model, save_model
from inkread.pages import reader
from inkread.pages.layout import PageLayout, detect_layout

pytestmark = pytest.mark.usefixtures("one_process")


def test_one_picture_gives_its_text_and_nothing_else(model: Path) -> None:
    result = done("predict", LINE, "--model", model)
    assert re.fullmatch(r".*\S.*\n", result.stdout) and not result.stderr
    assert done("predict", "-", "--model", model, stdin=LINE.read_bytes()).output == result.output


def test_several_pictures_give_a_table(shelf: Path) -> None:
    files = sorted(SAMPLE.glob("*.png"))[:3]
    alone = [done("predict", file).stdout for file in files]
    assert done("predict", *files).stdout == "".join(f"{file}\t{text}" for file, text in zip(files, alone, strict=True))


def test_a_folder_gives_a_table_of_its_documents(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "b").mkdir(parents=True)
    for name, file in zip(("page2.png", "page10.png", "b/c.png"), sorted(SAMPLE.glob("*.png")), strict=False):
        shutil.copy(file, folder / name)
    for name in ("page2.xml", "song.mp3", ".hidden.png"):
        (folder / name).write_text("<alto/>")
    result = done("predict", folder, "--model", model)
    files = [folder / "b" / "c.png", folder / "page2.png", folder / "page10.png"]
    assert result.stdout == done("predict", *files, "--model", model).stdout
    assert result.stderr == "skipped 2 files that are not documents (.mp3 1, .xml 1), 1 hidden\n"
    (tmp_path / "list.txt").write_text("".join(f"{file}\n" for file in files))
    for several in (folder / "**" / "*.png", f"@{tmp_path / 'list.txt'}"):
        again = done("predict", several, "--model", model)
        assert again.stdout == result.stdout and not again.stderr
    result = run("predict", folder / "*.gif", files[0], "--model", model)
    assert (result.exit_code, result.stdout) == (1, done("predict", files[0], "--model", model).stdout)
    assert result.stderr.splitlines() == [
        f"Error: {folder / '*.gif'}: no file matches this pattern; check it",
        "1 of 2 files could not be read",
    ]


def test_some_pages_of_a_file(model: Path, pages: Path, tmp_path: Path) -> None:
    common = ("--model", model)
    rows = done("predict", pages, *common).stdout.splitlines()
    assert done("predict", f"{pages}#2-", *common).stdout.splitlines() == rows[1:]
    assert done("predict", f"{pages}#2", *common).stdout.splitlines() == [rows[1].partition("\t")[2]]
    objects = done("predict", f"{pages}#2-3", "--json", *common).stdout.splitlines()
    assert [json.loads(row)["page"] for row in objects] == [2, 3]
    assert f"{pages}: 3 pages, but page 4 is wanted" in refused("predict", f"{pages}#2-4", *common)
    xml = done("predict", f"{pages}#2-3", *common, "--format", "alto").stdout
    assert len(re.findall(r'<Page .*PHYSICAL_IMG_NR="([23])"', xml)) == 2
    assert "2 pages, but a file of --format page has one" in refused(
        "predict", f"{pages}#2-3", *common, "--format", "page"
    )
    assert "<Page" in done("predict", f"{pages}#2", *common, "--format", "page").stdout
    done("predict", f"{pages}#2", *common, "--overlay", tmp_path / "seen.png")
    assert open_images(tmp_path / "seen.png")[0].shape == open_images(pages)[1].shape


def test_every_page_of_a_tiff_is_read(model: Path, tmp_path: Path) -> None:
    first, second = (Image.fromarray(open_images(file)[0]) for file in sorted(SAMPLE.glob("*.png"))[:2])
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    file = tmp_path / "two.tif"
    rows = done("predict", file, "--model", model).stdout.splitlines()
    assert [row.partition("\t")[0] for row in rows] == [f"{file}#1", f"{file}#2"]
    rows = done("predict", file, "--json", "--model", model).stdout.splitlines()
    assert [json.loads(row)["page"] for row in rows] == [1, 2]


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_json_tells_all(model: Path, decoder: str) -> None:
    for file in sorted(SAMPLE.glob("*.png"))[:4]:
        reading = json.loads(done("predict", file, "--json", "--decoder", decoder, "--model", model).stdout)
        assert list(reading) == ["file", "page", "text", "confidence", "characters"]
        assert (reading["file"], reading["page"]) == (str(file), 1) and 0 <= reading["confidence"] < 1
        assert "".join(character["text"] for character in reading["characters"]) == reading["text"] != ""
        width = open_images(file)[0].shape[1]
        for character in reading["characters"]:
            assert list(character) == ["text", "confidence", "left", "right"] and 0 < character["confidence"] <= 1
            assert 0 <= character["left"] <= character["right"] <= width  # what is in a margin has no width
        lefts = [character["left"] for character in reading["characters"]]
        assert lefts == sorted(lefts)


def test_lines_worth_checking_are_listed_over_all_files(model: Path, tmp_path: Path) -> None:
    files = sorted(SAMPLE.glob("*.png"))[:4]
    ran = done("predict", *files, "--json", "--check", 2, "--model", model)
    confidences = {row["file"]: row["confidence"] for row in map(json.loads, ran.stdout.splitlines())}
    lowest = sorted(confidences, key=lambda file: confidences[file])[:2]
    head, *rows = ran.stderr.splitlines()
    assert head == "most worth checking, with the probability that a line has no error:"
    assert [re.findall(r"%  (.*?):  ", row)[0] for row in rows] == lowest
    assert "check" not in done("predict", files[0], "--model", model).stderr
    ran = done("predict", *files, "--check", 1, "--out", tmp_path / "checked", "--model", model)
    assert head in ran.stderr and ran.stdout == ""
    two = ("--jobs", 2, "--out", tmp_path / "checked")
    assert "leave --jobs" in refused("predict", files[0], "--check", 1, *two, "--model", model, code=2)


def spoilt(folder: Path) -> dict[str, Path]:
    """What people give by mistake, by what is wrong with it."""
    contents = {
        "no such file": None,
        "empty": b"",
        "not a picture": b"Dear Margaret",
        "a PDF": b"%PDF-1.7\n%...",
        "cut short": LINE.read_bytes()[:2000],
        "too large": png_header(60_000, 60_000),
        "damaged": png_header(0, 0),
    }
    files = {wrong: folder / f"{wrong}.png" for wrong in contents}
    for wrong, content in contents.items():
        if content is not None:
            files[wrong].write_bytes(content)
    return files


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size."""
    from struct import pack
    from zlib import crc32

    header = b"IHDR" + pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + header + pack(">I", crc32(header)) + end


def test_what_is_no_picture_is_named_in_one_line(model: Path, tmp_path: Path) -> None:
    for wrong, file in spoilt(tmp_path).items():
        line = refused("predict", file, "--model", model)
        assert line.startswith(f"Error: {file}: ") and wrong in line and ";" in line
    assert "<stdin>: the file is empty" in refused("predict", "-", "--model", model, stdin=b"")


def test_the_other_pictures_are_read_all_the_same(model: Path, tmp_path: Path) -> None:
    files = spoilt(tmp_path)
    result = run("predict", *files.values(), LINE, "--model", model)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"{LINE}\t{done('predict', LINE, '--model', model).stdout.strip()}"]
    *errors, summary = result.stderr.splitlines()
    assert [error.split(": ")[1] for error in errors] == [str(file) for file in files.values()]
    assert summary == f"{len(files)} of {len(files) + 1} files could not be read"


def test_documents_of_a_batch(model: Path, tmp_path: Path) -> None:
    """What is no page is named, and the pages after it are written; none takes another's place."""
    pages = [tmp_path / f"{name}.png" for name in ("a", "b")]
    for page in pages:
        shutil.copy(LINE, page)
    ink, tiff = tmp_path / "ink.json", tmp_path / "two.tif"
    ink.write_text(INKS["a.json"])
    Image.new("L", (90, 40), 255).save(tiff, save_all=True, append_images=[Image.new("L", (90, 40), 255)])
    out = tmp_path / "out"
    out.mkdir()
    common = ("--model", model, "--format", "page", "--out", out)
    result = run("predict", pages[0], ink, tiff, pages[1], *common)
    assert result.exit_code == 1
    names = [f"{name}.page.xml" for name in ("a.png", "b.png", "two.tif-p001", "two.tif-p002")]
    assert sorted(path.name for path in out.glob("[!.]*")) == names, result.output
    assert f"{ink}: pen strokes without a page, which page cannot describe" in result.stderr
    assert result.stderr.endswith(f"3 documents read (4 pages), 4 files written to {out}; 1 of 4 failed\n")
    twin = tmp_path / "other" / "a.png"
    line = refused("predict", pages[0], twin, *common, code=2)
    assert f"{pages[0]} and {twin} would both become {out / 'a.png.page.xml'}" in line


def test_pictures_with_nothing_to_read(model: Path, tmp_path: Path) -> None:
    """One pixel, a blank page, a black one: lines all the same."""
    for width, height, grey in ((1, 1, 0), (1, 90, 255), (900, 1, 0), (400, 60, 255), (400, 60, 0)):
        Image.new("L", (width, height), grey).save(tmp_path / f"{width}-{height}-{grey}.png")
    result = done("predict", *sorted(tmp_path.glob("*.png")), "--model", model)
    assert len(result.stdout.splitlines()) == 5 and not result.stderr


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A TIFF of three pages, each with a line of writing."""
    path = tmp_path / "pages.tif"
    first, *others = (Image.fromarray(open_images(file)[0]) for file in sorted(SAMPLE.glob("*.png"))[:3])
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.parametrize("form", ["alto", "page", "hocr"])
def test_a_line_on_which_nothing_is_read(model: Path, tmp_path: Path, form: str) -> None:
    silent = load_model(str(model))
    silent.weights["output.weight"][:] = 0
    silent.weights["output.bias"][:] = 0
    silent.weights["output.bias"][0] = 9  # blanks alone
    save_model(tmp_path / "silent.safetensors", silent)
    common = ("--page", "--model", tmp_path / "silent.safetensors")
    assert "xml" in done("predict", LINE, *common, "--format", form).stdout
    done("predict", LINE, *common, "--overlay", tmp_path / "seen.png")
    assert done("predict", LINE, *common).stdout == "\n"


def test_an_unexpected_error_in_one_file_does_not_stop_the_others(
    model: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages before it are written, so are the files after it."""

    def broken(name: str, number: int, *rest: Any) -> PageLayout:
        if number == 3:
            raise ZeroDivisionError("two\nlines")
        return detect_layout(name, number, *rest)

    monkeypatch.setattr(reader, "detect_layout", broken)
    result = run("predict", pages, LINE, "--model", model)
    assert result.exit_code == 1
    assert [row.partition("\t")[0] for row in result.stdout.splitlines()] == [f"{pages}#1", f"{pages}#2", str(LINE)]
    error, summary = result.stderr.splitlines()
    assert error.startswith(f"Error: {pages}: cannot be read because of an error in inkread (ZeroDivisionError(")
    assert summary == "1 of 2 files could not be read"
    result = run("predict", pages, "--model", model, "--format", "alto")
    assert result.exit_code == 1 and not result.stdout  # a document is written completely or not at all


def test_pictures_for_a_model_of_strokes_do_not_stop_the_others(tmp_path: Path, few: Path) -> None:
    (tmp_path / "a.json").write_text(INKS["a.json"])
    (tmp_path / "inks.jsonl").write_text('{"strokes": [[[0, 0], [0, 40], [20, 20], [40, 44]]], "text": "a"}\n' * 2)
    sizes = [flag for flag in ("hidden=4", "layers=1", "channels=4,4", "evaluations=1") for flag in ("--set", flag)]
    strokes = tmp_path / "strokes.safetensors"
    done("train", tmp_path / "inks.jsonl", "--dev", tmp_path / "inks.jsonl", *sizes, "--epochs", 1, "--out", strokes)
    result = run("predict", LINE, tmp_path / "a.json", "--model", strokes)
    assert result.exit_code == 1 and result.stdout.startswith(f"{tmp_path / 'a.json'}\t")
    assert f"Error: {LINE}: an image, but the model reads pen strokes" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_page_is_written_when_it_is_read(model: Path, tmp_path: Path) -> None:
    """While the next file is still to come."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "inkread", "predict", str(LINE), str(pipe), "--page", "--model", str(model)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(f"{LINE}\t".encode())
        pipe.write_bytes(LINE.read_bytes())
        assert process.stdout.read().startswith(f"{pipe}\t".encode())
    assert process.returncode == 0


@pytest.mark.parametrize(("form", "suffix"), [("text", "txt"), ("json", "jsonl"), ("hocr", "html")])
def test_every_format_can_go_into_a_folder(model: Path, pages: Path, tmp_path: Path, form: str, suffix: str) -> None:
    out = tmp_path / "new" / "folder"
    command = ("predict", LINE, pages, "--model", model, "--format", form, "--out", out)
    assert not done(*command).stdout
    files = [out / f"01-scan.png.{suffix}", out / f"pages.tif.{suffix}"]
    assert sorted(out.glob("[!.]*")) == files
    if form == "text":
        assert files[0].read_text("utf-8") == done("predict", LINE, "--model", model).stdout
        rows = done("predict", pages, "--model", model).stdout.splitlines()
        assert files[1].read_text("utf-8") == "\n\n".join(row.partition("\t")[2] for row in rows) + "\n"
    if form == "json":
        read = done("predict", LINE, pages, "--model", model, "--json").stdout
        assert files[0].read_text("utf-8") + files[1].read_text("utf-8") == read
    files[0].write_text("corrected by hand")
    assert "0 documents read (0 pages), 0 files written" in done(*command).stderr
    assert files[0].read_text() == "corrected by hand"
    shutil.rmtree(out / ".inkread")  # not known as inkread's
    result = run(*command)
    assert result.exit_code == 4
    assert f"Error: {files[0]}: exists; give --force to overwrite it, or another name" in result.stderr
    assert files[0].read_text() == "corrected by hand"
    done(*command, "--force")
    assert files[0].read_text() != "corrected by hand"


def test_a_file_that_cannot_be_written_does_not_stop_the_others(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        shutil.copy(LINE, name)
    Path("out/a.png.txt").mkdir(parents=True)
    result = run("predict", "a.png", "b.png", "--model", model, "--out", "out", "--force")
    assert result.exit_code == 4 and Path("out/b.png.txt").is_file()
    assert "Error: a.png: out/a.png.txt: cannot be written" in result.stderr
    Path("file").touch()
    assert "file/out: the folder cannot be made" in refused(
        "predict", "a.png", "--model", model, "--out", "file/out", code=4
    )


def test_an_overlay_of_every_page(model: Path, pages: Path, tmp_path: Path) -> None:
    done("predict", pages, "--model", model, "--overlay", tmp_path / "seen.png")
    drawn = [open_images(tmp_path / f"seen-{number}.png")[0] for number in (1, 2, 3)]
    assert [page.shape for page in drawn] == [page.shape for page in open_images(pages)]
    assert not (tmp_path / "seen.png").exists()
    shutil.copy(LINE, tmp_path / "own.png")
    own = tmp_path / "own.png"
    line = refused("predict", own, "--model", model, "--overlay", own, code=4)
    assert f"{own}: would overwrite the page itself" in line
    again = ("predict", pages, "--model", model, "--overlay", tmp_path / "seen.png")
    assert f"{tmp_path / 'seen-1.png'}: exists" in refused(*again, code=4)
    done(*again, "--force")


def test_an_overlay_is_as_colourful_as_the_page(model: Path, tmp_path: Path) -> None:
    page = Image.new("RGB", (300, 200), (120, 200, 250))
    page.save(tmp_path / "page.png")
    done(
        "predict", "-", "--model", model, "--overlay", tmp_path / "seen.png", stdin=(tmp_path / "page.png").read_bytes()
    )
    assert open_images(tmp_path / "seen.png").in_color(0)[9, 9].tolist() == [120, 200, 250]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
@pytest.mark.parametrize("form", ["text", "json", "alto", "page", "hocr"])
def test_odd_file_names(model: Path, tmp_path: Path, form: str) -> None:
    names = ["œ 'é'.png", os.fsdecode(b"caf\xe9.png"), 'tab\tline\n"quote".png']
    shown = ["œ 'é'.png", r"caf\udce9.png", r'tab\tline\n"quote".png']
    files = [tmp_path / name for name in names]
    for file in files:
        shutil.copy(LINE, file)
    if form == "text":
        rows = done("predict", *files, "--model", model).stdout.splitlines()
        assert [row.split("\t")[0] for row in rows] == [f"{tmp_path}/{name}" for name in shown]
    elif form == "json":
        rows = done("predict", *files, "--model", model, "--json").stdout.splitlines()
        assert [json.loads(row)["file"] for row in rows] == [str(file) for file in files]
        Path(tmp_path / "read.jsonl").write_text("\n".join(rows), "utf-8")
        assert [sample.path for sample in open_dataset(str(tmp_path / "read.jsonl")).samples] == files
    result = run(
        "predict", *files, tmp_path / os.fsdecode(b"\n\xff"), "--model", model, "--format", form, "--out", tmp_path
    )
    assert rf"Error: {tmp_path}/\n\udcff: no such file" in result.stderr and result.exit_code == 1
    for file in files:
        assert file.with_name(file.name + FORMATS[form].suffix).read_text("utf-8")


def test_stdout_is_utf8_when_it_is_redirected(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / "é.png", tmp_path / "œ.png"]
    for file in files:
        shutil.copy(LINE, file)
    for encoding in ("latin-1", "cp1252", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-m", "inkread", "predict", *map(str, files), "--model", str(model)]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
        assert [row.partition("\t")[0] for row in result.stdout.decode("utf-8").splitlines()] == [*map(str, files)]


@pytest.mark.parametrize("name", ["latin-research", "strokes-research"])
def test_models_that_are_not_in_the_package(shelf: Path, name: str) -> None:
    line = refused("predict", LINE, "--model", name)
    assert f"{name}: not part of the package, as it may be used for research only" in line


def test_ink_is_read_where_pictures_are(model: Path, tmp_path: Path) -> None:
    for name, content in INKS.items():
        (tmp_path / name).write_text(content)
        rows = done("predict", tmp_path / name, "--model", model, "--json").stdout.splitlines()
        paragraphs = [1, 1] if name.startswith("two") else [None]
        assert [json.loads(row).get("paragraph") for row in rows] == paragraphs, name
        if name.startswith("a."):
            by_pipe = done("predict", "-", "--model", model, stdin=content.encode()).stdout
            assert by_pipe == done("predict", tmp_path / name, "--model", model).stdout
    (tmp_path / "a.jsonl").write_text('{"strokes": [[[0, 0], [0, 40], [20, 20]]], "text": "a"}\n')
    assert "CER" in done("eval", tmp_path / "a.jsonl", "--model", model).stdout
    assert "1 lines" not in done("check", tmp_path / "a.jsonl").stdout
    (tmp_path / "bad.json").write_text("[[[0, 0], [1, NaN]]]")
    assert "bad.json: stroke 1: a number that is not finite" in refused(
        "predict", tmp_path / "bad.json", "--model", model
    )


def test_strokes_have_a_model_of_their_own(shelf: Path, tmp_path: Path) -> None:
    """Chosen by itself for ink and by the dataset in training; a model that is named reads both."""
    rows = [{"strokes": [[[0, 0], [0, 40], [20, 20], [40, 40 + n]]], "text": "a"} for n in range(4)]
    inks = tmp_path / "inks.jsonl"
    inks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sizes = [flag for flag in ("hidden=4", "layers=1", "channels=4,4", "evaluations=1") for flag in ("--set", flag)]
    trained = done("train", inks, "--dev", inks, *sizes, "--epochs", 1, "--out", shelf / "strokes.safetensors")
    assert "preset strokes" in trained.stderr
    assert load_model("strokes").config.features == "strokes"
    (tmp_path / "a.json").write_text(INKS["a.json"])
    assert (
        done("predict", tmp_path / "a.json").stdout == done("predict", tmp_path / "a.json", "--model", "strokes").stdout
    )
    both = done("predict", LINE, tmp_path / "a.json", LINE, "--json").stdout.splitlines()
    texts = [json.loads(row)["text"] for row in both]
    assert texts[0] == texts[2] == done("predict", LINE, "--model", "latin").stdout.strip("\n") != texts[1]
    assert json.loads(done("eval", inks, "--json").stdout)["model"] == "strokes"
    assert json.loads(done("eval", inks, "--json", "--model", "latin").stdout)["model"] == "latin"
    assert "an image, but the model reads pen strokes" in refused("predict", LINE, "--model", "strokes")


def test_reading_along(model: Path, ngrams: Path, few: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Margaret\n", "utf-8")
    read = done("predict", LINE, "--model", model, "--lm", ngrams).stdout
    assert read == done("predict", LINE, "--model", model, "--lm", ngrams, "--decoder", "beam").stdout
    assert done("predict", LINE, "--model", model, "--lm", ngrams, "--words", words).stdout.endswith("\n")
    assert "CER" in done("eval", few, "--model", model, "--lm", ngrams, "--words", words).stdout
    assert "names no language model" in refused("predict", LINE, "--model", model, "--words", words)


def test_a_model_names_the_language_it_reads_along_with(
    shelf: Path, ngrams: Path, few: Path, tmp_path: Path, letters: Path
) -> None:
    """Taken by itself, left out on demand, and handed down to what is trained from it, unless that has new letters."""
    plain = done("predict", LINE).stdout
    along = done("predict", LINE, "--lm", ngrams).stdout
    latin = load_model("latin")
    latin.facts["lm"] = f"{ngrams},{ngrams}"
    save_model(shelf / "latin.safetensors", latin)
    assert along != plain
    assert done("predict", LINE).stdout == along
    for letter_by_letter in (("--lm", "none"), ("--decoder", "greedy")):
        assert done("predict", LINE, *letter_by_letter).stdout == plain
    own = tmp_path / "own.safetensors"
    done("train", few, "--dev", few, "--from", "latin", "--epochs", 1, "--set", "evaluations=1", "--out", own)
    assert load_model(str(own)).facts["lm"] == latin.facts["lm"]
    lines = shutil.copytree(few, tmp_path / "lines")
    next(lines.glob("*.gt.txt")).write_text("Złoty", "utf-8")
    done(
        "train",
        lines,
        "--dev",
        few,
        "--from",
        "latin",
        "--epochs",
        1,
        "--set",
        "evaluations=1",
        "--out",
        own,
        "--force",
    )
    assert "lm" not in load_model(str(own)).facts


def test_the_language_of_a_line_is_detected(tmp_path: Path) -> None:
    """With the shipped models, by their names or codes, and with those that the model names."""
    french = SAMPLE / "15-scan.png"
    rows = [json.loads(row) for row in done("predict", "--json", LINE, french).stdout.splitlines()]
    assert [row["language"] for row in rows] == ["en", "fr"]
    named = [json.loads(done("predict", "--json", french, "--lm", lm).stdout) for lm in ("fr,en", "french,english")]
    assert named[0] == named[1] and "language" not in named[0] and named[0]["text"] == rows[1]["text"]
    assert done("predict", french, "--lm", "auto").stdout == done("predict", french).stdout == rows[1]["text"] + "\n"
