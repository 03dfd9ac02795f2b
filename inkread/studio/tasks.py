"""What the worker processes do: everything that opens files of users, which may be damaged or hostile."""

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inkread._model_files import find_model, reads_strokes
from inkread._names import one_line
from inkread.data.manifest import Row, to_table
from inkread.document import FORMATS, json_lines
from inkread.document.elements import Document, Line, Page, Points
from inkread.errors import BadInput, explain_failure
from inkread.features.image import dark_on_light
from inkread.inputs import Images, Inks, is_ink, open_input
from inkread.inputs.collect import Input
from inkread.inputs.ink import Ink
from inkread.inputs.json_ink import to_json_line
from inkread.inputs.source import file_version
from inkread.model.recognizer import Recognizers
from inkread.outputs.batch import ReadDocument, to_bytes
from inkread.outputs.files import PDF
from inkread.pages.layout import PageLayout, detect_layout
from inkread.pages.readable import open_pages
from inkread.pages.reader import find_layouts, load_reader, read_layouts, to_page
from inkread.pages.regions import Region, cut_line, cut_out
from inkread.studio import iink, pad
from inkread.studio.ink_page import InkPage
from inkread.studio.store import Store
from inkread.studio.strokes import StrokeReader, parse_lines, parse_strokes, to_dict
from inkread.studio.transcript import with_scaled_words

ALTERNATIVES = 6  # to a word, at most
MODELS_KEPT = 3  # in memory, with their language models of 10 MB each
MAX_PAGES = 50  # of a file that is sent to the API; a longer one would keep all others waiting
MAX_PIXELS = 400_000_000  # on all pages of such a file: ten photos of 40 megapixels
JPEG_QUALITY = 85  # of the images that the browser shows
STROKES = "strokes"  # the folder in an exported dataset for lines of pen strokes
LINE_UNITS = 1000  # the height of such a line there, where coordinates are whole numbers
Shape = tuple[Points, Points]  # outline and baseline
Grey = np.ndarray[Any, np.dtype[np.uint8]]
_options: dict[str, Any] = {}  # of `load_reader`, in a worker process


def serve(connection: Connection, options: dict[str, Any]) -> None:
    """Do the tasks that come over the connection, until it is closed: names of functions here, and arguments.

    The answer is ("done", result) or ("failed", an InkreadError).
    """
    _options.update(options)
    while True:
        try:
            name, arguments, place = connection.recv()
        except EOFError:
            return
        try:
            answer = "done", globals()[name](*arguments)
        except Exception as error:
            answer = "failed", explain_failure(error, place)
        try:
            connection.send(answer)
        except OSError:  # the server has ended
            return


def _recognizers(model: str | None = None) -> Recognizers:
    """What reads with a model of the user, or with those that the server was started with. Raises BadModel."""
    return _load(model, file_version(find_model(model)) if model else None)


@lru_cache(maxsize=MODELS_KEPT)
def _load(model: str | None, version: tuple[int, int] | None) -> Recognizers:
    recognizers = load_reader(**_options).recognizer
    assert isinstance(recognizers, Recognizers)
    if model and reads_strokes(find_model(model)):
        recognizers.strokes = model
    elif model:
        recognizers.images = model
    return recognizers


# ---- reading


def count_pages(source: str | bytes, name: str) -> int:
    """The number of pages. Raises BadInput where a file cannot be opened."""
    return len(open_input(source, name))


def read_upload(data: bytes, name: str) -> str:
    """The text of a file as JSON Lines, what `inkread predict --json` prints. Raises BadInput."""
    pages = open_input(data, name)
    if len(pages) > MAX_PAGES:
        raise BadInput(f"{len(pages)} pages, at most {MAX_PAGES} are read at once", path=name, hint="divide the file")
    read = read_layouts(_recognizers(), _layouts(pages))
    return json_lines.write(Document(name, tuple(to_page(layout, readings) for layout, readings in read)))


def _layouts(pages: Images | Inks) -> Iterator[PageLayout]:
    """The pages of a file in memory, as long as they are not too large together."""
    pixels = 0
    for index in range(len(pages)):
        page = pages[index] if isinstance(pages, Inks) else pages.ink(index) or pages[index]
        pixels += 0 if isinstance(page, Ink) else page.size
        if index and pixels > MAX_PIXELS:
            raise BadInput("too many pixels on its pages", path=pages.name, hint="divide the file or scale it down")
        yield detect_layout(pages.name, index + 1, len(pages), page)


