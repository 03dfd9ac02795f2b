"""The documentation is true: every command of the README runs and prints what it shows, every link leads somewhere,
and every command and option of the program is explained."""

import doctest
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from inkread._model_files import shipped_models
from inkread.cli import main
from inkread.config import DEFAULT_MODEL

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SAMPLE = ROOT / "datasets" / "sample"
PAGES = [
    *ROOT.glob("*.md"),
    *(page for name in ("datasets", "models", "experiments") for page in ROOT.glob(f"{name}/**/*.md")),
]
TAKES_LONG = re.compile(r"--minutes \d+")
SHORT = "--epochs 1"

needs_model = pytest.mark.skipif(
    DEFAULT_MODEL not in shipped_models(), reason="the shipped model is not in models/ yet"
)


def examples() -> Iterator[tuple[str, str]]:
    """The commands in the README's console blocks, each with the output shown below it."""
    for block in re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
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


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder as the README's reader has it, with the samples, a letter, lines and texts of one's own."""
    shutil.copytree(SAMPLE, tmp_path / "datasets" / "sample")
    shutil.copy(SAMPLE / "01-scan.png", tmp_path / "letter.png")
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


@needs_model
@pytest.mark.usefixtures("desk")
def test_the_readme_does_what_it_shows() -> None:
    """The commands one after another, as some need what others made; in the output `...` stands for anything."""
    for command, shown in examples():
        program, *arguments = shlex.split(TAKES_LONG.sub(SHORT, command))
        if program == "make":
            continue
        assert program == "inkread"
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, f"{command}\n{done.output}"
        matches = doctest.OutputChecker().check_output(shown, done.stdout, doctest.ELLIPSIS)
        assert matches or not shown, f"{command}\nprints\n{done.stdout}instead of\n{shown}"


@needs_model
@pytest.mark.usefixtures("desk")
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        exec(block, {})
        assert capsys.readouterr().out.splitlines() == re.findall(r"\)  # (.*)", block)


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
    for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert re.match(r"https?://", link) or (page.parent / link).exists(), link


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_explained(words: str) -> None:
    """In its help, with examples that would be understood, and in the README with all its options."""
    command = COMMANDS[words]
    examples = re.findall(rf"^ *{words} ([^|>\n]+)", command.help or "", re.MULTILINE)
    assert examples, f"{words} --help has no example"
    for example in examples:
        command.make_context(words, shlex.split(example))
    assert words in README
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{words} {option.opts[0]} has no help"
            assert option.opts[0] in README, f"{words} {option.opts[0]} is not in the README"
