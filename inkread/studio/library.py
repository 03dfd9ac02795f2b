"""The documents of a folder: their pages, how far they are read and corrected, and their texts, for searching."""

import asyncio
import hashlib
import logging
import os
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from inkread._files import write_atomic
from inkread._model_files import find_model, new_personal_model, personal_models, reads_strokes
from inkread._names import one_line, printable
from inkread.config import DEFAULT_MODEL, STROKE_MODEL
from inkread.document.elements import Page
from inkread.errors import BadConfig, BadInput, InkreadError
from inkread.inputs import INK_SUFFIXES
from inkread.inputs.collect import collect, is_document
from inkread.inputs.source import file_version
from inkread.studio.alternatives import alternatives
from inkread.studio.choices import Choices
from inkread.studio.jobs import Background, Worker
from inkread.studio.learning import Learning, Order, check_torch
from inkread.studio.store import Changed, Store, apply, find_file, new_file, to_points
from inkread.studio.transcript import Transcript

RESCAN_SECONDS = 5.0  # a folder is looked through again after this time, for files that other programs add
MANY_PAGES = INK_SUFFIXES | {".pdf", ".tif", ".tiff"}  # endings of files that may have more than one page
THUMBNAIL, IMAGE = 400, 2600  # pixels of the longer side of what the browser shows
IMAGES_KEPT = 50_000_000  # bytes
HITS = 100  # that a search returns
LONGEST_NAME = 120  # characters of the name of a new file; systems allow 255 bytes
PAD = "/pad"  # among the names of documents, none of which begins with "/"

log = logging.getLogger("inkread")


@dataclass
class PageStatus:
    """What is known of a page that was read, from a version of its file."""

    file: Path
    version: tuple[int, int] | None
    lines: int = 0
    corrected: int = 0
    confidence: float | None = None
    text: tuple[str, ...] = ()
    folded: str = ""
    problem: str = ""


@dataclass
class Item:
    """A document of the folder. `count` is None until its pages have been counted."""

    id: str
    path: Path
    name: str  # below the folder
    count: int | None = None
    pages: dict[int, PageStatus] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)  # of pages that cannot be read; 0 is the file itself
    indexed: bool = False
    revision: int = 0


