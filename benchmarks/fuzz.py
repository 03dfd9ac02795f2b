"""Feed damaged files to the commands: no traceback, no hang, no more than a gigabyte of memory.

    python benchmarks/fuzz.py --cases 10000 --seed 1
    python benchmarks/fuzz.py --cases 200 --kinds arpa toml

Every case takes a valid file of some kind, damages it at random, and runs the command that reads such files. A case
fails if the command ends with a traceback, takes longer than --seconds, or makes its process grow beyond a gigabyte.
Failing files are kept in --keep. Prints a table of the kinds; exits with 1 if a case failed.
"""

import argparse
import contextlib
import gzip
import io
import multiprocessing
import os
import random
import re
import resource
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
SAMPLE = ROOT / "datasets" / "sample"
MEGABYTES = 1000  # that a process may take at most
CASES_A_PROCESS = 200  # then a new one is started, so that memory is that of few cases
EXTREMES = [
    b"1e309",
    b"-1e309",
    b"nan",
    b"inf",
    b"-1",
    b"0",
    b"9" * 300,
    b"1e-320",
    b"",
    b"\0",
    b"\xff\xfe",
    b'"',
    b"\n",
    b"<",
    b"&#0;",
]


@dataclass(frozen=True)
class Kind:
    """Files of one kind: what they are called, a valid content, and the command line that reads one."""

    name: str  # of the file
    make: Callable[[], bytes]
    command: Callable[[str], list[str]]


def predict(file: str) -> list[str]:
    return ["predict", file, "--decoder", "greedy", "--json"]


def check(file: str) -> list[str]:
    return ["check", file]


def image(form: str, **options: object) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        with Image.open(SAMPLE / "letter.jpg") as page:
            page.convert("RGB").resize((400, 300)).save(buffer, form, **options)
        return buffer.getvalue()

    return make


def pages(form: str, **options: object) -> Callable[[], bytes]:
    """A file of three pages."""
    small = [Image.new("L", (200, 150), 255 - number) for number in range(2)]
    return image(form, save_all=True, append_images=small, **options)


def fax() -> bytes:
    buffer = io.BytesIO()
    with Image.open(SAMPLE / "letter.jpg") as page:
        page.resize((400, 300)).convert("1").save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def heic() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()  # so that Pillow writes HEIC
    return image("HEIF")()


def file(name: str) -> Callable[[], bytes]:
    return (SAMPLE / name).read_bytes


UNIPEN = b""".VERSION 1.0
.COORD X Y
.SEGMENT TEXT 0-1 ? "hi"
.PEN_DOWN
 0 0
 10 40
 20 80
.PEN_UP
 25 60
.PEN_DOWN
 30 0
 40 30
.PEN_UP
"""
JSON_INK = b'{"strokes": [[[0, 12], [3, 30], [5, 41]], [[9, 12], [9, 13]]], "text": "hi", "writer": "anna"}\n'
IAM_INK = (
    b'<?xml version="1.0"?><WhiteboardCaptureSession><StrokeSet><Stroke colour="black"><Point x="1" y="2" time="3.0"/>'
    b'<Point x="9" y="40" time="3.1"/></Stroke></StrokeSet></WhiteboardCaptureSession>'
)
XOPP = gzip.compress(
    b"""<?xml version="1.0"?><xournal creator="x" fileversion="4"><page width="595.27" height="841.88">
<background type="solid" color="#ffffffff" style="lined"/><layer>
<stroke tool="pen" color="#000000ff" width="1.41 0.4 0.5">100 112 103 130 105 141</stroke>
<stroke tool="eraser" color="#ffffffff" width="8.5">103 130 105 131</stroke>
<text font="Sans" size="12" x="130.5" y="96.75" color="#ff0000ff">red</text></layer></page></xournal>"""
)
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 595 841">
<style>.pen{fill:none;stroke:black}</style><g transform="translate(10 20) rotate(5)" class="pen">
<path class="pen" d="M10 10c4 30 9-20 12 8s7-9 9 3A5 5 0 0 1 60 12L70 30"/>
<polyline class="pen" points="80,10 84,40 90,9"/>
<line stroke="red" x1="1" y1="2" x2="30" y2="40"/><text x="9" y="90" font-size="12">typed</text></g></svg>"""
PDF_INK = b"""%PDF-1.7
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 360 180]/Contents 4 0 R/Annots[5 0 R]>> endobj
4 0 obj <</Length 91>>stream
1 1 1 rg 0 0 360 180 re f 2 w 36 72 m 72 108 l 80 60 l S 90 70 m 95 100 110 100 120 70 c S
endstream endobj
5 0 obj <</Type/Annot/Subtype/Ink/Rect[0 0 360 180]/CA 1/InkList[[136 72 172 108 180 60][200 70 210 99]]>> endobj
trailer <</Root 1 0 R/Size 6>>
%%EOF"""
ALTO = b"""<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">
<Description><sourceImageInformation><fileName>p.png</fileName></sourceImageInformation></Description>
<Layout><Page WIDTH="400" HEIGHT="300"><PrintSpace><TextBlock>
<TextLine BASELINE="10,40 300,42"><Shape><Polygon POINTS="10,10 300,10 300,50 10,50"/></Shape>
<String CONTENT="Dear"/></TextLine>
</TextBlock></PrintSpace></Page></Layout></alto>
"""
PAGE = b"""<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="p.png" imageWidth="400" imageHeight="300"><TextRegion id="r">
<TextLine id="l"><Coords points="10,10 300,10 300,50 10,50"/><Baseline points="10,40 300,42"/>
<TextEquiv><Unicode>Dear</Unicode></TextEquiv></TextLine>
</TextRegion></Page></PcGts>
"""
ROWS = b"""{"file": "p.png", "text": "a", "polygon": [[10, 10], [300, 10], [9, 50]], "baseline": [[10, 40], [300, 42]]}
{"file": "p.png", "text": "a", "characters": [{"text": "a", "left": 4, "right": 30}]}
"""
ARPA = b"""\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<s>\t-0.3
-0.9\t</s>
-1.2\t<unk>
-0.6\ta\t-0.3
-0.7\tb

