"""The web application: which function answers which address."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from inkread import __version__
from inkread.document import FORMATS
from inkread.errors import BadInput, CannotWrite, InkreadError
from inkread.outputs.files import PDF
from inkread.studio import iink, pad
from inkread.studio.jobs import TASK_SECONDS, Busy, Slots, Worker
from inkread.studio.library import IMAGE, THUMBNAIL, Library
from inkread.studio.security import MAX_BODY, Access, Guard, TooLarge, int_or_zero
from inkread.studio.store import Changed

STATIC = Path(__file__).with_name("static")
UPLOAD_SECONDS = 60.0  # in which the body of a request must have come
JOBS = 4  # requests to the API that are read or wait; each may hold MAX_BODY bytes
RETRY_SECONDS = 2  # what a request that is too many is told to wait
EXPORTS = (*FORMATS, PDF, "dataset")
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # for addresses with a version in them

log = logging.getLogger("inkread")


@dataclass
class Settings:
    """What the server offers. Without a folder, only the API. `options` are those of `inkread.load`."""

    folder: Path | None = None
    access: Access = field(default_factory=Access)
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float = TASK_SECONDS


def make_app(settings: Settings) -> Starlette:
    """The application. It starts its worker processes when they are needed, and ends them when the server stops."""
    reader = Worker(settings.options, settings.seconds)
    pen = Worker(settings.options, settings.seconds)  # another one, as nobody who writes waits until a page is read
    drawer = Worker(None, settings.seconds) if settings.folder else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.reader, app.state.slots = reader, Slots(JOBS)
        app.state.pen, app.state.pen_slots = pen, Slots(JOBS)
        if settings.folder and drawer:
            app.state.library = Library(settings.folder, reader, drawer)
            app.state.csrf = settings.access.csrf
        try:
            yield
        finally:
            if settings.folder and drawer:
                await app.state.library.close()
                drawer.close()
            pen.close()
            reader.close()

    return Starlette(
        routes=[*API, *(STUDIO if settings.folder else [])],
        middleware=[Middleware(Guard, access=settings.access)],
        exception_handlers={
            InkreadError: _refuse,
            TooLarge: _refuse,
            Busy: _refuse,
            TimeoutError: _refuse,
            KeyError: _not_found,
            HTTPException: _http_error,
            Exception: _internal_error,
        },
        lifespan=lifespan,
    )


# ---- the API for programs


async def read(request: Request) -> Response:
    """The lines of an image, PDF or file of pen strokes, as `inkread predict --json` prints them."""
    async with _place(request, request.app.state.slots):
        async with asyncio.timeout(UPLOAD_SECONDS):
            data, name = await _upload(request)
        text = await request.app.state.reader.run("read_upload", data, name, place=name)
    return Response(text, media_type="application/x-ndjson")


async def read_strokes(request: Request) -> Response:
    """The lines of pen strokes that are being written, with alternatives of each word."""
    text = await _read_pen(request, "read_strokes", "strokes", place="strokes")
    return Response(text, media_type="application/json")


async def read_iink(request: Request) -> Response:
    """What MyScript's cloud service answers to the same request; see iink.py. Errors have its form, too."""
    kind = iink.accepted(request.headers.get("accept", ""))
    if kind is None:
        return _iink_error("accept", f"accept {iink.JIIX} or {iink.PLAIN}", 406)
    try:
        text = await _read_pen(request, "read_iink", kind, place=iink.PLACE)
    except BadInput as error:
        return _iink_error("input", str(error), 400)
    return Response(text, media_type=kind)


def _iink_error(code: str, message: str, status: int) -> Response:
    return JSONResponse({"code": f"inkread.{code}", "message": message}, status)


async def _read_pen(request: Request, task: str, *arguments: str | None, place: str) -> str:
    """The result of a task with the body of a request, in the process that reads pen strokes."""
    async with _place(request, request.app.state.pen_slots):
        async with asyncio.timeout(UPLOAD_SECONDS):
            data = await request.body()
        text: str = await request.app.state.pen.run(task, data, *arguments, place=place)
    return text


@asynccontextmanager
async def _place(request: Request, slots: Slots) -> AsyncIterator[None]:
    """One of the slots. Raises Busy after the body has come: a client that still sends would not see the answer."""
    try:
        async with slots.take():
            yield
    except Busy:
        async for _ in request.stream():
            pass
        raise


