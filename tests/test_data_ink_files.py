"""InkML and UNIPEN."""

from pathlib import Path

from small_datasets import INKML, refusal

from inkread.data import open_dataset
from inkread.data.samples import is_ink, read_strokes


def test_inkml_with_its_truth(tmp_path: Path) -> None:
    (tmp_path / "page.inkml").write_text(INKML)
    for spec in (tmp_path, tmp_path / "page.inkml"):
        dataset = open_dataset(str(spec))
        assert [(sample.id, sample.text) for sample in dataset.samples] == [("page/1", "to"), ("page/2", "be")]
        assert dataset.skipped == ("page/3: no text",)
        assert read_strokes(dataset.samples[1])[0].tolist() == [[0, 50], [5, 59], [9, 50]]
    (tmp_path / "other.inkml").write_text("<ink>")
    assert len(open_dataset(str(tmp_path)).samples) == 2
    assert "other.inkml, line 1: not well-formed" in open_dataset(str(tmp_path)).skipped[0]
    assert "not well-formed" in refusal(tmp_path / "other.inkml")


def test_files_of_strokes_where_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.inkml").write_text(INKML)
    (tmp_path / "a.gt.txt").write_text("to be /")
    (tmp_path / "lines.tsv").write_text("file\ttext\tink\na.inkml\tto be /\t7\n")
    for spec in (tmp_path / "lines.tsv", tmp_path):
        (sample,) = open_dataset(str(spec)).samples
        assert is_ink(sample) and len(read_strokes(sample)) == 3  # all of the page
        (tmp_path / "lines.tsv").unlink(missing_ok=True)


def test_unipen_as_it_is_distributed(tmp_path: Path) -> None:
    for folder in ("data/7/kar", "include/kar/data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "include/kar/data/a.dat").write_text(".WRITER_ID 7\n.PEN_DOWN\n0 0\n5 7\n.PEN_DOWN\n8 1\n9 2\n")
    labels = '.INCLUDE kar/data/a.dat\n.SEGMENT WORD 0 ? "to"\n.SEGMENT WORD 1 ? "be"\n'
    (tmp_path / "data/7/kar/b.dat").write_text(labels)
    first, second = open_dataset(str(tmp_path)).samples
    assert (first.id, first.text, second.text, second.writer) == ("7/kar/b/1", "to", "be", "7")
    assert read_strokes(second)[0].tolist() == [[8, -1], [9, -2]]