\\2-grams:
-0.2\t<s> a
-0.3\ta b

\\end\\
"""
TOML = b'layers = 2\nlearning_rate = 0.003\ncell = "gru"\nchannels = [8, 8, 8]\nbatch = 4\nema = 0.9\n'


def remarkable_page() -> bytes:
    """A page of a reMarkable with a stroke and a typed word."""
    import uuid

    import rmscene
    from rmscene import scene_items
    from rmscene.crdt_sequence import CrdtSequenceItem
    from rmscene.tagged_block_common import CrdtId

    points = [scene_items.Point(x, y, 0, 0, 8, 100) for x, y in ((0, 90), (5, 140), (20, 80), (40, 150))]
    pen, black = scene_items.Pen.BALLPOINT_2, scene_items.PenColor.BLACK
    item = CrdtSequenceItem(
        CrdtId(1, 20), CrdtId(0, 0), CrdtId(0, 0), 0, scene_items.Line(black, pen, points, 1.0, 0.0)
    )
    file = io.BytesIO()
    blocks = [*rmscene.simple_text_document("hi", uuid.UUID(int=1)), rmscene.SceneLineItemBlock(CrdtId(0, 11), item)]
    rmscene.write_blocks(file, blocks)
    return file.getvalue()


def remarkable_notebook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("n.content", '{"fileType": "notebook", "pages": ["a", "b"]}')
        archive.writestr("n/a.rm", remarkable_page())
    return file.getvalue()


def prepared_dataset() -> bytes:
    from inkread.config import NetworkConfig
    from inkread.data import open_dataset
    from inkread.training.preparation import prepare_dataset

    with TemporaryDirectory() as folder:
        out = Path(folder, "a.inkset")
        prepare_dataset(open_dataset(str(SAMPLE)).samples[:2], out, NetworkConfig())
        return out.read_bytes()


def language_model(kind: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from inkread.cli import main

        with TemporaryDirectory() as folder:
            text, out = Path(folder, "text.txt"), Path(folder, "x.lm.safetensors")
            text.write_text("the cat sat on the mat and the dog sat on the log\n" * 40)
            options = (
                ["--set", "epochs=1", "--set", "hidden=8", "--set", "batch=4"] if kind == "rnn" else ["--order", "4"]
            )
            main(["lm", "train", str(text), "--kind", kind, "--out", str(out), *options], standalone_mode=False)
            return out.read_bytes()

    return make


def read_with(model: str) -> list[str]:
    return ["predict", str(SAMPLE / "pen.inkml"), "--lm", "none", "--model", model]


def train_with(config: str) -> list[str]:
    return ["train", "tiny.tsv", "--config", config, "--out", "m.safetensors", "--dry-run"]


def score_with(model: str) -> list[str]:
    return ["lm", "score", "text.txt", "--lm", model]


def model() -> bytes:
    return next((ROOT / "models").glob("strokes.safetensors")).read_bytes()


KINDS = {
    "png": Kind("a.png", image("PNG"), predict),
    "jpeg": Kind("a.jpg", image("JPEG"), predict),
    "tiff": Kind("a.tif", image("TIFF", compression="tiff_lzw"), predict),
    "bmp": Kind("a.bmp", image("BMP"), predict),
    "webp": Kind("a.webp", image("WEBP"), predict),
    "gif": Kind("a.gif", image("GIF"), predict),
    "ppm": Kind("a.ppm", image("PPM"), predict),
    "jpeg2000": Kind("a.jp2", image("JPEG2000"), predict),
    "avif": Kind("a.avif", image("AVIF"), predict),
    "heic": Kind("a.heic", heic, predict),
    "mpo": Kind("a.jpg", pages("MPO"), predict),
    "tiff-pages": Kind("a.tif", pages("TIFF"), predict),
    "tiff-fax": Kind("a.tif", fax, predict),
    "pdf": Kind("a.pdf", image("PDF"), predict),
    "pdf-pages": Kind("a.pdf", pages("PDF"), predict),
    "line": Kind("a.png", file("04-ruled.png"), predict),
    "inkml": Kind("a.inkml", file("pen.inkml"), predict),
    "unipen": Kind("a.dat", lambda: UNIPEN, predict),
    "json-ink": Kind("a.json", lambda: JSON_INK, predict),
    "xopp": Kind("a.xopp", lambda: XOPP, predict),
    "xopp-xml": Kind("a.xopp", lambda: gzip.decompress(XOPP), predict),
    "svg": Kind("a.svg", lambda: SVG, predict),
    "rm": Kind("a.rm", remarkable_page, predict),
    "rmdoc": Kind("a.rmdoc", remarkable_notebook, predict),
    "pdf-ink": Kind("a.pdf", lambda: PDF_INK, predict),
    "iam-ink": Kind("a.xml", lambda: IAM_INK, predict),
    "alto": Kind("a.xml", lambda: ALTO, check),
    "page": Kind("a.xml", lambda: PAGE, check),
    "tsv": Kind("a.tsv", lambda: b"file\ttext\twriter\tsplit\np.png\tDear\tanna\ttrain\np.png\tSir\tben\tdev\n", check),
    "csv": Kind("a.csv", lambda: b'file,text\np.png,"Dear, ""Sir"""\np.png,Sir\n', check),
    "jsonl": Kind("a.jsonl", lambda: ROWS, check),
    "inkset": Kind("a.inkset", prepared_dataset, check),
    "model": Kind("a.safetensors", model, read_with),
    "ngram": Kind("a.lm.safetensors", language_model("ngram"), score_with),
    "rnn": Kind("b.lm.safetensors", language_model("rnn"), score_with),
    "arpa": Kind("a.arpa", lambda: ARPA, score_with),
    "toml": Kind("a.toml", lambda: TOML, train_with),
}  # fmt: skip


