"""Languages are detected from the letters that were read, and their language models are chosen."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from languages import FRENCH, LINES

from inkread import _model_files
from inkread._languages import LANGUAGES
from inkread._model_files import DETECTOR, find_detector, read_tensors, write_tensors
from inkread.errors import BadModel
from inkread.lm import detect
from inkread.lm.automatic import AutomaticLanguages
from inkread.lm.detect import Detector, as_classes, fit_detector, load_detector, with_errors
from inkread.lm.files import save_language_model
from inkread.lm.fusion import Mixture
from inkread.lm.kneser_ney import fit

# From the first article of the Universal Declaration of Human Rights, and everyday sentences.
SENTENCES = {
    "en": ["All human beings are born free and equal", "in dignity and rights.", "We walked along the canal."],
    "fr": ["Tous les êtres humains naissent libres", "et égaux en dignité et en droits.", "Il fait beau ce matin."],
    "de": ["Alle Menschen sind frei und gleich an", "Würde und Rechten geboren.", "Heute regnet es den ganzen Tag."],
    "es": ["Todos los seres humanos nacen libres", "e iguales en dignidad y derechos.", "Hoy hace mucho calor aquí."],
    "it": ["Tutti gli esseri umani nascono liberi", "ed eguali in dignità e diritti.", "Oggi piove tutto il giorno."],
    "nl": ["Alle mensen worden vrij en gelijk in", "waardigheid en rechten geboren.", "Het regent vandaag weer."],
    "pt": ["Todos os seres humanos nascem livres", "e iguais em dignidade e em direitos.", "Hoje não vou à praia."],
    "pl": ["Wszyscy ludzie rodzą się wolni i równi", "pod względem swej godności i swych praw.", "Dziś pada."],
    "cs": ["Všichni lidé rodí se svobodní a sobě", "rovní co do důstojnosti a práv.", "Dnes celý den prší."],
    "sv": ["Alla människor är födda fria och lika", "i värde och rättigheter.", "Det regnar hela dagen idag."],
    "da": ["Alle mennesker er født frie og lige", "i værdighed og rettigheder.", "Det regner hele dagen af sted."],
    "nb": ["Alle mennesker er født frie og med", "samme menneskeverd og rettigheter.", "Jeg går ikke ut nå."],
    "fi": ["Kaikki ihmiset syntyvät vapaina ja", "tasavertaisina arvoltaan.", "Tänään sataa koko päivän."],
}
HUNGARIAN = ["Minden emberi lény szabadon születik", "és egyenlő méltósága és joga van.", "Ma egész nap esik az eső."]
WELSH = ["Genir pawb yn rhydd ac yn gydradd", "â'i gilydd mewn urddas a hawliau.", "Mae hi'n bwrw glaw heddiw."]


@pytest.fixture(scope="module")
def shipped() -> Detector:
    path = find_detector()
    assert path
    return load_detector(path)


def small(kept: int = 10_000) -> Detector:
    return fit_detector({"en": LINES, "fr": FRENCH}, {"en": 3, "fr": 1}, kept)


@pytest.mark.parametrize("code", SENTENCES)
def test_the_language_of_a_few_lines(shipped: Detector, code: str) -> None:
    found = shipped.probabilities(SENTENCES[code]).argmax(axis=1).tolist()
    assert [*shipped.languages, None][max(found, key=found.count)] == code


@pytest.mark.parametrize("lines", [HUNGARIAN, WELSH])
def test_a_language_without_a_model_is_not_taken_for_one(shipped: Detector, lines: list[str]) -> None:
    assert sum(shipped.probabilities(lines).argmax(axis=1) == len(shipped.languages)) >= 2


def test_lines_in_two_languages_on_one_page(shipped: Detector) -> None:
    lines = [*SENTENCES["en"] * 2, *SENTENCES["de"] * 2]
    found = [shipped.languages[index] for index in shipped.probabilities(lines).argmax(axis=1)]
    assert found == ["en"] * 6 + ["de"] * 6


def test_a_short_line_has_the_language_of_its_page(shipped: Detector) -> None:
    alone = shipped.probabilities(["Anna Berg"])[0, shipped.languages.index("fi")]
    on_page = shipped.probabilities([*SENTENCES["fi"] * 3, "Anna Berg"])[-1, shipped.languages.index("fi")]
    assert on_page > 2 * alone


def test_what_has_no_letters_leaves_all_open() -> None:
    detector = small()
    assert detector.log_likelihoods("12.50 !")[:2] == pytest.approx(detector.log_likelihoods("")[:2])
    assert detector.probabilities(["7"])[0, :2].argmax() == 0  # English is likelier before anything is read


def test_likelihoods_by_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of trigrams in the text without errors, smoothed as the docstring of fit_detector says."""
    monkeypatch.setattr(detect, "with_errors", lambda classes, bare: classes[:0])
    texts = {"en": ["the cat", "that hat"], "fr": ["le chat", "là"]}
    detector = fit_detector(texts, {"en": 1, "fr": 1})
    letters = " abcdefghijklmnopqrstuvwxyzà"
    assert detector.letters == letters[1:]
    for number, lines in enumerate(texts.values()):
        text = f"  {' '.join(lines)} "
        threes = [text[i : i + 3] for i in range(len(text) - 2)]

        def p(a: str, b: str, c: str, threes: list[str] = threes) -> float:
            single = (sum(each[2] == c for each in threes) + 1) / (len(threes) + len(letters))
            pairs = [each for each in threes if each[1] == b]
            double = (sum(each[2] == c for each in pairs) + 8 * single) / (len(pairs) + 8)
            triples = [each for each in threes if each[:2] == a + b]
            return (sum(each[2] == c for each in triples) + 8 * double) / (len(triples) + 8)

        read = "  la zat "
        expected = sum(math.log(p(*read[i : i + 3])) for i in range(len(read) - 2))
        assert detector.log_likelihoods("LA zat")[number] == pytest.approx(expected, abs=1e-4)


