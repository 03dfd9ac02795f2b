"""The studio learns a handwriting, keeps what it has learnt if it helps, and reads with it."""

import json
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SAMPLE

pytest.importorskip("starlette", reason="the extra studio is not installed")
pytest.importorskip("httpx2", reason="the test client of starlette needs it")

from PIL import Image
from starlette.testclient import TestClient
from test_studio_app import client, ids

from inkread.alphabet import Alphabet
from inkread.config import NetworkConfig
from inkread.document import page_xml
from inkread.document.elements import Document, Line, Page, Paragraph, Points
from inkread.errors import BadConfig, BadDataset
from inkread.evaluation.lines import ScoredLine
from inkread.model.checkpoint import Model, load_model
from inkread.studio import adapt, learning
from inkread.studio.alternatives import alternatives
from inkread.studio.app import Settings
from inkread.studio.choices import Choices
from inkread.studio.transcript import Transcript


def write_pages(folder: Path, corrected: int = 2) -> None:
    """Three pages of sample lines with their texts; those of the first ones are marked as corrected."""
    files = sorted(SAMPLE.glob("*.png"))
    for number in range(3):
        write_page(folder / f"{number + 1}.png", files[number::3], number < corrected)


def write_page(path: Path, files: list[Path], corrected: bool) -> None:
    images = [np.asarray(Image.open(file).convert("L")) for file in files]
    page = np.full((sum(len(image) + 20 for image in images), max(image.shape[1] for image in images)), 255, np.uint8)
    top, lines = 0, []
    for file, image in zip(files, images, strict=True):
        height, width = image.shape
        page[top : top + height, :width] = image
        outline: Points = ((0, top), (width, top), (width, top + height), (0, top + height))
        baseline = ((0, top + 0.75 * height), (width, top + 0.75 * height))
        text = file.with_suffix("").with_suffix(".gt.txt").read_text("utf-8").strip()
        lines.append(Line(text, 0.5, (), (), outline, baseline))
        top += height + 20
    Image.fromarray(page).save(path)
    document = Document(path.name, (Page(1, page.shape[1], page.shape[0], (Paragraph(tuple(lines)),)),))
    transcript = Transcript(page_xml.write(document).encode(), path.name)
    for line in transcript.to_dict()["lines"]:
        transcript.confirm(line["id"], corrected)
    path.with_name(f"{path.name}.page.xml").write_bytes(transcript.to_bytes())


@pytest.fixture
def studio(tmp_path: Path, model: Path, personal: Path) -> Iterator[TestClient]:
    write_pages(tmp_path)
    for file in personal.glob("*"):  # what other tests have learnt
        file.unlink()
    with client(Settings(tmp_path, options={"model": str(model)})) as opened:
        yield opened
    for file in personal.glob("*"):
        file.unlink()


def learn(studio: TestClient, name: str, documents: list[str], everywhere: bool = True) -> Any:
    known = ids(studio)
    asked = {"name": name, "documents": [known[each] for each in documents], "everywhere": everywhere}
    return studio.post("/library/learning", content=json.dumps(asked))


def ended(studio: TestClient) -> dict[str, Any]:
    for _ in range(3000):
        state: dict[str, Any] = studio.get("/library?since=0").json()["learning"]
        if not state["running"]:
            return state
        time.sleep(0.1)
    raise AssertionError(state)


def test_a_handwriting_is_learnt_and_the_rest_is_read_with_it(
    studio: TestClient, tmp_path: Path, model: Path, personal: Path
) -> None:
    untouched = [(tmp_path / f"{number}.png.page.xml").read_bytes() for number in (1, 2)]
    before = (tmp_path / "3.png.page.xml").read_bytes()
    answer = learn(studio, "Anna", ["1.png", "2.png"])
    assert answer.status_code == 200 and answer.json()["learning"]["name"] == "my/anna"
    assert learn(studio, "ben", ["1.png"]).status_code == 422  # one at a time
    result = ended(studio)["result"]
    assert result["kept"] and result["after"] < result["before"] and result["lines"] == 14
    learnt = load_model("my/anna")
    assert len(learnt.facts["learnt"]) == 14 and learnt.facts["errors"][0]["cer"] == round(result["after"], 6)
    for _ in range(300):
        news = studio.get("/library?since=0").json()
        if not news["job"]["waiting"] and not news["job"]["reading"]:
            break
        time.sleep(0.1)
    assert [item["model"] for item in news["documents"]] == 3 * ["my/anna"] and news["models"][0]["name"] == "my/anna"
    assert [(tmp_path / f"{number}.png.page.xml").read_bytes() for number in (1, 2)] == untouched
    assert (tmp_path / "3.png.page.xml").read_bytes() != before
    assert Choices(tmp_path).get("3.png") == "my/anna"
    studio.delete("/library/learning")
    assert studio.get("/library?since=0").json()["learning"] is None
    # Its lines are known now, so there is nothing to measure it on.
    learn(studio, "anna", ["1.png"])
    assert "0 corrected lines that my/anna has not learnt yet, at least 10 are needed" in ended(studio)["error"]
    assert learn(studio, "anna", ["1.png"], everywhere=False).status_code == 200
    one = ids(studio)["1.png"]
    assert studio.delete("/library/learning").status_code == 200
    assert studio.put(f"/library/documents/{one}/model", content='{"model": null}').json() == {"model": None}
    assert studio.put(f"/library/documents/{one}/model", content='{"model": "my/ben"}').status_code == 422


