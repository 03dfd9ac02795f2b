"""Fine-tunes a model on the corrected lines of one writer, in processes of its own.

The error rate is that of cross-validation: the lines are divided into parts, and each part is read by a model that was
fine-tuned on all others. Each of these models is trained by one process, all at the same time. The saved model has the
mean of their weights (model soups: Wortsman et al. 2022), so it has learnt from all lines, without another training.
"""

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

import numpy as np

from inkread._locks import private_folder
from inkread._model_files import new_personal_model
from inkread._threads import available_cpus, limit_threads
from inkread.alphabet import Alphabet
from inkread.data import Dataset, Sample, open_dataset
from inkread.data.samples import is_ink, read_strokes
from inkread.errors import BadDataset, InkreadError, explain_failure
from inkread.evaluation.lines import Evaluation, ScoredLine, evaluate
from inkread.model.checkpoint import Model, load_model, save_model
from inkread.model.recognizer import Recognizer
from inkread.studio.jobs import start_process
from inkread.studio.learning import Order
from inkread.studio.tasks import STROKES, export_lines

PARTS = 2  # of the lines, see experiments/LOG.md
FEWEST_LINES = 10  # half of fewer are too few to learn from, and an error rate of them says nothing
MINUTES = 5.0  # of training, at most; thirty lines take less than one
POLITENESS = 5  # by which the priority is lowered, so that pages are still read and shown in the meantime

Report = Callable[[str, float], None]


class Stopped(Exception):
    """The user does not want to wait any longer."""


@dataclass(frozen=True)
class Part:
    """What one process does: fine-tune a model on lines, and read others with it."""

    order: Order
    learnt: Sequence[Sample]
    read: Sequence[Sample]
    alphabet: str
    out: Path


def serve(connection: Connection, order: Order) -> None:
    """Fine-tune, and send ("progress", stage, share) now and then, at last ("done", result) or ("failed", an error).

    Anything that is received means to stop.
    """
    with suppress(AttributeError, OSError):
        os.nice(POLITENESS)
    _answer(connection, lambda: adapt(order, _sender(connection)))


def _sender(connection: Connection) -> Report:
    def report(stage: str, share: float) -> None:
        if connection.poll():
            raise Stopped
        connection.send(("progress", stage, share))

    return report


def _answer(connection: Connection, work: Callable[[], Any]) -> None:
    try:
        answer: tuple[str, Any] = "done", work()
    except (Stopped, EOFError, BrokenPipeError):
        return
    except Exception as error:
        answer = "failed", error if isinstance(error, InkreadError) else explain_failure(error, "learning")
    with suppress(OSError):
        connection.send(answer)


def adapt(order: Order, report: Report) -> dict[str, Any]:
    """Fine-tune, measure, and save the model if it is better. Returns what the browser shows of it.

    `report(stage, share)` is called often; it may raise an exception to stop. Raises BadDataset for too few lines.
    """
    name, file = new_personal_model(order.name)
    start = load_model(order.start)
    report("Collecting the lines", 0.0)
    with private_folder() as folder:
        samples = _samples(order, folder)
        known = set(start.facts.get("learnt", []))
        fresh = [sample for line, sample in samples.items() if line not in known]
        if len(fresh) < FEWEST_LINES:
            kind = f"corrected lines that {order.start} has not learnt yet" if known else "corrected lines"
            problem = f"{len(fresh)} {kind}, at least {FEWEST_LINES} are needed"
            raise BadDataset(problem, hint="correct or confirm more")
        alphabet = Alphabet.of((sample.text for sample in samples.values()), start.alphabet.characters).characters
        held_out = [fresh[number::PARTS] for number in range(PARTS)]
        parts = [
            Part(
                order,
                [sample for sample in samples.values() if sample not in part],
                part,
                alphabet,
                folder / f"{number}.safetensors",
            )
            for number, part in enumerate(held_out)
        ]
        before = _evaluation(_read(order.start, fresh, order.options))
        after = _evaluation(_in_processes(parts, report))
        if after.cer < before.cer:
            models = [load_model(str(part.out)) for part in parts]
            learnt = sorted({*known, *samples})
            model = replace(mean(models), facts={**models[0].facts, **_facts(order, start, after), "learnt": learnt})
            file.parent.mkdir(parents=True, exist_ok=True)
            save_model(file, model)
    kept = after.cer < before.cer
    return {"name": name, "kept": kept, "before": before.cer, "after": after.cer, "lines": len(fresh)}


def _samples(order: Order, folder: Path) -> dict[str, Sample]:
    """The corrected lines of the documents, written into a folder, by their fingerprints.

    A line that is in two documents is there once: a page of the pad may have been added to the library twice. If each
    half of the lines had it, the error rate would be that of lines that were learnt.
    """
    with zipfile.ZipFile(io.BytesIO(export_lines(order.documents))) as archive:
        archive.extractall(folder)
    table = folder / STROKES / "lines.jsonl" if order.strokes else folder / "lines.tsv"
    return {fingerprint(sample): sample for sample in open_dataset(str(table)).samples} if table.exists() else {}