async def _upload(request: Request) -> tuple[bytes, str]:
    """The file in a request and its name: the only file of a form, or the whole body."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body(), request.query_params.get("name") or "upload"
    try:
        async with request.form(max_files=1, max_fields=10) as form:
            for value in form.values():
                if isinstance(value, UploadFile):
                    return await value.read(), value.filename or "upload"
    except ValueError as error:  # of python-multipart
        raise BadInput(f"not a form ({error})", hint="send the file as the whole body") from error
    raise BadInput("no file in the form", hint="send it as a part with a filename, or as the whole body")


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


async def description(request: Request) -> Response:
    described = json.loads((STATIC.parent / "openapi.json").read_text("utf-8"))
    described["info"]["version"] = __version__
    return JSONResponse(described)


API = [
    Route("/api/read", read, methods=["POST"]),
    Route("/api/strokes", read_strokes, methods=["POST"]),
    Route("/api/v4.0/iink/batch", read_iink, methods=["POST"]),
    Route("/api", description),
    Route("/healthz", health),
]


# ---- the studio


async def index(request: Request) -> Response:
    page = (STATIC / "index.html").read_text("utf-8").replace("CSRF_TOKEN", request.app.state.csrf)
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


async def overview(request: Request) -> Response:
    library = _library(request)
    await library.scan()
    return JSONResponse(library.overview(int_or_zero(request.query_params.get("since"))))


async def search(request: Request) -> Response:
    return JSONResponse({"hits": _library(request).search(request.query_params.get("q", ""))})


async def add_document(request: Request) -> Response:
    async with asyncio.timeout(UPLOAD_SECONDS):
        data = await request.body()
    item = await _library(request).add(request.query_params.get("name", ""), data)
    return JSONResponse({"id": item.id, "name": item.name}, 201)


async def read_documents(request: Request) -> Response:
    library = _library(request)
    if request.method == "DELETE":
        library.background.stop()
    else:
        library.read_later(await library.unread())
    return JSONResponse({"waiting": len(library.background.waiting)})


async def choose_model(request: Request) -> Response:
    library, asked = _library(request), await _object(request)
    item = await library.get(request.path_params["id"])
    await library.choose_model([item], _text(asked, "model") or None)
    return JSONResponse({"model": library.model_of(item)})


async def learning(request: Request) -> Response:
    library = _library(request)
    if request.method == "DELETE":
        library.learning.stop()
        library.learning.forget()
    else:
        asked = await _object(request)
        ids = asked.get("documents")
        if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
            raise BadInput("no list of documents", hint="reload the page")
        await library.learn(_text(asked, "name"), ids, asked.get("everywhere") is True)
    return JSONResponse({"learning": library.learning.state and vars(library.learning.state)})


async def alternatives(request: Request) -> Response:
    library, asked = _library(request), request.query_params
    item, number = await library.get(request.path_params["id"]), request.path_params["number"]
    found = await library.alternatives(item, number, asked.get("line", ""), int_or_zero(asked.get("word")))
    return JSONResponse({"alternatives": found})


async def thumbnail(request: Request) -> Response:
    library = _library(request)
    item = await library.get(request.path_params["id"])
    return Response(await library.image(item, 1, THUMBNAIL), media_type="image/jpeg", headers=FOREVER)


async def page_image(request: Request) -> Response:
    library = _library(request)
    item = await library.get(request.path_params["id"])
    image = await library.image(item, request.path_params["number"], IMAGE)
    return Response(image, media_type="image/jpeg", headers=FOREVER)


async def page(request: Request) -> Response:
    library = _library(request)
    item, number = await library.get(request.path_params["id"]), request.path_params["number"]
    if request.method == "GET":
        shown = await library.page(item, number)
        if shown.get("version") and request.headers.get("if-none-match") == f'"{shown["version"]}"':
            return Response(status_code=304)
    else:
        version = request.headers.get("if-match", "").strip('"')
        shown = await library.change(item, number, version, await _json(request))
    return _versioned(shown)


async def restore_page(request: Request) -> Response:
    library = _library(request)
    version, wanted = request.headers.get("if-match", "").strip('"'), request.path_params["version"]
    item = await library.get(request.path_params["id"])
    return _versioned(await library.restore(item, request.path_params["number"], version, wanted))


async def export(request: Request) -> Response:
    library = _library(request)
    item, format_name = await library.get(request.path_params["id"]), request.path_params["format"]
    if format_name not in EXPORTS:
        raise KeyError(format_name)
    return _download(*await library.export(item, format_name))


async def export_lines(request: Request) -> Response:
    library = _library(request)
    return _download(await library.export_lines(library.items.values()), "lines.zip")


async def export_pad(request: Request) -> Response:
    format_name = request.path_params["format"]
    if format_name not in pad.FORMATS:
        raise KeyError(format_name)
    data = await request.app.state.pen.run("export_pad", await request.body(), format_name, place="the pad")
    return _download(data, f"pad{pad.FORMATS[format_name]}")


async def add_pad(request: Request) -> Response:
    found = await request.app.state.pen.run("pad_document", await request.body(), place="the pad")
    item = await _library(request).add(request.query_params.get("name", ""), *found)
    return JSONResponse({"id": item.id, "name": item.name}, 201)


async def read_pad(request: Request) -> Response:
    """The same as `read_strokes`, with the model that the user has chosen for the pad."""
    text = await _read_pen(request, "read_strokes", "strokes", _library(request).pad_model, place="strokes")
    return Response(text, media_type="application/json")


async def pad_model(request: Request) -> Response:
    library = _library(request)
    if request.method == "PUT":
        await library.choose_pad_model(_text(await _object(request), "model") or None)
    else:
        await library.scan()
    return JSONResponse(library.pad())


STUDIO = [
    Route("/", index),
    Route("/library", overview),
    Route("/library/search", search),
    Route("/library/reading", read_documents, methods=["POST", "DELETE"]),
    Route("/library/lines.zip", export_lines),
    Route("/library/documents", add_document, methods=["POST"]),
    Route("/library/learning", learning, methods=["POST", "DELETE"]),
    Route("/library/documents/{id}/thumbnail", thumbnail),
    Route("/library/documents/{id}/model", choose_model, methods=["PUT"]),
    Route("/library/documents/{id}/pages/{number:int}/image", page_image),
    Route("/library/documents/{id}/pages/{number:int}", page, methods=["GET", "PATCH"]),
    Route("/library/documents/{id}/pages/{number:int}/versions/{version}", restore_page, methods=["PUT"]),
    Route("/library/documents/{id}/pages/{number:int}/alternatives", alternatives),
    Route("/library/documents/{id}/export/{format}", export),
    Route("/pad/export/{format}", export_pad, methods=["POST"]),
    Route("/pad/documents", add_pad, methods=["POST"]),
    Route("/pad/strokes", read_pad, methods=["POST"]),
    Route("/pad/model", pad_model, methods=["GET", "PUT"]),
    Mount("/static", StaticFiles(directory=STATIC)),
]


# ---- helpers


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise BadInput("not JSON", hint="reload the page") from error


async def _object(request: Request) -> dict[str, Any]:
    found = await _json(request)
    if not isinstance(found, dict):
        raise BadInput("not a JSON object", hint="reload the page")
    return found


def _text(asked: dict[str, Any], name: str) -> str:
    """A text in a JSON object; "" where there is none, or null."""
    text = asked.get(name) or ""
    if not isinstance(text, str):
        raise BadInput(f"{name} is not a text", hint="reload the page")
    return text


def _versioned(shown: dict[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store"}
    if shown.get("version"):
        headers["ETag"] = f'"{shown["version"]}"'
    return JSONResponse(shown, headers=headers)


def _download(data: bytes, name: str) -> Response:
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    return Response(data, media_type="application/octet-stream", headers={"Content-Disposition": disposition})


# ---- errors


async def _refuse(request: Request, error: Exception) -> Response:
    """What is wrong with a request, as JSON with one line of text."""
    if isinstance(error, Busy):
        wait = {"Retry-After": str(RETRY_SECONDS)}
        return JSONResponse({"error": "other files are being read; try again in a moment"}, 503, wait)
    if isinstance(error, TooLarge):
        problem = f"more than {MAX_BODY // 1_000_000} MB; divide the file or scale it down"
        return JSONResponse({"error": problem}, 413)
    if isinstance(error, TimeoutError):
        return JSONResponse({"error": "the file did not arrive in time"}, 408)
    return JSONResponse({"error": _below_folder(request, str(error))}, _status(error))


def _below_folder(request: Request, problem: str) -> str:
    """What is wrong, with the names of files as the library shows them: where the folder is concerns nobody else."""
    library = getattr(request.app.state, "library", None)
    return library.below_folder(problem) if library else problem


def _status(error: Exception) -> int:
    if isinstance(error, Changed):
        return 412
    return 507 if isinstance(error, CannotWrite) else 422


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is no such document or page; go back to the library"}, 404)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _internal_error(request: Request, error: Exception) -> Response:
    log.error("an error in inkread, please report it: %r", error)
    return JSONResponse({"error": f"an error in inkread, please report it ({error!r})"}, 500)