def damage(data: bytes, rng: random.Random) -> bytes:
    """The content with one to four random changes."""
    for _ in range(rng.randint(1, 4)):
        place, end = sorted(rng.choices(range(len(data) + 1), k=2))
        end = min(end, place + rng.choice([1, 4, 30, 1000]))
        change = rng.randrange(7)
        numbers = [match.span() for match in re.finditer(rb"-?\d+\.?\d*", data[:20000])] if change == 0 else []
        if numbers:
            first, last = rng.choice(numbers)
            data = data[:first] + rng.choice(EXTREMES) + data[last:]
        elif change == 1:
            data = data[:place]
        elif change == 2:
            data = data[:place] + data[end:]
        elif change == 3:
            data = data[:end] + data[place:end] * rng.choice([1, 2, 20]) + data[end:]
        elif change == 4:
            data = data[:place] + rng.randbytes(end - place) + data[end:]
        elif change == 5:
            data = data[:place] + rng.choice(EXTREMES) + data[place:]
        elif data:
            byte = rng.randrange(len(data))
            data = data[:byte] + bytes([data[byte] ^ 1 << rng.randrange(8)]) + data[byte + 1 :]
    return data


def work(connection: Connection, folder: str) -> None:
    """Run the command lines that come, and answer each with its exit code and "" or what is wrong."""
    os.chdir(folder)
    import torch

    from inkread.cli import main

    torch.set_num_threads(1)
    while command := _next(connection):
        code: str | int = 0
        problem, out, err = "", io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main(command, standalone_mode=True)
        except SystemExit as done:
            code = done.code or 0
            if code not in (0, 1, 2, 3):  # 3: nothing to read in it
                problem = f"exit code {code}"
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        if "Traceback" in err.getvalue():
            problem = err.getvalue()[-300:]
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1024)
        connection.send((code, problem or (f"{megabytes:.0f} MB of memory" if megabytes > MEGABYTES else "")))


