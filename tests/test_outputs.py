"""Which files are written for documents, and where."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from commands import LINE, SAMPLE, done, refused, run
from handwriting import Echo
from PIL import Image

from inkread.errors import BadConfig, BadInput, CannotWrite
from inkread.inputs import open_images
from inkread.inputs.collect import Input, collect
from inkread.model.recognizer import Recognizers
from inkread.outputs.batch import Result, write_documents
from inkread.outputs.files import NAMES, Outputs
from inkread.pages.reader import Reader

ALL = "text,md,json,tsv,alto,page,hocr"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of documents, as the working directory: a line, two pages, pen strokes, one that is damaged."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "scans"
    (folder / "box" / "1917").mkdir(parents=True)
    shutil.copy(LINE, folder / "a.png")
    first, second = (Image.fromarray(open_images(file)[0]) for file in sorted(SAMPLE.glob("*.png"))[:2])
    first.convert("RGB").save(folder / "a.jpg")
    first.save(folder / "box" / "two.tif", save_all=True, append_images=[second])
    shutil.copy(SAMPLE / "pen.inkml", folder / "box" / "1917" / "pen.inkml")
    (folder / "box" / "bad.png").write_bytes(LINE.read_bytes()[:2000])
    return folder


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)).replace(os.sep, "/") for path in folder.rglob("*") if path.is_file())


def results(outputs: Outputs, *arguments: str) -> list[Result]:
    return list(write_documents(Reader(Echo()), collect(arguments).inputs, outputs))


def test_a_folder_is_mirrored_and_each_document_keeps_its_whole_name(tree: Path) -> None:
    done_with = results(Outputs(("text", "json"), Path("out")), "scans")
    names = ["a.jpg", "a.png", "box/1917/pen.inkml", "box/two.tif"]
    assert written(Path("out")) == sorted(name + suffix for name in names for suffix in (".txt", ".jsonl"))
    assert Path("out/box/two.tif.txt").read_text("utf-8") == "ab c\n\nab c\n"
    failed = [result for result in done_with if result.error]
    assert [result.input.path for result in failed] == [os.path.join("scans", "box", "bad.png")]
    assert isinstance(failed[0].error, BadInput) and not failed[0].files
    two = next(result for result in done_with if result.input.path.endswith("two.tif"))
    assert two.pages == 2 and [path.name for path in two.files] == ["two.tif.txt", "two.tif.jsonl"]


def test_files_beside_the_documents(tree: Path) -> None:
    results(Outputs(("text",), None), "scans")
    assert written(tree) == sorted(
        ["a.jpg", "a.png", "box/1917/pen.inkml", "box/bad.png", "box/two.tif"]
        + ["a.jpg.txt", "a.png.txt", "box/1917/pen.inkml.txt", "box/two.tif.txt"]
    )
    with pytest.raises(BadConfig, match="standard input has no folder"):
        Outputs(("text",), None).check([Input("-", Path("stdin"))])
    Outputs(("text",), Path("out")).check([Input("-", Path("stdin"))])


def test_alto_and_page_have_a_file_for_each_page(tree: Path) -> None:
    results(Outputs(("alto", "page", "hocr"), Path("out")), "scans/box/two.tif", "scans/a.png")
    expected = [f"two.tif-p00{page}.{form}.xml" for page in (1, 2) for form in ("alto", "page")]
    assert written(Path("out")) == sorted([*expected, "two.tif.html", "a.png.alto.xml", "a.png.page.xml", "a.png.html"])
    assert 'PHYSICAL_IMG_NR="2"' in Path("out/two.tif-p002.alto.xml").read_text("utf-8")
    results(Outputs(("alto",), Path("one")), "scans/box/two.tif#2")
    assert written(Path("one")) == ["two.tif-p002.alto.xml"]


def test_two_documents_never_get_the_same_file(tree: Path) -> None:
    twin = tree / "box" / "a.png"
    shutil.copy(LINE, twin)
    outputs = Outputs(("text",), Path("out"))
    outputs.check(collect(["scans"]).inputs)
    with pytest.raises(BadConfig, match=r"scans/a\.png and scans/box/a\.png would both become out.a\.png\.txt"):
        outputs.check(collect(["scans/a.png", "scans/box/a.png"]).inputs)
    shutil.copy(LINE, tree / "scan")
    shutil.copy(LINE, tree / "scan.pdf")
    with pytest.raises(BadConfig, match=r"scans/scan would overwrite scans.scan\.pdf, which is read too"):
        Outputs(("pdf",), None, overwrite=True).check(collect(["scans/scan", "scans/scan.pdf"]).inputs)


def test_existing_files_are_kept_unless_the_user_says_otherwise(tree: Path) -> None:
    inputs = collect(["scans/box/two.tif"]).inputs
    kept = Path("out/two.tif-p001.alto.xml")
    kept.parent.mkdir()
    kept.write_text("corrected by hand")
    with pytest.raises(CannotWrite, match=r"two\.tif-p001\.alto\.xml: exists; give --force"):
        Outputs(("alto",), Path("out")).check_new(inputs[0], ())
    Outputs(("alto",), Path("out"), overwrite=True).check_new(inputs[0], ())
    (result,) = results(Outputs(("text", "alto"), Path("out")), "scans/box/two.tif")  # if it is made meanwhile
    assert isinstance(result.error, CannotWrite) and written(Path("out")) == ["two.tif-p001.alto.xml"]
    (result,) = results(Outputs(("text", "alto"), Path("out"), overwrite=True), "scans/box/two.tif")
    assert not result.error and kept.read_text("utf-8") != "corrected by hand"


def test_a_format_that_fails_leaves_no_files(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(document: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("inkread.document.hocr.write", broken)
    monkeypatch.setattr("inkread.document.FORMATS", {})
    from inkread import document

    text, hocr = document.Format(".txt", lambda document: "text"), document.Format(".html", broken)
    monkeypatch.setattr("inkread.outputs.batch.FORMATS", {"text": text, "hocr": hocr})
    monkeypatch.setattr("inkread.outputs.files.FORMATS", {"text": text, "hocr": hocr})
    (result,) = results(Outputs(("text", "hocr"), Path("out")), "scans/a.png")
    assert "an error in inkread (ZeroDivisionError())" in str(result.error) and not written(Path("."))[5:]


def test_markdown_links_to_the_page_from_where_it_is(tree: Path) -> None:
    results(Outputs(("md",), Path("out"), link_pages=True), "scans")
    assert "![page 1](../scans/a.jpg)" in Path("out/a.jpg.md").read_text("utf-8")
    assert "[page 2](../../scans/box/two.tif)" in Path("out/box/two.tif.md").read_text("utf-8")
    results(Outputs(("md",), None, link_pages=True), "scans/a.png")
    assert "![page 1](a.png)" in Path("scans/a.png.md").read_text("utf-8")
    assert Outputs(("md",), Path("out"), link_pages=True).link(Input("-", Path("stdin"))) is None


# ---- the command


@pytest.mark.parametrize("form", NAMES)
def test_every_format_goes_to_stdout(model: Path, form: str, tree: Path) -> None:
    if form == "pdf":
        pytest.importorskip("pikepdf")
        pytest.importorskip("img2pdf")
    options = ("--model", model, "--format", form)
    result = done("predict", "scans/a.png", *options)
    done("predict", "scans/a.png", *options, "--out", "out")
    (file,) = Path("out").glob("[!.]*")
    dates = rb"date:.*|<(Created|LastChange)>.*?<|D:\d+|<xmp:\w+Date>.*?<|/ID \[.*"
    if form == "pdf":
        assert result.stdout_bytes.startswith(b"%PDF-") and abs(len(result.stdout_bytes) - file.stat().st_size) < 99
    else:
        assert re.sub(dates, b"", file.read_bytes()) == re.sub(dates, b"", result.stdout_bytes)


@pytest.mark.usefixtures("tree")
def test_a_batch_ends_with_a_summary(model: Path) -> None:
    result = run("predict", "scans", "--model", model, "--format", "txt,md", "--out", "out")
    assert result.exit_code == 1 and not result.stdout
    assert result.stderr.splitlines()[-1] == "4 documents read (5 pages), 8 files written to out; 1 of 5 failed"
    result = done("predict", "scans/a.png", "--model", model, "--beside")
    assert result.stderr == "1 document read (1 page), 1 file written next to what was read\n"


def test_the_model_of_a_notebook_is_that_of_strokes_though_its_last_page_is_empty(model: Path, tmp_path: Path) -> None:
    page = '<page width="300" height="200"><layer>{}</layer></page>'
    text = page.format('<text font="Sans" size="12" x="9" y="9">typed</text>')
    (tmp_path / "a.xopp").write_text(f"<xournal>{text}{page.format('')}</xournal>", "utf-8")
    reader = Reader(Recognizers(str(model), "strokes"))
    (result,) = write_documents(reader, collect([str(tmp_path)]).inputs, Outputs(("md",), tmp_path / "out"))
    assert 'model: "strokes"' in result.files[0].read_text("utf-8")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(CannotWrite) as caught:
        Outputs(("text",), tmp_path).check([])
    assert str(caught.value).startswith(f"{tmp_path}: no permission to write into this folder")


@pytest.mark.skipif(os.name == "nt", reason="there the whole path is limited")
def test_a_name_that_is_too_long_for_its_outputs(tree: Path, model: Path) -> None:
    name = "a" * 250 + ".png"
    shutil.copy(LINE, tree / name)
    line = refused("predict", tree / name, "--model", model, "--out", "out", code=4)
    assert line.endswith("(File name too long); give what is read a shorter name")


@pytest.mark.usefixtures("tree")
def test_options_that_contradict_each_other(model: Path) -> None:
    for options, problem in (
        ("scans/a.png --out out --beside", "--out and --beside contradict each other"),
        ("scans/a.png --format text,md", "several formats: name --out FOLDER or --beside"),
        ("scans/a.png scans/a.jpg --format md", "several files: name --out FOLDER or --beside"),
        ("scans/a.png --format md --link-pages", "--link-pages is for files"),
        ("scans/a.png --format docx", "'docx' is not one of text, md, json, tsv, alto, page, hocr, pdf"),
        ("scans/a.png --json --format md", "--json and --format contradict each other"),
    ):
        assert problem in refused("predict", *options.split(), "--model", model, code=2)


def test_a_pdf_needs_its_packages(model: Path, monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    monkeypatch.setitem(sys.modules, "pikepdf", None)
    monkeypatch.delitem(sys.modules, "inkread.outputs.pdf", raising=False)
    line = refused("predict", "scans/a.png", "--model", model, "--format", "pdf", code=2)
    assert line.endswith("run: pip install 'inkread[pdf]'")


def test_pdfs_that_were_written_beside_are_not_read_again(model: Path, tree: Path) -> None:
    pytest.importorskip("pikepdf")
    pytest.importorskip("img2pdf")
    done("predict", "scans/a.png", "--model", model, "--format", "pdf", "--beside")
    assert "a.png.pdf" not in [Path(found.path).name for found in collect(["scans"]).inputs]
    assert [found.path for found in collect(["scans/a.png.pdf"]).inputs] == ["scans/a.png.pdf"]


def test_json_lines_are_read_as_a_dataset(model: Path, tree: Path) -> None:
    done("predict", "scans/a.png", "--model", model, "--format", "json", "--beside")
    rows = Path("scans/a.png.jsonl").read_text("utf-8").splitlines()
    assert json.loads(rows[0])["file"] == "scans/a.png"
