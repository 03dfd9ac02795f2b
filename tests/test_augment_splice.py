"""New lines out of two, and words that are crossed out: the text is what the line then has."""

from collections import Counter
from itertools import combinations
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from inkread.alphabet import CROSSED_OUT, Alphabet, without_crossed_out
from inkread.augment.cross_out import strike
from inkread.augment.splice import EVENNESS, GAP_WEIGHT, Gap, find_gaps, match_gaps, splice
from inkread.config import PRESETS
from inkread.data import open_dataset
from inkread.data.inkset import SetWriter, Strings, Version
from inkread.data.samples import read_line
from inkread.evaluation.metrics import edit_distance
from inkread.features.extract import columns_of, normalize
from inkread.features.image import NormalizedImage, normalize_image
from inkread.features.ink import normalize_ink
from inkread.model.recognizer import Recognizer
from inkread.training.batches import Lines, Preparation, prepare_lines
from inkread.training.distributed import Workers

SAMPLE = Path(__file__).parent.parent / "datasets" / "sample"


def picture(words: list[int]) -> np.ndarray:
    """A normalised line of words of so many letters: bars 6 wide, 2 apart, and 10 between words."""
    letter = np.pad(np.full((48, 6), 255, np.uint8), ((0, 0), (0, 2)))
    space = np.zeros((48, 8), np.uint8)
    parts = [space]
    for letters in words:
        parts += [letter] * letters + [space]
    return np.concatenate(parts, axis=1)


def test_the_gaps_of_a_picture_by_hand() -> None:
    # 8 blank, five letters of 8 up to 48, whose last two columns are blank, and 8 more: 46 to 56, cut at 51.
    assert find_gaps(picture([5, 2]), "three is") == [Gap(5, 51, 51)]
    assert find_gaps(picture([5, 2, 4]), "three is four") == [Gap(5, 51, 51), Gap(8, 75, 75)]


def test_what_is_not_plain_is_left_alone() -> None:
    assert find_gaps(picture([5, 2]), "threes") == []  # no space
    assert find_gaps(picture([7]), "three is") == []  # no gap that is as wide as a space
    assert find_gaps(np.zeros((48, 30), np.uint8), "three is") == []  # no ink
    assert find_gaps(np.full((48, 30), 255, np.uint8), "three is") == []  # nothing else


def test_the_posterior_is_that_of_all_choices() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        spaces = np.sort(rng.choice(np.arange(1, 18), 3, replace=False))
        places, widths = np.sort(rng.uniform(0, 20, 6)), rng.uniform(0, 0.6, 6)
        expected = np.zeros((3, 6))
        for chosen in combinations(range(6), 3):
            at = np.array([0, *places[list(chosen)], 20])
            letters = np.diff([0, *(spaces + 0.5), 20])
            away = (np.diff(at) - letters) ** 2 / (2 * EVENNESS**2 * np.maximum(letters, 1))
            likelihood = np.exp(GAP_WEIGHT * widths[list(chosen)].sum() - away.sum())
            expected[np.arange(3), chosen] += likelihood
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.exp(match_gaps(places, widths, spaces, 20)), expected, atol=1e-9)


def path(starts: list[float]) -> np.ndarray:
    """Strokes down, each at its x; the last points of the way above the paper lead to the next."""
    strokes = [np.array([[x, -1.0], [x, 0.0]]) for x in starts]
    return normalize_ink(strokes).path.T


def test_the_gaps_of_a_path() -> None:
    columns = path([0, 1, 2, 5, 6, 7, 10, 11])
    gaps = find_gaps(columns, "abc def gh")
    assert [gap.space for gap in gaps] == [3, 7]
    for gap in gaps:
        assert columns[2, gap.end - 1] == columns[2, gap.start] == 1
        assert not columns[2, gap.end : gap.start].any()


def test_a_dot_set_later_leaves_no_gap_before_it() -> None:
    """The pen goes back to the first word when all are written: in time, no place parts the words."""
    assert find_gaps(path([0, 1, 2, 5, 6, 7, 1.5]), "abc def") == []


def test_two_pictures_are_joined_where_they_are_cut() -> None:
    first, second = picture([5, 2]), picture([3, 3])
    gap, other = find_gaps(first, "three is")[0], find_gaps(second, "one two")[0]
    joined = splice(first, gap, second, other)
    np.testing.assert_array_equal(joined, picture([5, 3]))


def test_two_paths_are_joined_by_a_way_above_the_paper() -> None:
    first, second = path([0, 1, 2, 5, 6]), path([0, 1, 4, 5, 6])
    gap, other = find_gaps(first, "abc de")[0], find_gaps(second, "ab cde")[0]
    joined = splice(first, gap, second, other)
    assert joined.dtype == first.dtype
    expected = path([0, 1, 2, 5, 6, 7])
    np.testing.assert_array_equal(joined[2], expected[2])
    np.testing.assert_allclose(joined[:2], expected[:2], atol=1e-5)