class Library:
    """The documents below a folder. All methods run in the event loop; what takes long runs elsewhere."""

    def __init__(self, folder: Path, reader: Worker, drawer: Worker) -> None:
        self.folder, self.reader, self.drawer = folder, reader, drawer
        self.store = Store()
        self.choices = Choices(folder)
        self.learning = Learning(self._learnt)
        self.items: dict[str, Item] = {}
        self.revision = 1
        self.order = 1  # the revision in which a document was added or removed
        self.background = Background(self._read)
        self._outdated: set[tuple[str, int]] = set()  # pages that were read with another model than they are to be
        self.models: dict[str, bool] = {}  # of the user, and whether they read pen strokes
        self._for: tuple[set[str], bool] = set(), False  # the documents that the model which is being learnt is for
        self._scanned = 0.0
        self._indexing: asyncio.Task[None] | None = None
        self._images: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    # ---- what is there

    async def scan(self, force: bool = False) -> None:
        """Find the documents of the folder, if that was not done just now."""
        if not force and time.monotonic() - self._scanned < RESCAN_SECONDS:
            return
        self._scanned = time.monotonic()
        await asyncio.to_thread(self._find_models)
        found = (await asyncio.to_thread(collect, [str(self.folder)])).inputs
        paths = {_id_of(each.relative): (Path(each.path), printable(each.relative.as_posix())) for each in found}
        if list(paths) != list(self.items):
            self.items = {id: self.items.get(id) or Item(id, path, name) for id, (path, name) in paths.items()}
            self.order = self._next()
        if self._indexing is None or self._indexing.done():
            self._indexing = asyncio.create_task(self._index())

    async def _index(self) -> None:
        """Look at the files of all documents that are new or changed."""
        for item in list(self.items.values()):
            await self.refresh(item)

    async def refresh(self, item: Item) -> None:
        """Bring what is known of a document up to date."""
        if item.count is None and 0 not in item.errors:
            try:
                item.count = await self._count(item)
            except InkreadError as error:
                item.errors[0] = self.below_folder(str(error))
        if await asyncio.to_thread(_update, item) or not item.indexed:
            item.indexed = True
            item.revision = self._next()

    async def _count(self, item: Item) -> int:
        if item.path.suffix.lower() not in MANY_PAGES:
            return 1
        count: int = await self.drawer.run("count_pages", str(item.path), str(item.path), place=str(item.path))
        return count

    def _next(self) -> int:
        self.revision += 1
        return self.revision

    def overview(self, since: int) -> dict[str, Any]:
        """The documents that changed since a revision, all ids if some have come or gone, and what is being read."""
        changed = [item for item in self.items.values() if item.revision > since or since < self.order]
        reading = self.background.reading
        return {
            "folder": printable(self.folder.resolve().name),
            "revision": self.revision,
            "ids": list(self.items) if since < self.order else None,
            "documents": [self._to_dict(item) for item in changed],
            "indexing": not all(item.indexed for item in self.items.values()),
            "job": {
                "done": self.background.done,
                "waiting": len(self.background.waiting),
                "reading": self.items[reading[0]].name if reading and reading[0] in self.items else None,
            },
            "models": [{"name": name, "strokes": strokes} for name, strokes in self.models.items()],
            "learning": self.learning.state and vars(self.learning.state),
        }

    def _to_dict(self, item: Item) -> dict[str, Any]:
        pages = item.pages.values()
        confidences = [page.confidence for page in pages if page.confidence is not None]
        problem = next((page.problem for page in pages if page.problem), "") or next(iter(item.errors.values()), "")
        return {
            "id": item.id,
            "name": item.name,
            "pages": item.count,
            "read": len(item.pages),
            "failed": sum(number in item.errors for number in range(1, (item.count or 0) + 1)),
            "lines": sum(page.lines for page in pages),
            "corrected": sum(page.corrected for page in pages),
            "confidence": fmean(confidences) if confidences else None,
            "start": next((line for number in sorted(item.pages) for line in item.pages[number].text), ""),
            "error": problem,
            "version": _version(item.path),
            "model": self.model_of(item),
            "strokes": _of_strokes(item),
        }

    def below_folder(self, problem: str) -> str:
        """A message with the names of files as the library shows them."""
        return problem.replace(f"{self.folder}{os.sep}", "")

    async def get(self, id: str) -> Item:
        """The document with an id, which a page may know from a server that ran before. Raises KeyError."""
        if id not in self.items:
            await self.scan()
        item = self.items[id]
        if not item.indexed:
            await self.refresh(item)
        return item

    def search(self, query: str) -> list[dict[str, Any]]:
        """The pages with all words of a query, each with the first line that has one. Accents and case do not count."""
        words = fold(query).split()
        hits = []
        for item in self.items.values() if words else ():
            for number, page in sorted(item.pages.items()):
                if all(word in page.folded for word in words):
                    line = next((line for line in page.text if any(word in fold(line) for word in words)), "")
                    hits.append({"id": item.id, "name": item.name, "page": number, "text": line})
                    if len(hits) == HITS:
                        return hits
        return hits

    # ---- images

    async def image(self, item: Item, number: int, longest: int) -> bytes:
        """A page as JPEG. Raises BadInput."""
        key = (item.id, number, longest, file_version(item.path))
        if key not in self._images:
            drawn = await self.drawer.run("draw", str(item.path), number, longest, place=str(item.path))
            self._images[key] = drawn
            while sum(map(len, self._images.values())) > IMAGES_KEPT and len(self._images) > 1:
                self._images.popitem(last=False)
        self._images.move_to_end(key)
        return self._images[key]

    # ---- reading

    def read_later(self, pages: Iterable[tuple[str, int]], first: bool = False) -> None:
        """Read pages in the background, those that were not read yet."""
        wanted = [page for page in pages if page[1] not in self.items[page[0]].pages or page in self._outdated]
        self.background.add(wanted, first)

    async def unread(self) -> list[tuple[str, int]]:
        """All pages that were neither read nor found unreadable, once all documents have been looked at."""
        await self.scan()
        if self._indexing:
            await asyncio.wait([self._indexing])
        return [
            (item.id, number)
            for item in self.items.values()
            for number in range(1, (item.count or 0) + 1)
            if number not in item.pages and number not in item.errors
        ]

    async def _read(self, page: tuple[str, int]) -> None:
        item, number = self.items.get(page[0]), page[1]
        if item is None:
            return
        await self.refresh(item)
        if item.count is None:
            return
        if number in item.pages and page not in self._outdated:
            return
        self._outdated.discard(page)
        try:
            if number in item.pages:
                await self._read_lines_again(item, number)
                return
            read = await self.reader.run("read_page", str(item.path), number, self.model_of(item), place=str(item.path))
            file = new_file(item.path, number, item.count)
            await asyncio.to_thread(self.store.create, file, str(item.path), read)
            item.errors.pop(number, None)
        except Changed:
            pass  # another program was faster
        except InkreadError as error:
            item.errors[number] = self.below_folder(str(error))
        except Exception as error:  # the others are still read
            log.exception("reading %s", item.name)
            item.errors[number] = f"an error in inkread ({error!r})"
        item.indexed = False
        await self.refresh(item)

    # ---- pages

    async def page(self, item: Item, number: int) -> dict[str, Any]:
        """A page as the browser shows it; one that was not read yet is read next."""
        await self.refresh(item)
        if not 1 <= number <= (item.count or 1):
            raise KeyError(number)
        if number in item.pages:
            transcript, version = await asyncio.to_thread(self.store.load, item.pages[number].file, number)
            return self._page_to_dict(item, number, transcript, version)
        if number not in item.errors and 0 not in item.errors:
            self.read_later([(item.id, number)], first=True)
        return self._head(item, number) | {"state": "reading", "error": item.errors.get(number) or item.errors.get(0)}

    async def change(self, item: Item, number: int, version: str, edits: Any) -> dict[str, Any]:
        """Save edits of a page. Raises what `Store.edit` does."""
        if not isinstance(edits, list) or not all(isinstance(edit, dict) for edit in edits):
            raise BadInput("not a list of edits", hint="reload the page")
        if any(edit.get("kind") == "read" for edit in edits):
            return await self._read_again(item, number, version)
        drawn = [edit for edit in edits if edit.get("kind") == "draw"]
        if drawn:
            return await self._add_lines(item, number, version, drawn)

        def apply_all(transcript: Transcript) -> None:
            apply(transcript, edits)

        return await self._saved(item, number, lambda file: self.store.edit(file, number, version, apply_all))

    async def restore(self, item: Item, number: int, version: str, wanted: str) -> dict[str, Any]:
        """Save a former version of a page again. Raises what `Store.restore` does."""
        return await self._saved(item, number, lambda file: self.store.restore(file, number, version, wanted))

    async def _read_again(self, item: Item, number: int, version: str) -> dict[str, Any]:
        """Find and read the lines of a page again, but those that are corrected."""
        read = await self.reader.run("read_page", str(item.path), number, self.model_of(item), place=str(item.path))

        def replace_lines(transcript: Transcript) -> None:
            transcript.read_again(read)

        return await self._saved(item, number, lambda file: self.store.edit(file, number, version, replace_lines))

    async def _add_lines(self, item: Item, number: int, version: str, edits: list[dict[str, Any]]) -> dict[str, Any]:
        """Add lines that the user has drawn, with what is read there."""
        transcript, _ = await asyncio.to_thread(self.store.load, self._file(item, number), number)
        try:
            outlines = [to_points(edit["polygon"]) for edit in edits]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"not an outline ({error})", hint="draw it again") from error
        shapes = [(outline, ()) for outline in outlines]
        arguments = str(item.path), number, shapes, transcript.size, self.model_of(item)
        lines = await self.reader.run("read_regions", *arguments, place=str(item.path))

        def add(transcript: Transcript) -> None:
            for outline, line in zip(outlines, lines, strict=True):
                added = transcript.add(outline)
                if line:
                    transcript.reread(added, line)

        return await self._saved(item, number, lambda file: self.store.edit(file, number, version, add))

    async def _read_lines_again(self, item: Item, number: int) -> None:
        """Read the lines of a page with the model of the document, but those that are corrected."""
        transcript, version = await asyncio.to_thread(self.store.load, self._file(item, number), number)
        lines = [line for line in transcript.to_dict()["lines"] if not line["corrected"] and len(line["polygon"]) > 2]
        shapes = [(line["polygon"], line["baseline"]) for line in lines]
        if not lines:
            return
        arguments = str(item.path), number, shapes, transcript.size, self.model_of(item)
        read = await self.reader.run("read_regions", *arguments, place=str(item.path))

        def replace_texts(transcript: Transcript) -> None:
            for line, new in zip(lines, read, strict=True):
                if new:
                    transcript.reread(line["id"], new)

        try:
            await self._saved(item, number, lambda file: self.store.edit(file, number, version, replace_texts))
        except Changed:  # corrected meanwhile: once more, with what stands there now
            self._read_lines_later([(item.id, number)])

    async def alternatives(self, item: Item, number: int, line: str, place: int) -> list[str]:
        """Other readings of the word at a place of a line. Raises BadInput."""
        transcript, _ = await asyncio.to_thread(self.store.load, self._file(item, number), number)
        found = next((each for each in transcript.to_dict()["lines"] if each["id"] == line), None)
        words = found["text"].split() if found else []
        if not found or not place < len(words) or len(found["polygon"]) < 3:
            raise BadInput(
                "this word is no longer there, or nowhere on the page", path=item.name, hint="reload the page"
            )
        shape = found["polygon"], found["baseline"]
        arguments = str(item.path), number, shape, transcript.size, self.model_of(item)
        read = await self.reader.run("read_alternatives", *arguments, place=str(item.path))
        return alternatives(words, place, read)

    async def _saved(self, item: Item, number: int, save: Callable[[Path], tuple[Transcript, str]]) -> dict[str, Any]:
        transcript, version = await asyncio.to_thread(save, self._file(item, number))
        await self.refresh(item)
        return self._page_to_dict(item, number, transcript, version)

    def _file(self, item: Item, number: int) -> Path:
        if number not in item.pages:
            raise KeyError(number)
        return item.pages[number].file

    def _page_to_dict(self, item: Item, number: int, transcript: Transcript, version: str) -> dict[str, Any]:
        saved = {"state": "read", "version": version, "file": one_line(Path(transcript.name).name)}
        return self._head(item, number) | saved | transcript.to_dict()

    def _head(self, item: Item, number: int) -> dict[str, Any]:
        ids = list(self.items)
        place = ids.index(item.id) if item.id in self.items else 0
        neighbours = {"before": ids[place - 1] if place else None, "after": next(iter(ids[place + 1 :]), None)}
        return {
            "id": item.id, "name": item.name, "number": number, "pages": item.count or 1,
            "image": _version(item.path), **neighbours, "model": self.model_of(item),
            "models": self._models_of(_of_strokes(item)),
        }  # fmt: skip

    # ---- models of the user

    def _find_models(self) -> None:
        """Look which models the user has, and whether they read pen strokes. Damaged ones are left out."""
        found = {}
        for name, path in personal_models().items():
            with suppress(InkreadError):
                found[name] = reads_strokes(path)
        self.models = found

    def _models_of(self, strokes: bool) -> list[str]:
        """The models of the user for pen strokes, or those for images."""
        return [name for name, reads in self.models.items() if reads == strokes]

    def model_of(self, item: Item) -> str | None:
        """The model of the user that reads a document; None for the one that the server was started with."""
        return self._chosen(item.name, _of_strokes(item))

    def _chosen(self, name: str, strokes: bool) -> str | None:
        chosen = self.choices.get(name)
        return chosen if chosen in self._models_of(strokes) else None

    def pad(self) -> dict[str, Any]:
        """The model of the user that reads the pad, and those that can."""
        return {"model": self.pad_model, "models": self._models_of(strokes=True)}

    @property
    def pad_model(self) -> str | None:
        """The model of the user that reads the pad; None for the one that the server was started with."""
        return self._chosen(PAD, strokes=True)

    async def choose_pad_model(self, model: str | None) -> None:
        """Read the pad with a model of the user, None for none of them. Raises BadConfig and CannotWrite."""
        await asyncio.to_thread(self._find_models)
        self._check_model(model, strokes=True)
        await asyncio.to_thread(self.choices.set, [PAD], model)

    def _check_model(self, model: str | None, strokes: bool) -> None:
        """Raise BadConfig unless the user has this model, and it reads pen strokes or images, as it is to."""
        if model is not None and model not in self.models:
            raise BadConfig(f"{one_line(model)}: no such model of yours", hint="reload the page")
        if model is not None and self.models[model] != strokes:
            problem = f"{model} reads {_kind(not strokes)}, and not {_kind(strokes)}"
            raise BadConfig(problem, hint=f"choose a model of {_kind(strokes)}")

    async def choose_model(self, items: Iterable[Item], model: str | None) -> None:
        """Read documents with a model of the user, None for none of them. Raises BadConfig and CannotWrite."""
        items = list(items)
        await asyncio.to_thread(self._find_models)
        for item in items:
            self._check_model(model, _of_strokes(item))
        changed = [item for item in items if self.choices.get(item.name) != model]
        await asyncio.to_thread(self.choices.set, [item.name for item in changed], model)
        for item in changed:
            item.revision = self._next()
        self._read_lines_later([(item.id, number) for item in changed for number in item.pages])

    def _read_lines_later(self, pages: list[tuple[str, int]]) -> None:
        """Read the lines of pages again in the background, but those that are corrected."""
        self._outdated.update(pages)
        self.read_later(pages)

    async def learn(self, name: str, ids: Sequence[str], everywhere: bool) -> None:
        """Fine-tune a model on the corrected lines of documents, all of images or all of pen strokes.

        If it is better, it is chosen for these documents; `everywhere`, also for those that have no model of the user,
        and of strokes for the pad. Raises BadConfig and KeyError.
        """
        check_torch()
        full_name, file = new_personal_model(name)
        items = [await self.get(id) for id in ids]
        strokes = any(map(_of_strokes, items))
        if strokes and not all(map(_of_strokes, items)):
            problem = "a model learns images or pen strokes, and these documents are both"
            raise BadConfig(problem, hint="learn from one kind first, and from the other with another name")
        models = {self.model_of(item) for item in items}
        (start,) = models if len(models) == 1 else (None,)
        await asyncio.to_thread(self._find_models)
        if self.models.get(full_name, strokes) != strokes:
            raise BadConfig(f"there is a model {full_name} of {_kind(not strokes)}", hint="choose another name")
        if file.exists() and start != full_name:
            raise BadConfig(f"there is a model {full_name}", hint="choose it for these documents, or another name")
        documents = [
            (str(item.path), item.name, {n: str(page.file) for n, page in item.pages.items() if page.corrected})
            for item in items
        ]
        options = self.reader.options or {}
        self._for = set(ids), everywhere
        self.learning.start(Order(full_name, documents, start or _start(strokes, options), options, strokes))

    async def _learnt(self, result: dict[str, Any]) -> None:
        """Choose the new model for the documents that it is for, and read them again."""
        if not result["kept"]:
            return
        await asyncio.to_thread(self._find_models)
        ids, everywhere = self._for
        name = result["name"]
        strokes = self.models.get(name)
        chosen = [
            item
            for item in self.items.values()
            if item.id in ids or (everywhere and self.model_of(item) is None and _of_strokes(item) == strokes)
        ]
        if strokes and everywhere and self.pad_model is None:
            await self.choose_pad_model(name)
        # Documents that were read with an earlier version of it are read again, too.
        await self.choose_model([item for item in chosen if self.choices.get(item.name) != name], name)
        self._read_lines_later(
            [(item.id, n) for item in self.items.values() if self.model_of(item) == name for n in item.pages]
        )

    # ---- adding and exporting

    async def add(self, name: str, data: bytes, page: Page | None = None, confirmed: Sequence[bool] = ()) -> Item:
        """Save a new document in the folder, and read it, if its only page is not known already.

        `confirmed` says which lines of this page the user has confirmed.

        Raises BadInput if it is none, and CannotWrite.
        """
        name = safe_name(name)
        if not is_document(name):
            raise BadInput("not a kind of document that inkread reads, by the ending of its name", path=name)
        count = await self.drawer.run("count_pages", data, name, place=name)
        path = _free(self.folder / name)
        await asyncio.to_thread(write_atomic, path, data)
        if page:
            await asyncio.to_thread(self.store.create, new_file(path, 1, 1), str(path), page, confirmed)
        await self.scan(force=True)
        item = self.items[_id_of(path.relative_to(self.folder))]
        item.count = count
        self.read_later([(item.id, number) for number in range(1, count + 1)])
        return item

    async def export(self, item: Item, format_name: str) -> tuple[bytes, str]:
        """A document in a format, and the name of the file. Raises BadInput."""
        await self.refresh(item)
        files = {number: str(page.file) for number, page in item.pages.items()}
        if not files:
            raise BadInput("not read yet", path=item.name, hint="open it first")
        if format_name == "dataset":
            return await self.export_lines([item]), f"{item.path.name}-lines.zip"
        data, ending = await self.drawer.run("export", str(item.path), files, format_name, place=str(item.path))
        return data, item.path.name + ending

    async def export_lines(self, items: Iterable[Item]) -> bytes:
        """The corrected lines of documents, as a dataset in a zip file. Raises BadInput if there are none."""
        documents = [
            (str(item.path), item.name, {n: str(page.file) for n, page in item.pages.items() if page.corrected})
            for item in items
        ]
        data: bytes = await self.drawer.run("export_lines", documents, place="the corrected lines")
        return data

    async def close(self) -> None:
        """Stop all work."""
        if self._indexing:
            self._indexing.cancel()
        await self.learning.close()
        await self.background.close()


