"""The documentation is true: the commands in README.md and docs/ print what is shown there, links lead somewhere,
and docs/cli.md has every command and option of the program."""

import doctest
import glob
import importlib.util
import re
import runpy
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from notebooks import rmdoc, xopp

from inkread._model_files import shipped_models
from inkread.cli import main
from inkread.config import DEFAULT_MODEL
from inkread.inputs import read_inks

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "datasets" / "sample"
FOLDERS = ("docs", "datasets", "models", "benchmarks", "examples", "experiments")
PAGES = [*ROOT.glob("*.md"), *(page for name in FOLDERS for page in sorted(ROOT.glob(f"{name}/**/*.md")))]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]  # their examples are run
BRIEF = {  # what takes long is cut short
    # precision=auto would first measure the speed of both
    r"--(minutes|epochs) \d+": "--epochs 1 --set precision=float32 --set evaluations=1",
    r"--set epochs=\d+": "--set epochs=1",
    r"which_language.py": "which_language.py --steps 10",
    r"every_cell.py": "every_cell.py --epochs 1",
}

needs_model = pytest.mark.skipif(
    DEFAULT_MODEL not in shipped_models(), reason="the shipped model is not in models/ yet"
)


def examples(page: Path) -> Iterator[tuple[str, str]]:
    """The commands in the console blocks of a page, each with the output shown below it."""
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for example in block.split("$ ")[1:]:
            command, _, output = example.partition("\n")
            yield command, output


def commands(command: click.Command, words: tuple[str, ...] = ("inkread",)) -> Iterator[tuple[str, click.Command]]:
    """All commands with the words that call them: ("inkread predict", ...), ..."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*words, name))
    else:
        yield " ".join(words), command


COMMANDS = dict(commands(main))
NEEDS = {".rmdoc": "rmscene", "--format pdf": "pikepdf"}  # parts of commands -> the package of an extra that they need


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder as the README's reader has it, with the samples, a letter, lines and texts of one's own."""
    shutil.copytree(SAMPLE, tmp_path / "datasets" / "sample")
    shutil.copy(SAMPLE / "01-scan.png", tmp_path / "letter.png")
    (tmp_path / "scans" / "june").mkdir(parents=True)
    shutil.copy(SAMPLE / "letter.jpg", tmp_path / "scans" / "june")
    (ink,) = read_inks(SAMPLE / "pen.inkml", whole=True)
    (tmp_path / "notebook.xopp").write_bytes(xopp(ink.strokes))
    (tmp_path / "tablet.rmdoc").write_bytes(rmdoc(ink.strokes) if find_spec("rmscene") else b"")
    texts = [path.read_text("utf-8") for path in sorted(SAMPLE.glob("*.gt.txt"))]
    (tmp_path / "letters.txt").write_text("".join(texts), encoding="utf-8")
    (tmp_path / "names.txt").write_text("Margaret\n", encoding="utf-8")
    shutil.copytree(SAMPLE, tmp_path / "my-lines", ignore=shutil.ignore_patterns("*.txt", "*.py", "*.md"))
    rows = ["file\ttext\twriter\tsplit"]
    for number, text in enumerate(sorted(SAMPLE.glob("*.gt.txt"))):
        picture = text.name.replace(".gt.txt", ".png")
        rows.append(f"{picture}\t{text.read_text('utf-8').strip()}\t{number}\t{'train' if number % 4 else 'dev'}")
    (tmp_path / "my-lines" / "lines.tsv").write_text("\n".join(rows), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "1")  # quicker for so few lines
    monkeypatch.setattr("inkread.training.gradients.LINES", 1)


def run_example(command: str) -> Result:
    """Run `inkread ...` or `python examples/...` as a shell would, with patterns, and `> FILE` at the end."""
    for long, short in BRIEF.items():
        command = re.sub(long, short, command)
    command, _, target = command.partition(" > ")
    program, *words = shlex.split(command)
    words = [name for word in words for name in (sorted(glob.glob(word)) or [word])]
    if program == "python":
        script, *words = words
        done = CliRunner().invoke(runpy.run_path(str(ROOT / script))["command"], words)
    else:
        assert program == "inkread"
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, f"{command}\n{done.output}"
    if target:
        Path(target).write_bytes(done.stdout_bytes)
    return done


@needs_model
@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", [page for page in GUIDES if [*examples(page)]], ids=lambda page: page.name)
def test_the_commands_of_a_guide_print_what_is_shown(page: Path) -> None:
    """The commands one after another, as some need what others made; in the output `...` stands for anything."""
    for command, shown in examples(page):
        if command.startswith("make ") or any(word in command and not find_spec(NEEDS[word]) for word in NEEDS):
            continue
        done = run_example(command)
        printed = "" if " > " in command else done.stdout
        matches = doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS)
        assert matches, f"{command}\nprints\n{printed}instead of\n{shown}"


@needs_model
@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_the_python_of_a_guide_prints_what_its_comments_say(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, _ in examples(page):
        if command.startswith("inkread export"):  # the block reads the file
            CliRunner().invoke(main, shlex.split(command)[1:])
    names: dict[str, object] = {}  # the blocks of a page go on with one another
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(block, names)
        assert capsys.readouterr().out.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)", block, re.MULTILINE)


def quotes(page: Path) -> Iterator[tuple[str, str]]:
    """The pieces of source code in a page, between lines of dots: the file that each is from, and its lines."""
    for block in re.findall(r"^```py\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        file, code = block.removeprefix("# ").split("\n", 1)
        for piece in re.split(r"^\.\.\.\n", code, flags=re.MULTILINE):
            yield file, textwrap.dedent(piece).rstrip()


@pytest.mark.parametrize(("file", "code"), [*quotes(ROOT / "docs" / "lecture.md")])
def test_the_lecture_quotes_the_source(file: str, code: str) -> None:
    """Line by line, with the same indentation but for the beginning of all lines."""
    lines, length = (ROOT / file).read_text("utf-8").splitlines(), code.count("\n") + 1
    pieces = ("\n".join(lines[first : first + length]) for first in range(len(lines)))
    assert any(textwrap.dedent(piece) == code for piece in pieces), f"{file} has no such lines:\n{code}"


def test_the_reference_of_the_commands_is_up_to_date() -> None:
    script = ROOT / "docs" / "make_cli.py"
    spec = importlib.util.spec_from_file_location("make_cli", script)
    assert spec and spec.loader
    make_cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_cli)
    assert doctest.testmod(make_cli).failed == 0
    assert make_cli.FILE.read_text("utf-8") == make_cli.document(), "run: python docs/make_cli.py"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_has_the_targets_that_are_named() -> None:
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^\$ |^    |`)make ([a-z]+)", page.read_text("utf-8"), re.M)
    }
    assert named >= {"demo", "test"}
    for target in named:
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text("utf-8")):
        if not re.match(r"https?://", link):
            target = page.parent / link if link else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What links can name in a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_explained(words: str) -> None:
    """In its help and so in docs/cli.md, with examples that would be understood."""
    command = COMMANDS[words]
    examples = re.findall(rf"^ *{words} ([^|>\n]+)", command.help or "", re.MULTILINE)
    assert examples, f"{words} --help has no example"
    for example in examples:
        command.make_context(words, shlex.split(example))
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, f"{words} {option.opts[0]} has no help"
