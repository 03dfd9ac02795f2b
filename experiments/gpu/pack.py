"""Pack a training into a folder of small files, for a machine with a GPU but without a network.

    inkread prepare my-lines:train more-lines*3 -o train.inkset
    inkread prepare my-lines:dev -o dev.inkset
    python experiments/gpu/pack.py train.inkset --dev dev.inkset --from latin --set batch=128 --out packed

The folder gets part-000.xz and so on, of at most --part-megabytes each, with inkread itself, the datasets and the
settings; and train.py, which needs only this folder, Python and torch. Packages that the other machine lacks are
packed with --wheels FOLDER, a folder of wheels for it: `pip download --only-binary=:all: --no-deps ...`.
"""

import argparse
import json
import lzma
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

from inkread._model_files import find_model

HERE = Path(__file__).parent
PACKAGE = HERE.parents[1] / "inkread"
BLOCK = 1 << 20  # bytes that are compressed at once
MARGIN = 4 << 20  # bytes that the compressor may still hold back, and the table of a part
PRESET = 1  # of xz: images shrink to about the same size with the slower ones


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack a training for a machine with a GPU but without a network.")
    parser.add_argument("datasets", nargs="+", help="PATH, PATH:SPLIT or either with *WEIGHT, as for `inkread train`")
    parser.add_argument("--dev", help="the validation lines; by default a tenth of the lines")
    parser.add_argument("--from", dest="start", help="an included model, or a file, to start from")
    parser.add_argument("--preset", help="otherwise, the network")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to pack")
    parser.add_argument("--part-megabytes", type=float, default=60, help="size of a part at most (default: 60)")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write; it must not exist")
    arguments = parser.parse_args()
    if arguments.out.exists():
        sys.exit(f"{arguments.out}: exists; delete it, or give another --out")
    arguments.out.mkdir(parents=True)
    files: dict[str, Path | bytes] = {
        f"code/inkread/{path.relative_to(PACKAGE).as_posix()}": path
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    for wheel in sorted(arguments.wheels.glob("*.whl")) if arguments.wheels else []:
        with ZipFile(wheel) as archive:
            files |= {f"code/{name}": archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    job = {
        "datasets": [packed_dataset(name, f"{number}-", files) for number, name in enumerate(arguments.datasets)],
        "dev": packed_dataset(arguments.dev, "dev-", files) if arguments.dev else None,
        "start": "start.safetensors" if arguments.start else None,
        "preset": arguments.preset,
        "settings": dict(setting.split("=", 1) for setting in arguments.settings),
    }
    if arguments.start:
        files["start.safetensors"] = find_model(arguments.start)
    files["job.json"] = json.dumps(job, indent=2).encode()
    parts = write_parts(files, arguments.out, int(arguments.part_megabytes * 1_000_000))
    shutil.copy(HERE / "train.py", arguments.out)
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{arguments.out}: {len(files)} files in {parts} parts, {size / 1e6:.1f} MB")


def packed_dataset(name: str, prefix: str, files: dict[str, Path | bytes]) -> str:
    """Add the files of a dataset, and return its name on the other machine."""
    for end in range(len(name), 0, -1):  # PATH may itself contain : and *
        path = Path(name[:end])
        if path.exists():
            break
    else:
        sys.exit(f"{name}: no such file or folder")
    packed = f"data/{prefix}{path.name}"
    members = [path] if path.is_file() else [member for member in sorted(path.rglob("*")) if member.is_file()]
    files |= {f"{packed}/{member.relative_to(path).as_posix()}".removesuffix("/."): member for member in members}
    return packed + name[end:]


def write_parts(files: dict[str, Path | bytes], folder: Path, limit: int) -> int:
    """Write files as parts of less than `limit` bytes, and return their number.

    Each part is an xz file: a line of JSON with [name, offset, length] of each piece of a file in it, then the pieces.
    """
    parts = 0
    table: list[tuple[str, int, int]] = []
    compressor, written = lzma.LZMACompressor(preset=PRESET), bytearray()

    def finish() -> None:
        nonlocal parts, table, compressor, written
        written += compressor.flush()
        header = lzma.compress((json.dumps(table) + "\n").encode())  # xz files can be joined
        (folder / f"part-{parts:03}.xz").write_bytes(header + written)
        parts += 1
        table, compressor, written = [], lzma.LZMACompressor(preset=PRESET), bytearray()

    for name, source in files.items():
        offset = 0
        for block in blocks(source):
            if len(written) + BLOCK + MARGIN > limit:
                finish()
            written += compressor.compress(block)
            table.append((name, offset, len(block)))
            offset += len(block)
    finish()
    return parts


def blocks(source: Path | bytes) -> Iterator[bytes]:
    """The content of a file in blocks; one empty block for an empty file."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    for start in range(0, max(len(content), 1), BLOCK):
        yield content[start : start + BLOCK]


if __name__ == "__main__":
    main()
