"""The server of the studio: reading for programs, security, and that nothing shown as saved is lost."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from commands import LINE, ROOT, SAMPLE, refused
from hypothesis import HealthCheck, given, settings, strategies
from PIL import Image
from test_studio_transcript import document

pytest.importorskip("starlette", reason="the extra studio is not installed")
pytest.importorskip("uvicorn", reason="the extra studio is not installed")
pytest.importorskip("httpx2", reason="the test client of starlette needs it")

from starlette.testclient import TestClient

from inkread import open_dataset
from inkread._locks import locked
from inkread.data.samples import read_line
from inkread.document import page_xml
from inkread.studio.app import Settings, make_app
from inkread.studio.jobs import Worker
from inkread.studio.library import safe_name
from inkread.studio.security import HEADERS, MAX_BODY, Access
from inkread.studio.server import LOCK, _listen, make_access
from inkread.studio.store import version_of

KEYS = strategies.sampled_from(["strokes", "strokeGroups", "x", "y", "t", "p", "text", "lines", "xDPI"])
LOCAL = "http://127.0.0.1:8417"


def client(settings: Settings) -> TestClient:
    headers = {"X-CSRF-Token": settings.access.csrf}
    return TestClient(make_app(settings), base_url=LOCAL, headers=headers, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page that was read, with three lines, and one that was not."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "below").mkdir()
    Image.new("RGB", (1000, 500), "white").save(folder / "a.png")
    Image.open(LINE).save(folder / "below" / "line.png")
    write_page(folder)
    return folder


def write_page(folder: Path) -> None:
    (folder / "a.png.page.xml").write_text(page_xml.write(document("one two", "three Élan", "five")), "utf-8")


@pytest.fixture(scope="module")
def studio(notes: Path, model: Path) -> Iterator[TestClient]:
    with client(Settings(notes, options={"model": str(model)})) as opened:
        yield opened


@pytest.fixture
def page(studio: TestClient, notes: Path) -> str:
    """The address of the page that was read, as it was at first."""
    write_page(notes)
    return f"/library/documents/{ids(studio)['a.png']}/pages/1"


def ids(studio: TestClient) -> dict[str, str]:
    return {each["name"]: each["id"] for each in studio.get("/library?since=0").json()["documents"]}


def edit(studio: TestClient, page: str, version: str, *edits: dict[str, Any]) -> Any:
    return studio.patch(page, headers={"If-Match": f'"{version}"'}, content=json.dumps(edits))


def lines(answer: dict[str, Any]) -> list[str]:
    return [line["text"] for line in answer["lines"]]


# ---- the API


def test_the_api_answers_as_predict_does(studio: TestClient, model: Path) -> None:
    command = [sys.executable, "-m", "inkread", "predict", LINE, "--json", "--model", model]
    printed = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, check=True).stdout
    expected = json.loads(printed) | {"file": "a.png"}
    data = LINE.read_bytes()
    for answer in (
        studio.post("/api/read?name=a.png", content=data),
        studio.post("/api/read", files={"file": ("a.png", data)}),
    ):
        assert answer.status_code == 200 and json.loads(answer.text) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", LINE.read_bytes()[:500], b"%PDF-1.4 nothing", b"<svg", b"\x1f\x8b" + b"\0" * 99, b"[[[0, 1e999]]]"],
    ids=["empty", "text", "cut", "pdf", "svg", "gzip", "ink"],
)
def test_hostile_files_are_refused_in_one_line(studio: TestClient, body: bytes) -> None:
    answer = studio.post("/api/read", content=body)
    assert 400 <= answer.status_code < 500
    error = answer.json()["error"]
    assert error.startswith("upload") and "\n" not in error and "<bytes>" not in error


def test_a_form_without_a_file_is_refused(studio: TestClient) -> None:
    assert studio.post("/api/read", data={"a": "b"}, files={}).status_code == 422
    broken = studio.post("/api/read", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=y"})
    assert 400 <= broken.status_code < 500


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(KEYS | strategies.text(), inner),
    max_leaves=20,
)
BODIES = strategies.binary() | JSON.map(json.dumps).map(str.encode)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=strategies.sampled_from(["/api/read", "/api/strokes", "/api/v4.0/iink/batch", "/healthz", "/api"]),
    method=strategies.sampled_from(["POST", "POST", "POST", "GET", "PUT", "TRACE"]),
    kind=strategies.sampled_from(["application/json", "multipart/form-data; boundary=x", "multipart/form-data", "x"]),
    accept=strategies.sampled_from(["*/*", "text/plain", "application/vnd.myscript.jiix", ""]),
    body=BODIES,
)
def test_no_request_to_the_api_is_an_error_of_the_server(
    studio: TestClient, path: str, method: str, kind: str, accept: str, body: bytes
) -> None:
    """What schemathesis does with the description at /api, but quickly, and with the same requests every time."""
    answer = studio.request(method, path, content=body, headers={"Content-Type": kind, "Accept": accept})
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.json().keys() & {"error", "message"} and "Traceback" not in answer.text


def test_what_is_too_large_is_refused_before_it_is_sent(studio: TestClient) -> None:
    answer = studio.post("/api/read", content=b"", headers={"Content-Length": str(MAX_BODY + 1)})
    assert answer.status_code == 413


def test_requests_beyond_the_limit_are_told_to_wait(studio: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = studio.app.state.slots  # type: ignore[attr-defined]
    monkeypatch.setattr(slots, "free", 0)
    answer = studio.post("/api/read", content=LINE.read_bytes())
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


def test_a_process_that_takes_too_long_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from inkread.errors import BadInput

    worker = Worker(seconds=0.0)
    try:
        with pytest.raises(BadInput, match=r"a\.png: reading it took longer"):
            asyncio.run(worker.run("count_pages", str(LINE), "a.png", place="a.png"))
        worker.seconds = 60
        assert asyncio.run(worker.run("count_pages", str(LINE), "a.png", place="a.png")) == 1
        worker._process.kill()
        worker._process.join()
        with monkeypatch.context() as dead, pytest.raises(BadInput, match=r"a\.png: "):
            dead.setattr(worker, "_start", lambda: None)  # as if it ended after it was seen alive
            asyncio.run(worker.run("count_pages", str(LINE), "a.png", place="a.png"))
        assert asyncio.run(worker.run("count_pages", str(LINE), "a.png", place="a.png")) == 1
    finally:
        worker.close()


def test_the_server_for_programs_has_no_pages() -> None:
    with client(Settings()) as server:
        assert server.get("/healthz").json()["status"] == "ok"
        described = server.get("/api").json()
        paths = {"/api/read", "/api/strokes", "/api/v4.0/iink/batch", "/healthz"}
        assert set(described["paths"]) == paths and described["openapi"] == "3.1.0"
        assert server.get("/").status_code == server.get("/library").status_code == 404


# ---- security


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8417", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1"]
)
def test_other_names_of_this_server_are_refused(studio: TestClient, host: str) -> None:
    assert studio.get("/library", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_of_other_websites_are_refused(studio: TestClient, headers: dict[str, str]) -> None:
    assert studio.post("/api/read", content=LINE.read_bytes(), headers=headers).status_code == 403
    assert studio.get("/library", headers=headers).status_code == 403


def test_following_a_link_from_elsewhere_is_allowed(studio: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert studio.get("/", headers=headers).status_code == 200


def test_changes_need_the_csrf_token_of_the_page(studio: TestClient, page: str) -> None:
    (token,) = [row.split('"')[3] for row in studio.get("/").text.splitlines() if "csrf-token" in row]
    assert token == studio.headers["x-csrf-token"]
    for wrong in ("", "x", token[:-1]):
        headers = {"X-CSRF-Token": wrong}
        assert studio.patch(page, content="[]", headers=headers).status_code == 403
        assert studio.post("/library/documents?name=a.png", content=b"x", headers=headers).status_code == 403
        assert studio.post("/library/reading", headers=headers).status_code == 403


def test_all_answers_forbid_foreign_scripts(studio: TestClient) -> None:
    for path in ("/", "/static/main.js", "/library", "/nothing"):
        answer = studio.get(path)
        assert all(answer.headers[name] == value for name, value in HEADERS.items())
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    html = studio.get("/").text
    assert "<style" not in html and " style=" not in html and " onclick" not in html
    assert html.count("<script") == html.count('<script type="module" src="/static/main.js">') == 1


def test_another_address_needs_the_token() -> None:
    access = Access("0.0.0.0", "secret-token")
    with client(Settings(access=access)) as server:
        server.headers["host"] = "192.168.1.5:8417"
        assert server.get("/healthz").status_code == 200
        assert server.get("/api").status_code == 401
        assert server.get("/api?token=wrong").status_code == 401
        assert server.get("/api", headers={"Authorization": "Bearer secret-token"}).status_code == 200
        assert server.get("/api", headers={"Authorization": "Bearer secret-toke"}).status_code == 401
        arrived = server.get("/api?token=secret-token&a=b", follow_redirects=False)
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/api?a=b")
        assert "HttpOnly" in arrived.headers["set-cookie"] and "SameSite=strict" in arrived.headers["set-cookie"]
        assert server.get("/api", headers={"Cookie": "inkread_token=secret-token"}).status_code == 200
        assert server.get("/api?token=secret-token", headers={"Host": "evil.example"}).status_code == 403


def test_documents_are_addressed_by_id_only(studio: TestClient, notes: Path) -> None:
    outside = notes.parent / "outside.png"
    Image.open(LINE).save(outside)
    for id in ("../outside.png", "..%2Foutside.png", "a.png", str(outside), "%2e%2e"):
        assert studio.get(f"/library/documents/{id}/pages/1/image").status_code == 404
    assert studio.get("/static/../app.py").status_code == studio.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/a.png", "a.png"),
        ("C:\\x\\a?b.png", "a b.png"),
        (".hidden.png", "hidden.png"),
        ("a\nb\0.png", "a b.png"),
        ("x" * 500 + ".png", "x" * 116 + ".png"),
    ],
)
def test_names_of_uploads_are_made_safe(given: str, safe: str) -> None:
    assert safe_name(given) == safe


# ---- the library


def test_the_library_knows_its_documents(studio: TestClient, page: str) -> None:
    for _ in range(100):
        known = studio.get("/library?since=0").json()
        if not known["indexing"]:
            break
        time.sleep(0.05)
    first, second = sorted(known["documents"], key=lambda each: each["name"])
    assert (first["name"], first["pages"], first["read"], first["lines"], first["corrected"]) == ("a.png", 1, 1, 3, 0)
    assert first["confidence"] == pytest.approx(0.8) and first["start"] == "one two"
    assert (second["name"], second["read"]) == ("below/line.png", 0)
    assert studio.get(f"/library?since={known['revision']}").json()["documents"] == []
    assert studio.get("/library?since=x").json()["ids"]
    thumbnail = studio.get(f"/library/documents/{first['id']}/thumbnail")
    assert Image.open(io.BytesIO(thumbnail.content)).size == (400, 200)


def test_the_search_ignores_accents_and_case(studio: TestClient, page: str) -> None:
    studio.get(page)
    (hit,) = studio.get("/library/search?q=elan ONE").json()["hits"]
    assert (hit["name"], hit["page"], hit["text"]) == ("a.png", 1, "one two")
    assert studio.get("/library/search?q=six").json()["hits"] == studio.get("/library/search?q= ").json()["hits"] == []


def test_a_page_that_is_opened_is_read(studio: TestClient, notes: Path) -> None:
    address = f"/library/documents/{ids(studio)['below/line.png']}/pages/1"
    assert studio.get(address).json()["state"] == "reading"
    for _ in range(600):
        answer = studio.get(address).json()
        if answer["state"] == "read":
            break
        time.sleep(0.05)
    assert (answer["file"], answer["format"], len(answer["lines"])) == ("line.png.page.xml", "page", 1)
    assert (notes / "below" / "line.png.page.xml").is_file()


def test_documents_are_added_under_a_free_name(studio: TestClient, notes: Path) -> None:
    data = LINE.read_bytes()
    added = studio.post("/library/documents?name=../a.png", content=data)
    assert (added.status_code, added.json()["name"]) == (201, "a 2.png")
    assert (notes / "a 2.png").read_bytes() == data
    for name, content in (("a.exe", data), ("b.png", b"no image"), ("", data)):
        assert studio.post(f"/library/documents?name={name}", content=content).status_code == 422
    assert not (notes / "b.png").exists()


def test_documents_are_exported(studio: TestClient, page: str, tmp_path: Path) -> None:
    document = page.removesuffix("/pages/1")
    text = studio.get(f"{document}/export/text")
    assert text.text == "one two\nthree Élan\nfive\n" and "a.png.txt" in text.headers["content-disposition"]
    for name, start in (("pdf", b"%PDF"), ("alto", b"<?xml"), ("page", b"<?xml"), ("hocr", b"<?xml"), ("md", b"---")):
        assert studio.get(f"{document}/export/{name}").content.startswith(start), name
    assert studio.get(f"{document}/export/exe").status_code == 404
    assert "no corrected lines" in studio.get(f"{document}/export/dataset").json()["error"]
    shown = studio.get(page).json()
    edit(studio, page, shown["version"], {"kind": "text", "line": shown["lines"][1]["id"], "text": "three élans"})
    archive = zipfile.ZipFile(io.BytesIO(studio.get(f"{document}/export/dataset").content))
    archive.extractall(tmp_path)
    (sample,) = open_dataset(tmp_path).samples
    assert sample.text == "three élans" and read_line(sample).shape[1] > 300


# ---- saving


def test_an_edit_is_saved_and_can_be_undone(studio: TestClient, page: str, notes: Path) -> None:
    file = notes / "a.png.page.xml"
    before = file.read_bytes()
    shown = studio.get(page).json()
    line = shown["lines"][0]["id"]
    saved = edit(studio, page, shown["version"], {"kind": "text", "line": line, "text": "One, two"}).json()
    assert lines(saved) == ["One, two", "three Élan", "five"] and saved["lines"][0]["corrected"]
    assert saved["version"] == version_of(file.read_bytes())
    headers = {"If-Match": f'"{saved["version"]}"'}
    undone = studio.put(f"{page}/versions/{shown['version']}", headers=headers)
    assert undone.json()["version"] == shown["version"] and file.read_bytes() == before
    assert studio.put(f"{page}/versions/unknown", headers={"If-Match": shown["version"]}).status_code == 422
    assert studio.get(page, headers={"If-None-Match": f'"{shown["version"]}"'}).status_code == 304


def test_two_tabs_do_not_overwrite_each_other(studio: TestClient, page: str) -> None:
    shown = studio.get(page).json()
    first, second, _ = [line["id"] for line in shown["lines"]]
    assert edit(studio, page, shown["version"], {"kind": "text", "line": first, "text": "of tab 1"}).status_code == 200
    late = edit(studio, page, shown["version"], {"kind": "text", "line": second, "text": "of tab 2"})
    assert late.status_code == 412 and "changed elsewhere" in late.json()["error"]
    now = studio.get(page).json()
    assert edit(studio, page, now["version"], {"kind": "text", "line": second, "text": "of tab 2"}).status_code == 200
    assert lines(studio.get(page).json()) == ["of tab 1", "of tab 2", "five"]


def test_errors_do_not_say_where_the_folder_is(studio: TestClient, notes: Path) -> None:
    (notes / "b.png").write_bytes(b"no image")
    for _ in range(200):
        studio.app.state.library._scanned = -1e9  # type: ignore[attr-defined]
        if "b.png" in ids(studio):
            break
    answer = studio.get(f"/library/documents/{ids(studio)['b.png']}/pages/1/image")
    assert answer.status_code == 422 and answer.json()["error"].startswith("b.png: not an image")
    (notes / "b.png").unlink()


def test_edits_at_the_same_time_all_count_or_are_refused(studio: TestClient, page: str) -> None:
    shown = studio.get(page).json()
    statuses: list[int] = []

    def save(number: int) -> None:
        change = {"kind": "text", "line": shown["lines"][0]["id"], "text": str(number)}
        statuses.append(edit(studio, page, shown["version"], change).status_code)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + 7 * [412]


def test_changes_by_other_programs_are_noticed(studio: TestClient, page: str, notes: Path) -> None:
    shown = studio.get(page).json()
    file = notes / "a.png.page.xml"
    file.write_text(file.read_text("utf-8").replace("five", "six"), "utf-8")
    change = {"kind": "text", "line": shown["lines"][2]["id"], "text": "seven"}
    assert edit(studio, page, shown["version"], change).status_code == 412
    assert lines(studio.get(page).json())[2] == "six"
    file.unlink()
    assert edit(studio, page, shown["version"], change).status_code in (404, 412)


def test_a_full_disk_is_reported_and_loses_nothing(
    studio: TestClient, page: str, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = studio.get(page).json()
    before = (notes / "a.png.page.xml").read_bytes()

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    change = {"kind": "text", "line": shown["lines"][0]["id"], "text": "lost?"}
    with monkeypatch.context() as patch:
        patch.setattr("inkread._files.os.fsync", full)
        answer = edit(studio, page, shown["version"], change)
    assert answer.status_code == 507 and "No space left on device" in answer.json()["error"]
    assert (notes / "a.png.page.xml").read_bytes() == before
    assert [file.name for file in notes.glob(".*")] == []
    assert edit(studio, page, shown["version"], change).status_code == 200


def test_a_page_is_read_again_without_what_is_excluded(studio: TestClient, page: str) -> None:
    shown = studio.get(page).json()
    first = shown["lines"][0]["id"]
    area = [[0, 90], [500, 90], [500, 160], [0, 160]]
    edits = {"kind": "exclude", "polygon": area}, {"kind": "confirm", "line": first, "corrected": True}
    saved = edit(studio, page, shown["version"], *edits).json()
    assert lines(saved) == ["one two", "five"] and saved["excluded"][0]["polygon"] == area
    again = edit(studio, page, saved["version"], {"kind": "read"}).json()
    assert lines(again) == ["one two"] and again["excluded"] == saved["excluded"]  # the image is white
    included = edit(studio, page, again["version"], {"kind": "include", "area": again["excluded"][0]["id"]})
    assert included.json()["excluded"] == []


def test_alternatives_are_those_of_the_recogniser(studio: TestClient, page: str) -> None:
    line = studio.get(page).json()["lines"][0]["id"]
    answer = studio.get(f"{page}/alternatives", params={"line": line, "word": 1})
    assert answer.status_code == 200 and isinstance(answer.json()["alternatives"], list)
    for asked in ({"line": line, "word": 2}, {"line": "nowhere"}, {}):
        assert studio.get(f"{page}/alternatives", params=asked).status_code == 422


NO_EDITS = [
    "{",
    "{}",
    "[1]",
    '[{"kind": "fly"}]',
    '[{"kind": "text", "line": "nowhere"}]',
    '[{"kind": "draw", "polygon": [[1, 1]]}]',
    '[{"kind": "split", "line": "region1_line1"}]',
    '[{"kind": "exclude", "polygon": [[1, 1]]}]',
    '[{"kind": "include", "area": "none"}]',
]


@pytest.mark.parametrize("edits", NO_EDITS)
def test_what_is_no_edit_is_refused(studio: TestClient, page: str, edits: str) -> None:
    version = studio.get(page).json()["version"]
    answer = studio.patch(page, content=edits, headers={"If-Match": f'"{version}"'})
    assert answer.status_code == 422 and answer.json()["error"]


def test_a_line_that_is_drawn_is_read(studio: TestClient, page: str) -> None:
    version = studio.get(page).json()["version"]
    outline = [[0, 400], [300, 400], [300, 450], [0, 450]]
    answer = edit(studio, page, version, {"kind": "draw", "polygon": outline}).json()
    assert len(answer["lines"]) == 4 and answer["lines"][3]["polygon"] == outline


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_killing_the_server_loses_no_edit_that_was_saved(tmp_path: Path) -> None:
    Image.new("L", (1000, 500), 255).save(tmp_path / "a.png")
    write_page(tmp_path)
    command = [sys.executable, "-m", "inkread", "studio", str(tmp_path), "--no-browser", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        address = server.stdout.readline().strip()
        html = urllib.request.urlopen(address).read().decode()
        csrf = html.partition('csrf-token" content="')[2].partition('"')[0]
        overview = json.loads(urllib.request.urlopen(f"{address}library?since=0").read())
        page = f"{address}library/documents/{overview['ids'][0]}/pages/1"
        shown = json.loads(urllib.request.urlopen(page).read())
        threading.Timer(0.4, server.send_signal, [signal.SIGKILL]).start()
        saved, number = "one two", 0
        while True:
            number += 1
            body = json.dumps([{"kind": "text", "line": shown["lines"][0]["id"], "text": f"edit {number}"}]).encode()
            headers = {"If-Match": shown["version"], "X-CSRF-Token": csrf}
            try:
                request = urllib.request.Request(page, body, headers, method="PATCH")
                shown = json.loads(urllib.request.urlopen(request).read())
            except (OSError, http.client.HTTPException):
                break
            saved = f"edit {number}"
    finally:
        server.kill()
        server.communicate()
    kept = [row for row in (tmp_path / "a.png.page.xml").read_text("utf-8").splitlines() if "edit " in row]
    assert number > 1 and saved != "one two"
    assert any(saved in row or f"edit {number}" in row for row in kept)  # the last one may have been written


# ---- the commands


def test_ctrl_c_stops_the_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inkread", "serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout
    address = server.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    for _ in range(100):
        try:
            assert urllib.request.urlopen(f"{address}healthz").status == 200
            break
        except OSError:
            time.sleep(0.1)
    server.send_signal(signal.SIGINT)
    _, stderr = server.communicate(timeout=30)
    assert (server.returncode, stderr) == (0, "stopped\n")


def test_a_port_that_is_taken_is_reported() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused("serve", "--port", port, code=2) == (
            f"Error: --port {port} is used by another program; give another one, or 0 for any"
        )


def test_a_token_that_could_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "Error: --token: 5 characters, but it needs 16 or more"
    assert refused("serve", "--token", "short", code=2) == problem
    monkeypatch.setenv("INKREAD_TOKEN", "short")
    assert refused("serve", code=2) == problem
    assert make_access(None, "x" * 16) == Access("127.0.0.1", "x" * 16, csrf=ANY)
    assert make_access("0.0.0.0", "x" * 16).token == "x" * 16 != make_access("0.0.0.0").token is not None


def test_a_second_studio_on_a_folder_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path / LOCK):
        message = refused("studio", tmp_path, "--no-browser", "--port", 0, code=2)
    assert message == f"Error: {tmp_path}: another inkread studio serves this folder; use that one, or stop it first"


def test_a_missing_folder_is_reported() -> None:
    assert refused("studio", "nowhere", code=3).startswith("Error: nowhere: no such folder")


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("inkread.studio", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'inkread[studio]'" in refused("studio", SAMPLE, code=2)


def test_answers_do_not_wait_for_one_another() -> None:
    """Without TCP_NODELAY, the second part of an answer waits 40 ms until the client has acknowledged the first."""
    with _listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