def fingerprint(sample: Sample) -> str:
    """What a model file remembers of a line that it has learnt."""
    line = b"".join(map(np.ndarray.tobytes, read_strokes(sample))) if is_ink(sample) else sample.path.read_bytes()
    return sha256(line).hexdigest()[:16]


def mean(models: Sequence[Model]) -> Model:
    """The mean of the weights of models with the same alphabet."""
    weights = {
        name: np.asarray(np.mean([model.weights[name] for model in models], axis=0), dtype=weight.dtype)
        for name, weight in models[0].weights.items()
    }
    return replace(models[0], weights=weights)


def _read(model: str, samples: Sequence[Sample], options: dict[str, Any]) -> list[ScoredLine]:
    """The lines as a model reads them, with the language models that the user has chosen."""
    ways = {name: options[name] for name in ("decoder", "lm", "words") if name in options}
    return list(evaluate(Recognizer.load(model, **ways), Dataset("corrected lines", tuple(samples))).lines)


def _evaluation(lines: Sequence[ScoredLine]) -> Evaluation:
    return Evaluation("corrected lines", tuple(lines), (), 1.0)


def _facts(order: Order, start: Model, after: Evaluation) -> dict[str, Any]:
    """What `inkread models` prints of the new model."""
    low, high = after.cer_interval
    errors = {
        "on": "corrected lines that it had not learnt", "lines": len(after.lines), "cer": round(after.cer, 6),
        "cer_interval": [round(low, 6), round(high, 6)], "wer": round(after.wer, 6),
    }  # fmt: skip
    facts = {"reads": "one writer", "from": order.start, "errors": [errors]}
    return facts | ({"licence": start.facts["licence"]} if "licence" in start.facts else {})


# ---- the processes that train


def _in_processes(parts: Sequence[Part], report: Report) -> list[ScoredLine]:
    """Train on all parts, each in a process. Returns how their models have read the lines that they had not learnt.

    One process for each model shares the cores better than several for one, which wait for each other at every step.
    """
    shares, scored = dict.fromkeys(range(len(parts)), 0.0), list[ScoredLine]()
    connections: dict[Connection, int] = {}
    processes = []
    try:
        for number, part in enumerate(parts):
            process, connection = start_process(_train_part, part)
            processes.append(process)
            connections[connection] = number
        while connections:
            for ready in wait(list(connections), timeout=1.0):
                connection = cast(Connection, ready)
                kind, *answer = connection.recv()
                if kind == "failed":
                    raise answer[0]
                if kind == "done":
                    scored += answer[0]
                    shares[connections.pop(connection)] = 1.0
                else:
                    shares[connections[connection]] = answer[1]
            report("Learning", sum(shares.values()) / len(parts))
    except EOFError as error:
        raise InkreadError("a process of the training has ended", hint="close other programs, and try again") from error
    finally:
        for process in processes:
            process.kill()
            process.join()
    return scored


def _train_part(connection: Connection, part: Part) -> None:
    """What runs in a process: it trains alone, with its share of the cores."""
    os.environ["WORLD_SIZE"] = "1"
    limit_threads(available_cpus(PARTS))
    report = _sender(connection)
    _answer(connection, lambda: _fine_tune(part, lambda share: report("Learning", share)))


def _fine_tune(part: Part, report: Callable[[float], None]) -> list[ScoredLine]:
    """As `inkread train --from` does it with few lines. Returns how the other lines are read then."""
    from inkread.training.finetune import FEW_LINES_SETTINGS, effective_settings
    from inkread.training.loop import train

    start = _with_characters(load_model(part.order.start), part.alphabet)
    given = [("studio", {**FEW_LINES_SETTINGS, "interpolation": 1.0, "minutes": MINUTES})]  # the mean takes its place
    network, training, _ = effective_settings(start, "base", given, len(part.learnt))
    facts: dict[str, Any] = {name: start.facts[name] for name in ("lm", "calibration") if name in start.facts}
    samples = tuple(part.learnt)
    train(
        samples, samples, part.out, network, training, start=start, facts=facts,
        report=lambda progress: report(progress.share),
    )  # fmt: skip
    return _read(str(part.out), part.read, part.order.options)


def _with_characters(start: Model, characters: str) -> Model:
    """The model with these characters, which begin with its own; of the others, it knows nothing yet."""
    if len(characters) == len(start.alphabet.characters):
        return start
    from inkread.model.network import Network
    from inkread.training.warm_start import copy_weights

    alphabet = Alphabet(characters)
    network = Network(start.config, alphabet.size)
    copy_weights(network, start)
    return replace(start, alphabet=alphabet, weights={n: value.numpy() for n, value in network.state_dict().items()})