@lru_cache(maxsize=2)
def _stroke_reader(recognizers: Recognizers) -> StrokeReader:
    return StrokeReader(recognizers)


def read_strokes(data: bytes, name: str, model: str | None = None) -> str:
    """The lines of strokes that are being written, as JSON. Without strokes, the model is loaded. Raises BadInput."""
    reader = _stroke_reader(_recognizers(model))
    return json.dumps(to_dict(reader.read(name, parse_strokes(data, name))), ensure_ascii=False)


def read_iink(data: bytes, kind: str) -> str:
    """The answer, of type JIIX or PLAIN, to a request in the form of MyScript's. Raises BadInput."""
    request = iink.parse(data)
    lines = _stroke_reader(_recognizers()).read(iink.PLACE, request.strokes)
    return iink.to_text(lines) if kind == iink.PLAIN else json.dumps(iink.to_jiix(request, lines), ensure_ascii=False)


def export_pad(data: bytes, format_name: str) -> bytes:
    """The lines of the pad as a file. Raises BadInput."""
    return pad.to_bytes(parse_lines(data, "the pad"), format_name)


def pad_document(data: bytes) -> tuple[bytes, Page, list[bool]]:
    """The lines of the pad as InkML, the page that this is, and which lines the user has confirmed. Raises BadInput."""
    lines = parse_lines(data, "the pad")
    return pad.to_bytes(lines, "inkml"), pad.to_page(lines), pad.confirmed(data)


def read_page(path: str, number: int, model: str | None = None) -> Page:
    """One page of a file. Raises BadInput."""
    ((layout, readings),) = read_layouts(_recognizers(model), [_layout(path, number)])
    return to_page(layout, readings)


def read_regions(
    path: str, number: int, shapes: Sequence[Shape], size: tuple[int, int], model: str | None = None
) -> list[Line | None]:
    """The lines with these outlines and baselines, which may be empty, on a page; None where no pen has written.

    Their coordinates, and those of the result, are for an image of that size; without a size, in pixels.
    """
    layout, is_there = _with_lines(path, number, [Region(*shape, _known(size)) for shape in shapes])
    ((_, readings),) = read_layouts(_recognizers(model), [layout])
    width, height = layout.size
    across, down = (1.0, 1.0) if not all(size) else (size[0] / width, size[1] / height)
    lines = iter(to_page(layout, readings).lines)
    return [with_scaled_words(next(lines), across, down) if each else None for each in is_there]


def _with_lines(path: str, number: int, regions: Sequence[Region]) -> tuple[PageLayout, list[bool]]:
    """A page with these lines, to be read, and which of them it has: of pen strokes, those with anything in them."""
    page = open_pages(path).load(number - 1)
    if isinstance(page, Ink):
        ink = InkPage.of(path, number, page)
        return ink.with_lines([region.fitted(*ink.layout.size) for region in regions])
    page = dark_on_light(page)
    height, width = page.shape
    regions = [region.fitted(width, height) for region in regions]
    cuts = [cut_out(page, region) for region in regions]
    layout = PageLayout(
        path, number, 1, (width, height), tuple(cut.image for cut in cuts), tuple(regions), tuple(cuts),
        tuple(1 for _ in cuts), is_page=True,
    )  # fmt: skip
    return layout, [True for _ in cuts]


def read_alternatives(
    path: str, number: int, shape: Shape, size: tuple[int, int], model: str | None = None
) -> list[tuple[str, list[str]]]:
    """The words that are read in a line, each with other readings, the likeliest first."""
    layout, _ = _with_lines(path, number, [Region(*shape, _known(size))])
    if not layout.line_inputs:
        return []  # typed, or nowhere on the page
    reading, others = _recognizers(model).read_with_alternatives(layout.line_inputs[0], ALTERNATIVES)
    return list(zip(reading.text.split(), others, strict=True))


def _known(size: tuple[int, int]) -> tuple[int, int] | None:
    """The size of a page in the units of its file; None if the file does not say it."""
    return size if all(size) else None


