"""IAM-OnDB as it is distributed."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from inkread.data import open_dataset


def test_iam_ondb_as_it_is_distributed(tmp_path: Path) -> None:
    for folder in ("ascii/a01/a01-000", "lineStrokes/a01/a01-000", "splits"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "splits/trainset.txt").write_text(" a01-000u\r\n")
    (tmp_path / "ascii/a01/a01-000/a01-000u.txt").write_bytes(
        b'OCR:\r\n\r\nA MOVE\r\n\r\nCSR:\r\n\r\nMr . Foot \' s " line\r\n " , he said ....  \r\n"No!" Don \' t go\r\n'
    )
    (tmp_path / "ascii/a01/a01-000/a01-001.txt").write_bytes(b"OCR:\n\nA MOVE\n")
    dataset = open_dataset(str(tmp_path))
    assert [sample.text for sample in dataset.samples] == ["Mr. Foot's \"line", '", he said....', '"No!" Don\'t go']
    assert dataset.samples[1].path == tmp_path / "lineStrokes/a01/a01-000/a01-000u-02.xml"
    assert {sample.split for sample in dataset.samples} == {"trainset"}
    assert dataset.skipped == (f"{tmp_path}/ascii/a01/a01-000/a01-001.txt: no CSR: in it",)


def test_the_clock_tells_iam_ondb_s_writers(prepare_script: Callable[[str], ModuleType]) -> None:
    day = 13_000_000.0
    forms = {
        "b01": (day, day + 200),
        "d04": (day + 230, day + 400),  # the same hand, half a minute later
        "b02": (day + 450, day + 600),  # the letters begin anew: another
        "d05": (day + 1500, day + 1700),  # after a quarter of an hour another
        "a01": (20.0, 150.0),  # whose clock had just been set
        "c01": (180.0, 300.0),
    }
    expected = {"b01": "b01", "d04": "b01", "b02": "b02", "d05": "d05", "a01": "a01", "c01": "c01"}
    assert prepare_script("iam-ondb").writers_of(forms) == expected
