"""Pen strokes over HTTP: while they are written, as files, and in the form that rmfakecloud sends to MyScript."""

import hashlib
import hmac
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import SAMPLE
from ink_samples import writing
from notebooks import rmdoc, xopp

pytest.importorskip("starlette", reason="the extra studio is not installed")
pytest.importorskip("httpx2", reason="the test client of starlette needs it")

from starlette.testclient import TestClient
from test_studio_app import client

from inkread.document.elements import Character
from inkread.errors import BadInput
from inkread.features.extract import Writing
from inkread.inputs import read_inks
from inkread.inputs.ink import MAX_POINTS
from inkread.model.recognizer import Reading
from inkread.pages import ink_page
from inkread.studio import iink, strokes
from inkread.studio.app import Settings
from inkread.studio.security import Access
from inkread.studio.strokes import StrokeReader, parse_strokes

TEXT = "the pen tells in which order it went"
PEN = [stroke.tolist() for stroke in read_inks(SAMPLE / "pen.inkml")[0].strokes]
JIIX = "application/vnd.myscript.jiix"


@pytest.fixture(scope="module")
def server() -> Iterator[TestClient]:
    """A server with the shipped model for pen strokes."""
    with client(Settings(options={"model": "strokes"})) as opened:
        yield opened


class Counting:
    """Reads "ab c" everywhere, in characters of one unit, and counts how often it is asked."""

    count = 0

    def read_with_alternatives(self, line: Writing, /) -> tuple[Reading, list[list[str]]]:
        self.count += 1
        assert not isinstance(line, np.ndarray) and isinstance(line, Sequence)
        left = min(float(stroke[:, 0].min()) for stroke in line)
        characters = tuple(Character(each, 0.5, left + place, left + place + 1) for place, each in enumerate("ab c"))
        return Reading("ab c", 0.4, characters, (0.6, 0.7)), [["ah"], ["e", "o"]]


def two_lines() -> list[np.ndarray]:
    return [stroke + [0, 60 * line + 30] for line in range(2) for stroke in writing(line)]


# ---- lines of strokes


def test_strokes_are_divided_into_lines_and_each_is_in_one() -> None:
    page = two_lines()
    first, second = StrokeReader(Counting()).read("pad", page)
    assert sorted(first.strokes) == list(range(8)) and sorted(second.strokes) == list(range(8, 16))
    assert first.line.text == "ab c" and first.alternatives == [["ah"], ["e", "o"]]


def test_only_lines_that_changed_are_read_again() -> None:
    counting = Counting()
    reader, page = StrokeReader(counting), two_lines()
    assert counting.count == 1  # which has loaded the model
    for end, reads in ((8, 2), (12, 3), (16, 4), (16, 4), (12, 4)):  # undo is free
        reader.read("pad", page[:end])
        assert counting.count == reads
    changed = [page[0] + [0.5, 0], *page[1:]]
    reader.read("pad", changed)
    assert counting.count == 5


def test_so_many_strokes_that_they_are_only_divided_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ink_page, "MOST_STROKES", 5)
    read = StrokeReader(Counting()).read("pad", two_lines())
    assert sorted(number for each in read for number in each.strokes) == list(range(16))


def test_strokes_are_read_over_http(server: TestClient) -> None:
    answer = server.post("/api/strokes", json={"strokes": PEN})
    (line,) = answer.json()["lines"]
    assert (line["text"], line["strokes"]) == (TEXT, list(range(len(PEN))))
    assert [word["text"] for word in line["words"]] == TEXT.split()
    assert any(word["alternatives"] for word in line["words"])
    assert server.post("/api/strokes", json={"strokes": []}).json() == {"lines": []}


def files() -> dict[str, bytes]:
    """The sample in several formats of pen strokes."""
    strokes = [np.array(stroke) for stroke in PEN]
    found = {
        "pen.inkml": (SAMPLE / "pen.inkml").read_bytes(),
        "pen.json": json.dumps({"strokes": PEN}).encode(),
        "pen.xopp": xopp(strokes),
    }
    if find_spec("rmscene"):
        found["pen.rmdoc"] = rmdoc(strokes)
        with zipfile.ZipFile(io.BytesIO(found["pen.rmdoc"])) as archive:
            found["a.rm"] = archive.read("n/a.rm")
    return found


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
def test_files_of_pen_strokes_are_read_over_http(server: TestClient, form: bool) -> None:
    for name, data in files().items():
        sent = {"files": {"file": (name, data)}} if form else {"content": data, "params": {"name": name}}
        (line,) = map(json.loads, server.post("/api/read", **sent).text.splitlines())
        assert (line["file"], line["text"]) == (name, TEXT)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "not JSON"),
        (b"{}", "no strokes"),
        (b'{"strokes": 5}', "no strokes"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"strokes": [[[0, NaN], [1, 1]]]}', "not finite"),
        (b'{"strokes": [[[0, 1e999], [1, 1]]]}', "not finite"),
        (b'{"strokes": [[[0, 1e13], [1, 1]]]}', "larger than"),
        (b'{"strokes": [[["a", 1]]]}', "not a list of points"),
        (b'{"strokes": [[[1]]]}', "not a list of points"),
        (b'{"strokes": [[' + b"[1,2]," * MAX_POINTS + b"[1,2]]]}", "500,001 points"),
        (b'{"strokes": []}\n{"strokes": []}', "2 inks"),
        (b"\xff\xfe", "not UTF-8"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else value,
)
def test_hostile_strokes_are_refused_in_one_line(server: TestClient, body: bytes, problem: str) -> None:
    answer = server.post("/api/strokes", content=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert problem in error and error.startswith("strokes") and "\n" not in error
    assert server.post("/api/strokes", json={"strokes": []}).status_code == 200


def test_too_much_json_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strokes, "LARGEST", 10)
    with pytest.raises(BadInput, match="more than 0 MB"):
        parse_strokes(b"[" * 11, "strokes")


