"""The scripts in experiments/gpu: what is packed in parts comes out of them unchanged."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import numpy as np
import pytest
from commands import ROOT, python

SCRIPTS = ROOT / "experiments" / "gpu"


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(f"gpu_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A folder with 4 MB of random numbers, which cannot be compressed, in parts of 6 MB."""
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.bin").write_bytes(np.random.default_rng(0).bytes(4_000_000))
    (tmp_path / "lines" / "empty").touch()
    (tmp_path / "wheels").mkdir()
    with ZipFile(tmp_path / "wheels" / "some-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some/__init__.py", "x = 1")
    arguments = [f"{tmp_path / 'lines'}:train*2", "--dev", tmp_path / "lines" / "a.bin", "--set", "batch=8"]
    done = python(
        SCRIPTS / "pack.py", *arguments, "--wheels", tmp_path / "wheels", "--part-megabytes", 6, "--out",
        tmp_path / "packed", stdout=-1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "packed"


def test_packing_and_unpacking(packed: Path, tmp_path: Path) -> None:
    train, work = script("train"), tmp_path / "work"
    parts = sorted(packed.glob("part-*.xz"))
    assert len(parts) > 1 and max(part.stat().st_size for part in parts) < 6_000_000
    train.unpack(packed, work)
    expected = (tmp_path / "lines" / "a.bin").read_bytes()
    assert (work / "data" / "0-lines" / "a.bin").read_bytes() == expected
    assert (work / "data" / "dev-a.bin").read_bytes() == expected and (work / "data" / "0-lines" / "empty").exists()
    assert (work / "code" / "some" / "__init__.py").read_text() == "x = 1"
    own = ROOT / "inkread"
    assert (work / "code" / "inkread" / "config.py").read_bytes() == (own / "config.py").read_bytes()
    assert '"data/0-lines:train*2"' in (work / "job.json").read_text()
    for part in (parts[0], parts[-1]):
        moved = part.rename(tmp_path / part.name)
        with pytest.raises(SystemExit, match="part is missing"):
            train.unpack(packed, tmp_path / "another")
        moved.rename(part)


def test_a_checkpoint_is_divided_and_put_together(tmp_path: Path) -> None:
    train, path = script("train"), tmp_path / "model.checkpoint"
    path.write_bytes(bytes(range(250)))
    train.split(path, 100)
    assert [part.stat().st_size for part in sorted(tmp_path.iterdir())] == [100, 100, 50]
    train.join(path)
    assert path.read_bytes() == bytes(range(250)) and list(tmp_path.iterdir()) == [path]