def test_learning_can_be_stopped(studio: TestClient, personal: Path) -> None:
    learn(studio, "anna", ["1.png", "2.png"])
    studio.delete("/library/learning")
    for _ in range(100):
        if studio.get("/library?since=0").json()["learning"] is None:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("it goes on")
    assert not list(personal.iterdir()) and len(multiprocessing.active_children()) <= 2  # the reader and the drawer


def test_what_cannot_be_learnt_is_reported(studio: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in ("[]", "{}", '{"documents": "x"}', '{"documents": [], "name": 1}', '{"documents": [], "name": "../x"}'):
        assert studio.post("/library/learning", content=body).status_code == 422
    assert studio.post("/library/learning", content='{"documents": ["x"], "name": "x"}').status_code == 404
    learn(studio, "anna", ["1.png"])
    assert "7 corrected lines, at least 10 are needed; correct or confirm more" in ended(studio)["error"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = learn(studio, "anna", ["1.png"])
    assert answer.json() == {"error": "learning needs torch, which is not installed; run: pip install torch"}


def test_a_model_that_reads_worse_is_not_kept(
    tmp_path: Path, model: Path, personal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pages(tmp_path)
    documents = [(str(tmp_path / f"{n}.png"), f"{n}.png", {1: str(tmp_path / f"{n}.png.page.xml")}) for n in (1, 2)]
    order = learning.Order("my/anna", documents, str(model), {})

    def not_trained(parts: list[adapt.Part], report: adapt.Report) -> list[ScoredLine]:
        return [line for part in parts for line in adapt._read(str(model), part.read, {})]

    monkeypatch.setattr(adapt, "_in_processes", not_trained)
    result = adapt.adapt(order, lambda stage, share: None)
    assert result["before"] == result["after"] and not result["kept"] and not list(personal.iterdir())


def test_the_mean_of_models() -> None:
    config = NetworkConfig()
    one, two = (
        Model(config, Alphabet("ab"), {"a": np.array([value, 1.0], np.float32), "n": np.array(value, np.int64)})
        for value in (2, 4)
    )
    weights = adapt.mean([one, two]).weights
    assert weights["a"].tolist() == [3, 1] and weights["a"].dtype == np.float32
    assert weights["n"] == 3 and weights["n"].dtype == np.int64


def test_new_characters_are_added_to_the_alphabet(model: Path) -> None:
    start = load_model(str(model))
    grown = adapt._with_characters(start, start.alphabet.characters + "☃")
    assert grown.alphabet.size == start.alphabet.size + 1
    known = start.checked_weights()["output.weight"]
    assert np.array_equal(grown.checked_weights()["output.weight"][:-1], known)
    assert adapt._with_characters(start, start.alphabet.characters) is start


def test_choices_survive_and_a_damaged_file_says_nothing(tmp_path: Path) -> None:
    choices = Choices(tmp_path)
    choices.set(["a.png", "b/c.png"], "my/anna")
    choices.set(["a.png"], None)
    again = Choices(tmp_path)
    assert (again.get("a.png"), again.get("b/c.png")) == (None, "my/anna")
    for content in ("{", "[]", '{"models": 1}', "\xff"):
        (tmp_path / ".inkread-studio.json").write_text(content, "latin-1")
        assert Choices(tmp_path).get("b/c.png") is None


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [
        ("dear bc", 1, ["be", "lie"]),  # as it was read
        ("dear be", 1, ["bc", "lie"]),  # corrected
        ("oh dear bc", 2, ["be", "lie"]),  # a word was added before
        ("bc", 0, ["be", "lie"]),
        ("something else entirely", 1, []),
    ],
)
def test_alternatives_are_those_of_the_word_in_a_corrected_line(words: str, place: int, expected: list[str]) -> None:
    read = [("dear", ["deer"]), ("bc", ["be", "lie"])]
    assert alternatives(words.split(), place, read) == expected


def test_torch_is_asked_for_only_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    learning.check_torch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadConfig, match="run: pip install torch"):
        learning.check_torch()


def test_too_few_lines_are_refused(tmp_path: Path, model: Path, personal: Path) -> None:
    write_pages(tmp_path, corrected=1)
    document = (str(tmp_path / "1.png"), "1.png", {1: str(tmp_path / "1.png.page.xml")})
    with pytest.raises(BadDataset, match="7 corrected lines, at least 10"):
        adapt.adapt(learning.Order("my/x", [document], str(model), {}), lambda stage, share: None)