def test_strokes_beyond_the_limit_are_told_to_wait(server: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.app.state.pen_slots, "free", 0)  # type: ignore[attr-defined]
    for path in ("/api/strokes", "/api/v4.0/iink/batch"):
        answer = server.post(path, json={"strokes": PEN})
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


# ---- MyScript's form


def of_index(strokes: list[Any]) -> dict[str, Any]:
    """The request that rmfakecloud makes of a page to index it: tenths of a pixel, on a page of 2280 dpi."""
    return {
        "contentType": "Raw Content",
        "width": 14040,
        "height": 18720,
        "xDPI": 2280,
        "yDPI": 2280,
        "strokeGroups": [
            {"strokes": [{"x": [10 * x for x, _ in each], "y": [10 * y for _, y in each]} for each in strokes]}
        ],
        "configuration": {
            "lang": "en_US",
            "export": {"jiix": {"strokes": False, "text": {"chars": False, "words": True}}},
            "raw-content": {"recognition": {"shape": False, "text": True}},
        },
    }


def send(server: TestClient, request: Any, key: str = "key", secret: str = "secret", accept: str = JIIX) -> Any:
    """Send a request as rmfakecloud does: with the HMAC (SHA-512) of the body, by the key and the secret together."""
    body = json.dumps(request).encode()
    signature = hmac.new((key + secret).encode(), body, hashlib.sha512).hexdigest()
    headers = {"Accept": accept, "Content-Type": "application/json", "applicationKey": key, "hmac": signature}
    return server.post("/api/v4.0/iink/batch", content=body, headers=headers)


def test_the_index_of_rmfakecloud_finds_words_and_their_strokes(server: TestClient) -> None:
    answer = send(server, of_index(PEN))
    assert (answer.status_code, answer.headers["content-type"]) == (200, JIIX)
    (element,) = answer.json()["elements"]  # it looks at the words of all elements
    words = [word for word in element["words"] if word["label"].strip()]
    assert [word["label"] for word in words] == TEXT.split()
    pixels = 2280 / 25.4 / 10  # millimetres become pixels again
    found = []
    for word in words:
        left, right = (pixels * each for each in (word["bounding-box"]["x"], word["bounding-box"]["width"]))
        edges = [(min(x for x, _ in stroke), max(x for x, _ in stroke)) for stroke in PEN]
        found.append([n for n, edge in enumerate(edges) if left - 0.1 <= edge[0] and edge[1] <= left + right + 0.1])
    assert all(found) and found[0][0] == 0
    assert sorted(number for own in found for number in own) == list(range(len(PEN)))


def test_the_tablet_finds_its_text(server: TestClient) -> None:
    """It looks for an element of type Text, with a box, and joins its words."""
    page = PEN + [[[x, y + 900] for x, y in stroke] for stroke in PEN]
    answer = send(server, of_index(page)).json()
    (text,) = [element for element in answer["elements"] if element["type"] == "Text"]
    assert {"x", "y", "width", "height"} == set(text["bounding-box"])
    assert "".join(word["label"] for word in text["words"]) == text["label"] == f"{TEXT}\n{TEXT}"
    assert [word["reflow-label"] for word in text["words"] if word["label"] == "\n"] == [" "]
    assert all(word["label"] == word["candidates"][0] for word in text["words"] if word["label"].strip())


def test_plain_text_and_a_block_of_text(server: TestClient) -> None:
    request = of_index(PEN) | {"contentType": "Text"}
    plain = send(server, request, accept="text/plain, application/json")
    assert (plain.text, plain.headers["content-type"]) == (TEXT, "text/plain; charset=utf-8")
    request["configuration"]["export"]["jiix"]["text"] = {"chars": True}
    block = send(server, request, accept=f"application/json,{JIIX}").json()
    assert (block["type"], block["label"], block["version"]) == ("Text", TEXT, "3")
    assert "".join(each["label"] for each in block["chars"]) == TEXT
    for number, word in enumerate(block["words"]):
        own = block["chars"][word["first-char"] : word["last-char"] + 1]
        assert "".join(each["label"] for each in own) == word["label"] and {each["word"] for each in own} == {number}
    request["configuration"]["export"]["jiix"]["text"] = {"words": False}
    assert "words" not in send(server, request).json()