def _next(connection: Connection) -> list[str]:
    """The next command line; empty when the other process has ended."""
    try:
        command: list[str] = connection.recv()
        return command
    except EOFError:
        return []


class Worker:
    """A process that runs commands; it is replaced after a hang and now and then."""

    def __init__(self, folder: str) -> None:
        self.folder, self.done = folder, 0
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, folder), daemon=True)
        self.process.start()

    def run(self, command: list[str], seconds: float) -> tuple[str | int, str]:
        """The exit code of a command, and what is wrong with how it ended."""
        self.connection.send(command)
        limit = seconds + (60 if not self.done else 0)  # the first imports torch
        self.done += 1
        if not self.connection.poll(limit):
            self.process.kill()
            return "", f"took more than {seconds:.0f} s"
        try:
            code, problem = self.connection.recv()
            return code, problem
        except EOFError:
            return "", "the process died"

    def usable(self) -> bool:
        return self.process.is_alive() and self.done < CASES_A_PROCESS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="a case may take (default: %(default)g)")
    parser.add_argument(
        "--kinds", nargs="*", choices=list(KINDS), default=list(KINDS), metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-failures"), help="folder for failing files (default: %(default)s)"
    )
    arguments = parser.parse_args()

    rng, counts, times = random.Random(arguments.seed), Counter[str](), defaultdict[str, float](float)
    failures: list[tuple[str, int, str]] = []
    with TemporaryDirectory() as folder:
        Path(folder, "text.txt").write_text("the cat sat\n")
        Path(folder, "tiny.tsv").write_text("file\ttext\np.png\tDear\np.png\tSir\n")
        with Image.open(SAMPLE / "letter.jpg") as page:
            page.resize((400, 300)).save(Path(folder, "p.png"))
        valid = {name: KINDS[name].make() for name in arguments.kinds}
        worker = Worker(folder)
        for name in arguments.kinds:  # a command that refuses the undamaged file would test nothing
            path = Path(folder, KINDS[name].name)
            path.write_bytes(valid[name])
            code, problem = worker.run(KINDS[name].command(str(path)), 60)
            path.unlink()
            if code or problem:
                sys.exit(f"{name}: the undamaged file is not read (exit code {code}) {problem}")
        for case in range(arguments.cases):
            name = arguments.kinds[case % len(arguments.kinds)]
            kind, data = KINDS[name], damage(valid[name], rng)
            path = Path(folder, kind.name)
            path.write_bytes(data)
            if not worker.usable():
                worker.process.kill()
                worker = Worker(folder)
            began = time.monotonic()
            _, problem = worker.run(kind.command(str(path)), arguments.seconds)
            times[name] = max(times[name], time.monotonic() - began)
            counts[name] += 1
            if problem:
                failures.append((name, case, problem))
                arguments.keep.mkdir(exist_ok=True)
                (arguments.keep / f"{name}-{arguments.seed}-{case}{path.suffix}").write_bytes(data)
                print(f"{name}, case {case}: {problem}", file=sys.stderr, flush=True)
                worker.process.kill()
            path.unlink()
        worker.process.kill()
    print("| kind | cases | failed | longest, s |\n|---|---|---|---|")
    for name in arguments.kinds:
        print(f"| {name} | {counts[name]} | {sum(name == kind for kind, *_ in failures)} | {times[name]:.1f} |")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