ALPHABET = Alphabet(" " + ascii_lowercase + CROSSED_OUT)


def lines_of(tmp_path: Path, rows: list[tuple[list[int], str, str | None]]) -> Lines:
    """Lines as a training keeps them, of (words, text, writer)."""
    config = PRESETS["base"][0]
    with open(tmp_path / "lines.inkset", "wb") as file:
        file_writer = SetWriter(file, config, photos=False)
        for words, text, writer in rows:
            columns = picture(words)
            version = Version(NormalizedImage(columns, 1.0, 0.0), find_gaps(columns, text))
            file_writer.add(Strings(text, writer, None, text), 1.0, None, [version, None])
        file_writer.finish()
    samples = open_dataset(str(tmp_path / "lines.inkset")).samples
    return prepare_lines(samples, Preparation(ALPHABET, config, gaps=True), tmp_path / "training", Workers())


def test_lines_are_crossed_with_those_of_their_writer(tmp_path: Path) -> None:
    rows: list[tuple[list[int], str, str | None]] = [
        ([5, 2], "three is", "a"),
        ([5, 3], "seven ten", "a"),
        ([5, 3], "other two", "b"),
        ([7], "nothing", "a"),
    ]
    lines = lines_of(tmp_path, rows)
    rng = np.random.default_rng(0)
    met = set()
    for _ in range(100):
        columns, labels = lines.spliced(1, rng)
        text = ALPHABET.decode(labels)
        met.add(text)
        np.testing.assert_array_equal(columns, picture([len(word) for word in text.split()]))
    assert met == {"seven ten", "seven is"}  # the other writer's words never; its own end now and then
    columns, labels = lines.spliced(3, rng)
    assert ALPHABET.decode(labels) == "nothing"


def test_words_of_a_training_line_are_crossed_out(tmp_path: Path) -> None:
    rows: list[tuple[list[int], str, str | None]] = [([5, 2, 3], "three is one", "a"), ([7], "nothing", "a")]
    lines, plain = lines_of(tmp_path, rows), picture([5, 2, 3])
    rng = np.random.default_rng(0)
    met = Counter[str]()
    for _ in range(300):
        columns, labels = lines.crossed_out(0, rng)
        text = ALPHABET.decode(labels)
        met[text] += 1
        again = columns.shape[1] - plain.shape[1]  # the columns of a word's beginning that was written again
        assert (again > 0) == (without_crossed_out(text) == "three is one") and again >= 0
    words = {"✗is one", "three ✗one", "three is✗", "✗one", "three✗", "✗"}
    assert words < met.keys() <= {*words, "✗three is one", "three ✗is one", "three is ✗one"}
    columns, labels = lines.crossed_out(1, rng)  # no gap to tell its words
    assert ALPHABET.decode(labels) == "nothing"


def test_the_strokes_that_cross_out_lie_over_the_word_alone() -> None:
    pixels = np.zeros((48, 300), np.uint8)
    pixels[20:30, 100:200:4] = 200
    for seed in range(30):
        added = strike(pixels, 100, 200, np.random.default_rng(seed)) > pixels
        xs = np.flatnonzero(added.any(axis=0))
        assert 90 < xs[0] < 110 and 190 < xs[-1] < 210
        assert 8 < np.flatnonzero(added.any(axis=1)).mean() < 36


def test_a_line_is_not_made_much_longer(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, [([5, 2], "three is", "a"), ([2, 20], "so" + " " + 20 * "g", "a")])
    rng = np.random.default_rng(0)
    assert {len(lines.spliced(0, rng)[1]) for _ in range(50)} == {8}


def test_the_sample_lines_are_cut_between_words() -> None:
    """What is read left and right of a cut is what stands there."""
    config = PRESETS["base"][0]
    recognizer = Recognizer.load("latin", "greedy")
    errors = characters = cuts = spaces = 0
    for sample in open_dataset(str(SAMPLE)).samples:
        picture = read_line(sample)
        line = normalize_image(picture, config.height)
        spaces += sample.text.count(" ")
        for gap in find_gaps(columns_of(normalize(picture, config)), sample.text):
            column = round(gap.end * line.scale + line.offset)
            for part, text in (
                (picture[:, :column], sample.text[: gap.space]),
                (picture[:, column:], sample.text[gap.space + 1 :]),
            ):
                errors += edit_distance(recognizer.read(part).text, text)
                characters += len(text)
            cuts += 1
    assert cuts > 0.5 * spaces
    assert errors < 0.12 * characters