def test_rare_trigrams_are_replaced_by_their_last_letters() -> None:
    all_of_them, few = small(), small(kept=20)
    assert len(few.keys) < len(all_of_them.keys)
    text = "qat"
    count = len(few.letters) + 1
    last = [few.log_p[few.keys.tolist().index(count**3 + a * count + b)] for a, b in _pairs(few, f" {text} ")]
    kept = few.keys.tolist()
    classes = as_classes(text, few._classes).tolist()
    padded = [0, *classes]
    expected = sum(
        few.log_p[kept.index(key)] if (key := (a * count + b) * count + c) in kept else pair
        for a, b, c, pair in zip(padded, padded[1:], padded[2:], last, strict=False)
    )
    assert few.log_likelihoods(text)[:2] == pytest.approx(expected, abs=1e-4)


def _pairs(detector: Detector, text: str) -> list[tuple[int, int]]:
    classes = [0 if letter == " " else detector.letters.index(letter) + 1 for letter in text]
    return list(pairwise(classes))


def test_the_probabilities_of_a_page_by_brute_force() -> None:
    detector, lines = small(), ["the cat", "le thé est là", "a hat"]
    likelihoods = [[math.exp(detect.SHARPNESS * each) for each in detector.log_likelihoods(line)] for line in lines]
    prior = [0.98 * 0.75, 0.98 * 0.25, 0.02]
    shares = prior
    for _ in range(detect.ROUNDS):
        found = [[p * share for p, share in zip(line, shares, strict=True)] for line in likelihoods]
        found = [[p / sum(line) for p in line] for line in found]
        shares = [(prior[k] + sum(line[k] for line in found)) / 4 for k in range(3)]
    np.testing.assert_allclose(detector.probabilities(lines), found, rtol=1e-6)


def test_errors_are_of_the_announced_frequency() -> None:
    classes = np.tile([1, 2, 0], 30_000)
    changed = with_errors(classes, {1: 1, 2: 3, 3: 3})
    assert len(changed) / len(classes) == pytest.approx(1 - detect.MISSING, abs=0.01)
    assert (changed == 3).mean() == pytest.approx(detect.UNACCENTED / 3, abs=0.01)


def test_a_detector_survives_writing_and_reading(tmp_path: Path) -> None:
    detector = small()
    detector.save(tmp_path / DETECTOR)
    back = load_detector(tmp_path / DETECTOR)
    assert (back.languages, back.letters) == (detector.languages, detector.letters)
    np.testing.assert_allclose(back.log_p, detector.log_p, atol=abs(detector.log_p.min()) / 255)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "inkread language detector 0"},
        {"languages": ["en"]},
        {"languages": [1, 2]},
        {"letters": 5},
        {"lowest": 1.0},
        {"prior": [1.0, 0.0]},
        {"prior": "much"},
        {"keys": torch.zeros(3, dtype=torch.uint8)},
        {"log_p": torch.zeros(3, 2)},
    ],
)
def test_a_damaged_detector_is_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / DETECTOR
    small().save(path)
    description, tensors = read_tensors(path)
    for name, value in damage.items():
        (tensors if isinstance(value, torch.Tensor) else description)[name] = value
    write_tensors(path, tensors, description)
    with pytest.raises(BadModel, match=r"languages\.detector\.safetensors: damaged"):
        load_detector(path)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AutomaticLanguages:
    """English and French are installed, Finnish is only detected."""
    texts = {"en": LINES, "fr": FRENCH, "fi": ["kissa istui matolla", "se on hattu", "päivä oli pitkä"] * 3}
    monkeypatch.setattr(_model_files, "FOLDERS", (tmp_path,))
    with pytest.raises(BadModel, match="the detector of languages: is not installed; name a language model with --lm"):
        AutomaticLanguages()
    fit_detector(texts, {"en": 2, "fr": 1, "fi": 1}).save(tmp_path / DETECTOR)
    for code in ("en", "fr"):
        save_language_model(tmp_path / f"{LANGUAGES[code]}.lm.safetensors", fit(texts[code], 3))
    return AutomaticLanguages(["Zyx"])


def test_the_models_of_a_line(installed: AutomaticLanguages) -> None:
    assert installed.choose(["the cat sat on the mat"]) == [(("en", "fr"), "en")]
    assert installed.choose(["là où tu étais", "tête à côté"]) == [(("fr", "en"), "fr")] * 2
    assert installed.choose(["kissa istui matolla", "se on hattu ja päivä oli pitkä"]) == [((), "fi")] * 2
    assert installed.choose(["12"]) == [(("en", "fr"), "")]
    mixture = installed.model(("fr", "en"))
    assert isinstance(mixture, Mixture) and mixture is installed.model(("en", "fr"))
    assert installed.model(("en",)) is mixture.first and "é" in mixture.tokens
    own = mixture.first
    state = own.start
    for character in "Zyx":
        p, state = own.step(state, own.code(character))
    assert p > 0.5  # a word of the user: after Zy, x is certain


def test_a_single_installed_language_is_used_alone(installed: AutomaticLanguages) -> None:
    installed.installed[:] = [True, False, False]
    assert installed.choose(["the cat sat on the mat"]) == [(("en",), "en")]