def _of_strokes(item: Item) -> bool:
    return item.path.suffix.lower() in INK_SUFFIXES


def _kind(strokes: bool) -> str:
    return "pen strokes" if strokes else "images"


def _start(strokes: bool, options: dict[str, Any]) -> str:
    """The model to fine-tune where the user has none: that of the server, if it is one for this. Raises BadModel."""
    given = options.get("model")
    return given if given and reads_strokes(find_model(given)) == strokes else (DEFAULT_MODEL, STROKE_MODEL)[strokes]


def _update(item: Item) -> bool:
    """Look for the files of a document's pages, and read those that have changed. Whether anything is new."""
    changed = False
    for number in range(1, (item.count or 0) + 1):
        known = item.pages.get(number)
        file = find_file(item.path, number, item.count or 1)
        version = file_version(file) if file else None
        if known and (known.file, known.version) == (file, version):
            continue
        if file:
            item.pages[number] = _status(file, version, number)
            changed = True
        elif known:
            del item.pages[number]
            changed = True
    return changed


def _status(file: Path, version: tuple[int, int] | None, number: int) -> PageStatus:
    try:
        transcript, _ = Store().load(file, number)
    except InkreadError as error:
        return PageStatus(file, version, problem=str(error))
    lines = transcript.to_dict()["lines"]
    text = tuple(line["text"] for line in lines)
    words = [word for line in lines if not line["corrected"] for word in line["words"]]
    confidences = [word["confidence"] for word in words if word["confidence"] is not None]
    return PageStatus(
        file,
        version,
        lines=len(lines),
        corrected=sum(line["corrected"] for line in lines),
        confidence=fmean(confidences) if confidences else None,
        text=text,
        folded=fold("\n".join(text)),
    )


def fold(text: str) -> str:
    """Text for searching: "Élan" -> "elan"."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each))


def safe_name(name: str) -> str:
    """A file name in this folder from what a browser calls a file: "../a:b?.png" -> "a b .png"."""
    name = re.split(r"[/\\]", printable(name))[-1]
    name = "".join(" " if each in '<>:"|?*' or unicodedata.category(each) == "Cc" else each for each in name)
    stem, ending = os.path.splitext(name.strip(" ."))
    return f"{stem[: LONGEST_NAME - len(ending)].strip() or 'page'}{ending[:16]}"


def _free(path: Path) -> Path:
    """The path, or with a number behind its name if there is such a file: "page 2.png"."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem} {number}")
    return free


def _id_of(relative: Path) -> str:
    """The id of a document: it says nothing of the path, and is the same every time."""
    return hashlib.sha256(os.fsencode(relative.as_posix())).hexdigest()[:16]


def _version(path: Path) -> str:
    """What changes with a file, for the addresses of its images."""
    time_ns, size = file_version(path) or (0, 0)
    return f"{time_ns:x}-{size:x}"