def _layout(path: str, number: int) -> PageLayout:
    """A page with its lines; pen strokes are always a page, as there must be something to show them on."""
    (layout,) = find_layouts(Input(path, Path(path), number, number), True if is_ink(path) else None)
    return layout


# ---- images


def draw(path: str, number: int, longest: int) -> bytes:
    """A page as JPEG, its longer side at most `longest` pixels."""
    image = Image.fromarray(_in_color(path, number))
    if max(image.size) > 2 * longest:
        image = image.reduce(max(image.size) // longest)
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _in_color(path: str, number: int) -> Grey:
    pages = open_pages(path)
    if not 1 <= number <= pages.count:
        raise BadInput(f"no page {number}", path=path, hint=f"it has {pages.count}")
    draw = pages.in_color
    if draw:
        return draw(number - 1)
    drawn = _layout(path, number).in_color
    assert drawn is not None  # a page of pen strokes
    return drawn()


def _grey(path: str, number: int) -> Grey:
    page = open_pages(path).load(number - 1)
    if isinstance(page, Ink):
        return np.asarray(Image.fromarray(_in_color(path, number)).convert("L"))
    return page


# ---- export


def export(path: str, files: dict[int, str], format_name: str) -> tuple[bytes, str]:
    """A document in an output format, and the ending of the file's name. `files` has the XML file of each page."""
    pages = []
    for number, file in sorted(files.items()):
        transcript, _ = Store().load(Path(file), number)
        width, height = transcript.size
        if not width or not height:
            height, width = _grey(path, number).shape
        pages.append(transcript.to_page(number, width, height))
    source = open_input(path)
    document = Document(path, tuple(pages))
    if format_name == PDF:
        return to_bytes(PDF, ReadDocument(document, source, len(source))), ".pdf"
    form = FORMATS[format_name]
    if not form.file_per_page or len(pages) <= 1:
        return to_bytes(format_name, ReadDocument(document, source, len(source))), form.suffix
    single = {
        f"{Path(path).name}-p{page.number:03}{form.suffix}": to_bytes(
            format_name, ReadDocument(Document(path, (page,)), source, len(source))
        )
        for page in pages
    }
    return _zip(single), f"{form.suffix}.zip"


def export_lines(documents: Sequence[tuple[str, str, dict[int, str]]]) -> bytes:
    """A zip file with the corrected lines, a dataset for `inkread train`: the image of each and a table.

    Lines that were written with a pen are another dataset, in the folder STROKES. Each document is its path, its name
    in the table, and the XML file of each page. Raises BadInput if there are no lines.
    """
    images: dict[str, bytes] = {}
    rows, inks = list[Row](), list[str]()
    for path, name, files in documents:
        for number, file in sorted(files.items()):
            transcript, _ = Store().load(Path(file), number)
            lines = [line for line in transcript.to_dict()["lines"] if line["corrected"] and line["text"]]
            page = open_pages(path).load(number - 1) if lines else None
            ink = InkPage.of(path, number, page) if isinstance(page, Ink) else None
            for line in lines:
                id = one_line(f"{name}#{number}/{line['id']}")
                region = Region(line["polygon"], line["baseline"], _known(transcript.size))
                if ink:
                    inks += _ink_row(id, ink, region, line["text"])
                else:
                    assert isinstance(page, np.ndarray)
                    image = f"lines/{len(images) + 1:05}.png"
                    images[image] = _png(cut_line(page, region))
                    rows.append((id, image, "", "", line["text"]))
    if not rows and not inks:
        raise BadInput("no corrected lines yet", hint="correct or confirm some first")
    tables = {"lines.tsv": to_table(rows).encode()} if rows else {}
    if inks:
        tables[f"{STROKES}/lines.jsonl"] = "".join(f"{row}\n" for row in inks).encode()
    return _zip({**tables, **images})


def _ink_row(id: str, page: InkPage, region: Region, text: str) -> list[str]:
    """A line of pen strokes as a row of a dataset; none if the pen has not written there."""
    strokes = page.strokes_in(region.fitted(*page.layout.size))
    if not strokes:
        return []
    width, height = np.ptp(np.concatenate(strokes), axis=0).tolist()
    scale = LINE_UNITS / (max(height, width / 100) or 1.0)
    return [to_json_line(id, Ink(tuple(scale * stroke for stroke in strokes), text))]


def _png(image: Grey) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