def test_boxes_of_words_by_hand() -> None:
    """A line 100 high with the words of Counting: the gap between the strokes is where the space was read."""
    letters = [np.array([[x, 0.0], [x + 20, 100.0]]) for x in (0.0, 30.0, 100.0)]
    read = StrokeReader(Counting()).read("pad", letters)
    (line,) = read
    words = line.line.words
    spread = [
        type(word)(word.text, word.confidence, word.polygon, tuple(Character("x", 0.5, *edge) for edge in edges))
        for word, edges in zip(words, ([(5.0, 9.0)], [(95.0, 99.0)]), strict=True)
    ]
    assert iink._corners(spread, letters) == [((0.0, 0.0), (50.0, 100.0)), ((100.0, 0.0), (120.0, 100.0))]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (JIIX, JIIX),
        ("text/plain,application/json", "text/plain"),
        (f"application/json, {JIIX};q=0.5", JIIX),
        ("", JIIX),
        ("*/*", JIIX),
        ("image/png", None),
    ],
)
def test_the_first_type_that_is_accepted(header: str, kind: str | None) -> None:
    assert iink.accepted(header) == kind


STROKE = {"x": [0, 1], "y": [0, 1]}


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ([], "not a JSON object"),
        ({}, "strokeGroups is not a list"),
        ({"strokeGroups": [5]}, "strokes is not a list"),
        ({"strokeGroups": []}, "no strokes"),
        ({"strokeGroups": [{"strokes": [{"x": [], "y": []}]}]}, "no strokes"),
        ({"strokeGroups": [{"strokes": [STROKE | {"pointerType": "ERASER"}]}]}, "no strokes"),
        ({"strokeGroups": [{"strokes": [5]}]}, "not an object"),
        ({"strokeGroups": [{"strokes": [{"x": [1, 2], "y": [1]}]}]}, "2 x and 1 y"),
        ({"strokeGroups": [{"strokes": [{"x": [1, "a"], "y": [1, 2]}]}]}, "else than numbers"),
        ({"strokeGroups": [{"strokes": [{"x": [[1], [1, 2]], "y": [1, 2]}]}]}, "else than numbers"),
        ({"strokeGroups": [{"strokes": [{"x": [True], "y": [True]}]}]}, "else than numbers"),
        ({"strokeGroups": [{"strokes": [{"x": [10**400], "y": [1]}]}]}, "else than numbers"),
        ({"strokeGroups": [{"strokes": [{"x": [float("nan"), 1], "y": [1, 2]}]}]}, "not a finite number"),
        ({"strokeGroups": [{"strokes": [{"x": [1e13, 1], "y": [1, 2]}]}]}, "larger than"),
        ({"strokeGroups": [{"strokes": [STROKE]}], "xDPI": 0}, "xDPI"),
        ({"strokeGroups": [{"strokes": [STROKE]}], "yDPI": "a"}, "yDPI"),
        ({"strokeGroups": [{"strokes": [STROKE]}], "contentType": "Math"}, "is not supported"),
        ({"strokeGroups": [{"strokes": [{"x": [0] * (MAX_POINTS + 1), "y": [0] * (MAX_POINTS + 1)}]}]}, "500,000"),
    ],
    ids=str,
)
def test_hostile_requests_are_refused_as_myscript_does(server: TestClient, request_: Any, problem: str) -> None:
    answer = send(server, request_)
    assert answer.status_code == 400 and set(answer.json()) == {"code", "message"}
    assert problem in answer.json()["message"] and "\n" not in answer.json()["message"]


def test_what_is_not_json_or_cannot_be_answered_is_refused(server: TestClient) -> None:
    for body in (b"", b"hello", b"[" * 100_000):
        assert server.post("/api/v4.0/iink/batch", content=body).status_code == 400
    assert send(server, of_index(PEN), accept="image/png").status_code == 406


def test_the_application_key_is_the_token() -> None:
    access = Access("0.0.0.0", "secret-token-of-ours")
    with client(Settings(options={"model": "strokes"}, access=access)) as server:
        server.headers["host"] = "inkread:8417"  # as containers call one another
        assert send(server, of_index(PEN), key="secret-token-of-ours").status_code == 200
        assert send(server, of_index(PEN), key="another").status_code == 403
        server.headers["host"] = "192.168.1.5:8417"
        assert send(server, of_index(PEN), key="another").status_code == 401


def test_a_folder_is_not_needed(server: TestClient, tmp_path: Path) -> None:
    assert "/api/strokes" in server.get("/api").json()["paths"]
    with client(Settings(tmp_path, options={"model": "strokes"})) as studio:
        assert send(studio, of_index(PEN), accept="text/plain").text == TEXT
