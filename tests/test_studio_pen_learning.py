"""The studio learns a handwriting from pen strokes, and does not mix its model up with those for images."""

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import LINE, done, refused
from ink_samples import writing
from networks import weights_of
from test_training import pen_lines

pytest.importorskip("starlette", reason="the extra studio is not installed")
pytest.importorskip("httpx2", reason="the test client of starlette needs it")

from starlette.testclient import TestClient
from test_studio_app import client, ids
from test_studio_learning import ended, learn

from inkread import open_dataset
from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig
from inkread.data.samples import is_ink, read_strokes
from inkread.document.elements import Points
from inkread.inputs import read_inks
from inkread.inputs.ink import Ink, Stroke, TypedText
from inkread.model.checkpoint import Model, load_model, save_model
from inkread.pages.regions import Region
from inkread.studio.app import Settings
from inkread.studio.choices import Choices
from inkread.studio.ink_page import InkPage
from inkread.studio.library import PAD
from inkread.studio.transcript import Transcript


@pytest.fixture(scope="module")
def pen_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network for pen strokes that has learnt nothing; its output layer is random, so that it gives some text."""
    from inkread.model.network import Network

    config = NetworkConfig(features="strokes", channels=(8, 8), layers=1, hidden=16)
    alphabet = Alphabet("abio")
    weights = weights_of(Network(config, alphabet.size))
    weights["output.weight"] = np.random.default_rng(1).normal(0, 20, weights["output.weight"].shape).astype(np.float32)
    out = tmp_path_factory.mktemp("pen") / "random.safetensors"
    save_model(out, Model(config, alphabet, weights))
    return out


@pytest.fixture
def studio(tmp_path: Path, pen_model: Path, personal: Path) -> Iterator[TestClient]:
    """A studio that reads with this network, and has an image."""
    for file in personal.glob("*"):
        file.unlink()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "line.png").write_bytes(LINE.read_bytes())
    with client(Settings(tmp_path / "notes", options={"model": str(pen_model)})) as opened:
        yield opened
    for file in personal.glob("*"):
        file.unlink()


def written(folder: Path, first: int, last: int, confirmed: bool = True) -> bytes:
    """Lines that were written on the pad, one below the other, as it sends them."""
    rows = []
    for number, ink in enumerate(read_inks(pen_lines(folder))[first:last]):
        points = np.concatenate(ink.strokes)
        scale = 30 / float(np.ptp(points[:, 1]))
        strokes = [((stroke - points.min(axis=0)) * scale + [20, 20 + 90 * number]).tolist() for stroke in ink.strokes]
        rows.append(json.dumps({"text": ink.text, "confirmed": confirmed, "strokes": strokes}))
    return "\n".join(rows).encode()


def test_a_handwriting_of_pen_strokes_is_learnt(
    studio: TestClient, tmp_path: Path, pen_model: Path, personal: Path
) -> None:
    notes = tmp_path / "notes"
    pages = {
        "a.inkml": written(tmp_path, 0, 10),
        "again.inkml": written(tmp_path, 0, 10),  # the same page of the pad once more
        "b.inkml": written(tmp_path, 10, 18),
        "c.inkml": written(tmp_path, 18, 21, confirmed=False),
    }
    for name, lines in pages.items():
        assert studio.post(f"/pad/documents?name={name}", content=lines).status_code == 201
    documents = {item["name"]: item for item in studio.get("/library?since=0").json()["documents"]}
    assert [documents[name]["corrected"] for name in pages] == [10, 10, 8, 0]
    before = (notes / "c.inkml.page.xml").read_bytes()
    assert studio.get("/pad/model").json() == {"model": None, "models": []}

    assert learn(studio, "Anna", ["a.inkml", "again.inkml", "b.inkml"]).status_code == 200
    result = ended(studio)["result"]
    assert result["kept"] and result["after"] < result["before"] and result["lines"] == 18
    learnt = load_model("my/anna")
    assert learnt.config.features == "strokes" and len(learnt.facts["learnt"]) == 18

    for _ in range(300):
        news = studio.get("/library?since=0").json()
        if not news["job"]["waiting"] and not news["job"]["reading"]:
            break
        time.sleep(0.1)
    models = {item["name"]: item["model"] for item in news["documents"]}
    assert models == {**dict.fromkeys(pages, "my/anna"), "line.png": None}
    assert (notes / "c.inkml.page.xml").read_bytes() != before
    assert studio.get("/pad/model").json() == {"model": "my/anna", "models": ["my/anna"]}
    assert Choices(notes).get(PAD) == "my/anna"
    strokes = {"strokes": json.loads(pages["a.inkml"].split(b"\n")[0])["strokes"]}
    (line,) = studio.post("/pad/strokes", json=strokes).json()["lines"]
    assert studio.put("/pad/model", content='{"model": null}').json()["model"] is None
    (other,) = studio.post("/pad/strokes", json=strokes).json()["lines"]
    assert line["text"] != other["text"]  # one was read by the model that has learnt, the other by the random one
    assert done("predict", notes / "a.inkml", "--model", "my/anna").stdout.count("\n") >= 10


def test_models_of_images_and_of_strokes_are_not_mixed_up(
    studio: TestClient, tmp_path: Path, pen_model: Path, model: Path, personal: Path
) -> None:
    save_model(personal / "pen.safetensors", load_model(str(pen_model)))
    save_model(personal / "photo.safetensors", load_model(str(model)))
    studio.post("/pad/documents?name=a.inkml", content=written(tmp_path, 0, 10))
    known = ids(studio)

    def choose(place: str, name: str) -> str:
        answer = studio.put(place, content=json.dumps({"model": name}))
        return str(answer.json()["error"]) if answer.status_code == 422 else ""

    photo, pen = (f"/library/documents/{known[name]}/model" for name in ("line.png", "a.inkml"))
    assert choose(photo, "my/photo") == choose(pen, "my/pen") == choose("/pad/model", "my/pen") == ""
    wrong = "my/photo reads images, and not pen strokes; choose a model of pen strokes"
    assert choose(pen, "my/photo") == choose("/pad/model", "my/photo") == wrong
    assert choose(photo, "my/pen") == "my/pen reads pen strokes, and not images; choose a model of images"
    assert "no such model" in choose("/pad/model", "my/nobody")
    assert studio.get(f"/library/documents/{known['line.png']}/pages/1").json()["models"] == ["my/photo"]
    assert studio.get("/pad/model").json() == {"model": "my/pen", "models": ["my/pen"]}

    answers = [
        learn(studio, name, documents).json()["error"]
        for name, documents in (("x", ["line.png", "a.inkml"]), ("photo", ["a.inkml"]), ("pen", ["line.png"]))
    ]
    assert answers == [
        "a model learns images or pen strokes, and these documents are both; "
        "learn from one kind first, and from the other with another name",
        "there is a model my/photo of images; choose another name",
        "there is a model my/pen of pen strokes; choose another name",
    ]
    # The model that the server was started with reads strokes, so an image is learnt from the model for images.
    assert learn(studio, "x", ["line.png"]).status_code == 200
    assert "0 corrected lines" in ended(studio)["error"] or "no corrected lines" in ended(studio)["error"]
    assert "pen strokes" in refused("predict", LINE, "--model", "my/pen")

    # A model of the user that is replaced by one of the other kind is no longer used.
    save_model(personal / "pen.safetensors", load_model(str(model)))
    assert studio.put("/pad/model", content='{"model": "my/pen"}').status_code == 422
    assert studio.get("/pad/model").json()["model"] is None
    assert studio.post("/pad/strokes", json={"strokes": [[[0, 0], [9, 9]]]}).status_code == 200


def test_corrected_lines_of_strokes_are_exported_as_strokes(
    studio: TestClient, tmp_path: Path, pen_model: Path
) -> None:
    studio.post("/pad/documents?name=a.inkml", content=written(tmp_path, 0, 3))
    data = studio.get(f"/library/documents/{ids(studio)['a.inkml']}/export/dataset").content
    zipfile.ZipFile(io.BytesIO(data)).extractall(tmp_path / "lines")
    samples = open_dataset(str(tmp_path / "lines" / "strokes")).samples
    expected = read_inks(pen_lines(tmp_path))[:3]
    assert [sample.text for sample in samples] == [ink.text for ink in expected]
    assert all(map(is_ink, samples)) and not (tmp_path / "lines" / "lines.tsv").exists()
    for sample, ink in zip(samples, expected, strict=True):
        strokes = read_strokes(sample)
        assert len(strokes) == len(ink.strokes)
        for found, stroke in zip(strokes, ink.strokes, strict=True):
            assert len(found) == len(stroke)
    settings = [flag for each in ("epochs=1", "minutes=0") for flag in ("--set", each)]
    done("train", tmp_path / "lines" / "strokes", "--from", pen_model, "--out", tmp_path / "m.safetensors", *settings)


def test_lines_of_strokes_are_read_again_and_have_alternatives(studio: TestClient, tmp_path: Path) -> None:
    """From their strokes, with the model for these: in the image of a page, the random one could read nothing."""
    studio.post("/pad/documents?name=a.inkml", content=written(tmp_path, 0, 2, confirmed=False))
    page = f"/library/documents/{ids(studio)['a.inkml']}/pages/1"
    shown = studio.get(page).json()
    polygon = [[x, y - 1] for x, y in shown["lines"][0]["polygon"]]
    again = studio.patch(
        page, content=json.dumps([{"kind": "draw", "polygon": polygon}]), headers={"If-Match": f'"{shown["version"]}"'}
    ).json()
    texts = [line["text"] for line in again["lines"]]
    strokes = [stroke for row in written(tmp_path, 0, 1).split(b"\n") for stroke in json.loads(row)["strokes"]]
    (read,) = studio.post("/api/strokes", json={"strokes": strokes}).json()["lines"]
    assert len(texts) == 3 and read["text"] in texts
    answer = studio.get(f"{page}/alternatives?line={again['lines'][0]['id']}&word=0")
    assert answer.status_code == 200


# ---- which strokes are in a line


def box(left: float, top: float, right: float, bottom: float) -> Points:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def two_lines() -> list[Stroke]:
    """Lines of four words, each a stroke and a dot above it: from 14 to 38, and from 74 to 98."""
    return [stroke + [20, 60 * line + 30] for line in range(2) for stroke in writing(line)]


def test_strokes_of_a_line_are_found_by_its_outline() -> None:
    strokes = two_lines()
    page = InkPage.of("a", 1, Ink(tuple(strokes), size=(300, 300), typed=(TypedText("typed", 100, 200, 200, 220),)))
    right = max(float(stroke[:, 0].max()) for stroke in strokes) + 1
    second_word = float(strokes[10][:, 0].min()) - 3
    numbers = {id(stroke): number for number, stroke in enumerate(strokes)}

    def found(*polygon: tuple[float, float]) -> list[int]:
        return [numbers[id(stroke)] for stroke in page.strokes_in(Region(polygon))]

    assert found(*box(10, 10, right, 78)) == [*range(8)]  # the outline of the first line has dots of the second
    assert found(*box(10, 36, right, 100)) == [*range(8, 16)]  # and that of the second descenders of the first
    assert found(*box(10, 70, second_word, 100)) == [8, 9]  # the first part of a line that was split
    assert found(*box(10, 10, right, 100)) == [*range(16)]  # two lines that were merged
    nowhere = Region(box(10, 120, right, 180))
    assert page.strokes_in(nowhere) == () and page.typed_in(nowhere) == ""
    assert page.typed_in(Region(box(90, 190, 210, 230))) == "typed"
    layout, is_there = page.with_lines([Region(box(10, 70, right, 100)), nowhere])
    assert is_there == [True, False] and len(layout.line_inputs) == len(layout.regions) == 1


def test_what_was_taken_for_a_drawing_is_found_where_the_user_draws_a_line() -> None:
    rule = np.column_stack([np.linspace(20, 280, 40), np.full(40, 150.0)])
    page = InkPage.of("a", 1, Ink((*two_lines(), rule), size=(300, 300)))
    assert [len(each) for each in page.layout.line_inputs] == [8, 8]
    (found,) = page.strokes_in(Region(box(10, 140, 290, 160)))
    assert found is rule
    assert not any(each is rule for each in page.strokes_in(Region(box(10, 50, 290, 160))))


def test_a_page_of_the_pad_marks_what_was_confirmed(studio: TestClient, tmp_path: Path) -> None:
    rows = written(tmp_path, 0, 3, confirmed=False).split(b"\n")
    rows[1] = rows[1].replace(b'"confirmed": false', b'"confirmed": true')
    studio.post("/pad/documents?name=a.inkml", content=b"\n".join(rows))
    shown: dict[str, Any] = Transcript((tmp_path / "notes" / "a.inkml.page.xml").read_bytes(), "a").to_dict()
    assert [line["corrected"] for line in shown["lines"]] == [False, True, False]
    assert studio.post("/pad/documents?name=b.inkml", content=b"[[[0, 0], [9, 9]]]").status_code == 201
