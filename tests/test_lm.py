"""N-gram models against counts made by hand, the chain rule and ARPA; words of one's own; what guides the beam."""

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inkread.alphabet import Alphabet
from inkread.errors import BadConfig, BadInput, BadModel
from inkread.lm.arpa import read_arpa, to_arpa
from inkread.lm.fusion import Fusion, Mixture
from inkread.lm.kneser_ney import fit
from inkread.lm.lexicon import WithWords, with_learned_words, with_user_words
from inkread.lm.ngram import END, START, UNKNOWN, NgramModel, draw
from inkread.lm.text import lines_of, read_words
from inkread.model.decoder import prefix_beam

LINES = ["the cat sat on the mat", "that is the one", "a hat, a cat", "on that", "the end"] * 3


def log_p(model: NgramModel, text: str, token: str) -> float:
    """log p of a token after a text that begins a line."""
    state = model.start
    for character in text:
        state = model.step(state, model.code(character))[1]
    return model.step(state, model.tokens.index(token))[0]


def states(model: NgramModel) -> set[int]:
    """Every state that some text leads to."""
    found, ahead = {model.start}, [model.start]
    while ahead:
        state = ahead.pop()
        after = {model.step(state, token)[1] for token in range(2, len(model.tokens))} - found
        found |= after
        ahead += after
    return found


def adjusted_counts(lines: list[str], order: int, n: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram occurs; a shorter one than `order`, and not at a line's begin, after how many tokens."""
    found: dict[tuple[str, ...], list[str | None]] = {}
    for line in ((START, *line, END) for line in lines):
        for i in range(len(line) - n + 1):
            found.setdefault(line[i : i + n], []).append(line[i - 1] if i else None)
    return Counter(
        {ngram: len(before if n == order or ngram[0] == START else set(before)) for ngram, before in found.items()}
    )


def kneser_ney(lines: list[str], order: int, context: tuple[str, ...], token: str) -> float:
    """p(token | context), interpolated and modified, as Chen and Goodman write it down."""
    n = len(context) + 1
    tokens = {token for line in lines for token in line} | {END, UNKNOWN}
    adjusted = adjusted_counts(lines, order, n)
    adjusted.pop((START,), None)
    n1, n2, n3, n4 = (sum(count == k for count in adjusted.values()) for k in (1, 2, 3, 4))
    discounts = [0, 0.5, 1, 1.5]
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        estimated = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        discounts = estimated if all(0 < estimated[k] <= k for k in (1, 2, 3)) else discounts
    counts = {other: adjusted[*context, other] for other in tokens}
    total = sum(counts.values())
    lower = kneser_ney(lines, order, context[1:], token) if context else 1 / len(tokens)
    if not total:
        return lower
    freed = sum(discounts[min(count, 3)] for count in counts.values())
    return (counts[token] - discounts[min(counts[token], 3)] + freed * lower) / total


def test_a_bigram_worked_by_hand() -> None:
    """Lines "ab", "ab": the discounts are 0.5, 1, 1.5, since there are too few counts to estimate them from."""
    model = fit(["ab", "ab"], order=2)
    # Each of a, b, </s> has one token before it; with <unk> there are four to share the 3 * 0.5 / 3 that is set free.
    unigram = (1 - 0.5) / 3 + 0.5 / 4
    assert log_p(model, "b", "a") == pytest.approx(math.log(0.5 * unigram))  # after b came </s> twice: 1 / 2 set free
    assert log_p(model, "", "a") == pytest.approx(math.log((2 - 1) / 2 + 0.5 * unigram))
    assert log_p(model, "b", UNKNOWN) == pytest.approx(math.log(0.5 * 0.5 / 4))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_kneser_ney_as_written_down(order: int) -> None:
    lines = ["abra", "cad", "abra", "ca", "dacabra", "bb"]
    model = fit(lines, order)
    for text in ("", "a", "ab", "abr", "ca", "xa", "dddd"):
        context = (START, *text)[-order + 1 :] if order > 1 else ()
        context = tuple(UNKNOWN if character == "x" else character for character in context)
        for token in (*"abcdr", END, UNKNOWN):
            truth = kneser_ney(lines, order, context, token)
            assert log_p(model, text, token) == pytest.approx(math.log(truth), abs=1e-5), (text, token)


@pytest.mark.parametrize("prune", [0.0, 0.5, 3.0, 1e9])
def test_all_continuations_have_probability_one(prune: float) -> None:
    model = fit(LINES, 5, prune)
    assert model.order == (1 if prune == 1e9 else 5)
    for state in states(model):
        assert model.distribution(state).sum() == pytest.approx(1, abs=1e-5)


def test_a_score_is_the_chain_rule_and_lines_of_one_length_share_probability_one() -> None:
    model = fit(["ab", "ba", "aab"], 3)
    by_hand = sum(log_p(model, "ab"[:place], token) for place, token in enumerate(("a", "b", END)))
    assert model.score("ab") == pytest.approx(by_hand)
    total = sum(math.exp(model.score("".join(line))) for n in range(9) for line in itertools.product("abx", repeat=n))
    assert 0.98 < total < 1  # what is left are longer lines


def test_pruning_leaves_out_what_is_worth_least() -> None:
    sizes, scores = zip(
        *((len(model.token), sum(map(model.score, LINES))) for model in (fit(LINES, 5, prune) for prune in (0, 4, 8))),
        strict=True,
    )
    assert sizes[0] > sizes[1] > sizes[2] and scores[0] > scores[1] > scores[2]


def test_an_order_too_high_is_refused_with_the_one_that_will_do() -> None:
    with pytest.raises(BadConfig, match=r"order 20 .* at most 16 is possible"):
        fit(LINES[:1] * 3 + ["the cat"], 20)
    with pytest.raises(BadInput, match="no text"):
        fit([], 3)


def test_unseen_characters_are_read_as_what_they_look_like() -> None:
    model = fit(['don\'t be "late" - go'], 3)
    assert (
        model.code("’") == model.code("'") and model.code("—") == model.code("-") and model.code("é") == model.code("e")
    )
    assert model.tokens[model.code("%")] == UNKNOWN and model.code("d") == model.tokens.index("d")


def test_long_lines_are_cut_between_words() -> None:
    assert list(lines_of("  To be,\tor not\n\nto be e\u0301", 10)) == ["To be, or", "not", "to be é"]
    assert list(lines_of("incomprehensibilities too", 10)) == ["incomprehensibilities", "too"]
    assert list(lines_of("It rained. We ran home.", 15)) == ["It rained.", "We ran home."]
    words = " ".join(str(number) for number in range(500))
    assert " ".join(lines_of(words)) == words and max(map(len, lines_of(words))) <= 60


def test_samples_follow_the_model() -> None:
    model = fit(["ab", "ab", "ab", "b"], 3)
    assert model.sample("a", 0, 0, 8) == "ab\nab\nab"  # the likeliest
    assert model.sample("a", 1.0, 7, 30) == model.sample("a", 1.0, 7, 30)
    drawn = [model.sample("", 1.0, seed, 1) for seed in range(400)]
    assert drawn.count("a") / len(drawn) == pytest.approx(math.exp(log_p(model, "", "a")), abs=0.08)


# ---- ARPA

BY_HAND = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99 <s> -0.30103
-0.60206 </s>
-0.60206 a -0.30103
-0.60206 <space>
-0.60206 <unk>

\\2-grams:
-0.1 <s> a
-0.2 a <space>
-0.3 a </s>

\\end\\
"""


def test_an_arpa_file_of_others_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(BY_HAND, encoding="utf-8")
    model = read_arpa(path)
    assert model.score("a") == pytest.approx(math.log(10) * (-0.1 - 0.3))
    # <s> a, a <space>; then no bigram: the unigram alone after a space, which has no backoff; a </s>
    assert model.score("a a") == pytest.approx(math.log(10) * (-0.1 - 0.2 - 0.60206 - 0.3), rel=1e-6)
    assert model.score("x") == pytest.approx(math.log(10) * (-0.30103 - 0.60206 - 0.60206), rel=1e-6)


def test_arpa_there_and_back(tmp_path: Path) -> None:
    model = fit(LINES, 4, prune=0.5)
    (tmp_path / "lm.arpa").write_text(to_arpa(model), encoding="utf-8")
    back = read_arpa(tmp_path / "lm.arpa")
    assert back.tokens == model.tokens and back.order == model.order
    for line in ("the cat", "on a mat?", ""):
        assert back.score(line) == pytest.approx(model.score(line), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-0.2 a <space>", "-0.2 b <space>"), "line 14: a 2-gram whose context b is not among the 1-grams"),
        (("-0.2 a <space>", "-0.2 a b"), "line 14: a 2-gram whose last token b is not among the 1-grams"),
        (("-0.2 a <space>", "-0.2 <s> a"), "line 14: the 2-gram <s> a occurs twice"),
        (("-0.2 a <space>", "often a <space>"), "line 14: often is not a number"),
        (("-0.2 a <space>", "1e309 a <space>"), "line 14: 1e309 is not the log10 of a probability"),
        (("-0.2 a <space>", "nan a <space>"), "line 14: nan is not the log10 of a probability"),
        (("-0.2 a <space>", "0.2 a <space>"), "line 14: 0.2 is not the log10 of a probability"),
        (("-0.2 a <space>", "-0.2 a"), "line 14: not a 2-gram"),
        (("-0.2 a <space>", "-0.2 a <space> -1 -1"), "line 14: not a 2-gram"),
        (("-99 <s> -0.30103", "-99 <s> 1e309"), "line 6: 1e309 is not the log10 of a backoff"),
        (("-99 <s> -0.30103", "-99 <s> nan"), "line 6: nan is not the log10 of a backoff"),
        (("-99 <s> -0.30103", "-99 <s> 99"), "probabilities are out of range"),
        (("-0.2 a <space>\n", ""), "line 16: the file has 2 2-grams, but announces 3"),
        (("ngram 2=3", "ngram 2=3\nngram 3=1"), "line 18: the file has 0 3-grams, but announces 1"),
        (("\\2-grams:", "\\3-grams:"), "line 12: 3-grams where 2-grams are expected"),
        (("\\end\\", ""), "not a complete ARPA file"),
        (("-0.60206 a ", "-0.60206 and "), r"line 8: a language model of words \(and, ...\)"),
        (("<space>", "and"), r"line 9: a language model of words \(and, ...\)"),
        ((BY_HAND, "\\end\\"), "empty"),
    ],
)
def test_a_bad_arpa_file_is_refused_in_one_line(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.arpa"
    path.write_text(BY_HAND.replace(*change), encoding="utf-8")
    with pytest.raises(BadModel, match=message) as caught:
        read_arpa(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(BadModel, match=r"nowhere\.arpa"):
        read_arpa(tmp_path / "nowhere.arpa")


def test_a_truncated_arpa_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "half.arpa"
    for length in range(len(BY_HAND.rstrip()) - 1):
        path.write_text(BY_HAND[:length], encoding="utf-8")
        with pytest.raises(BadModel, match=r"half\.arpa"):
            read_arpa(path)


def test_an_arpa_file_may_have_a_byte_order_mark_and_unusual_spaces_as_tokens(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    text = BY_HAND.replace(" a", " \u00a0").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_arpa(path).score("\u00a0") == pytest.approx(math.log(10) * (-0.1 - 0.3))


def damaged(model: NgramModel, **changes: object) -> None:
    """Make the model anew with some of its parts changed."""
    parts = {name: getattr(model, name) for name in ("tokens", "order", "token", "children", "log_p", "backoff")}
    NgramModel(**{**parts, **changes})


def changed(array: np.ndarray, place: int, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


def test_tables_that_contradict_one_another_are_refused() -> None:
    model = fit(LINES, 4)
    damaged(model)
    tokens, token, children, log_p, backoff = model.tokens, model.token, model.children, model.log_p, model.backoff
    context = int(np.flatnonzero(children[1:])[0]) + 1
    for changes in (
        {"tokens": "<s>"},
        {"tokens": None},
        {"tokens": [*tokens[:-1], 5]},
        {"tokens": [*tokens[:-1], "ab"]},
        {"tokens": [*tokens[:-1], "\ud800"]},
        {"tokens": [*tokens[:-1], tokens[-2]]},
        {"tokens": tokens[::-1]},
        {"tokens": tokens[:-1]},
        {"order": 3},
        {"order": 5},
        {"order": 4.0},
        {"order": 10**30},
        {"token": token[:-1]},
        {"token": token.astype(np.float32)},
        {"token": token.reshape(1, -1)},
        {"token": changed(token, 7, 200)},
        {"token": changed(token, 7, 3)},  # not sorted
        {"children": changed(children, 0, 3)},
        {"children": changed(children, context, children[context] + 1)},
        {"children": changed(children, -1, 1)},
        {"children": np.zeros_like(children)},
        {"children": np.concatenate([children[:1], children[:0:-1]])},  # not by levels
        {"log_p": log_p.astype(np.float16)},
        {"log_p": changed(log_p, 9, math.nan)},
        {"log_p": changed(log_p, 9, math.inf)},
        {"log_p": changed(log_p, 9, 1.0)},
        {"log_p": changed(log_p, 9, -1e30)},
        {"backoff": changed(backoff, context, math.nan)},
        {"backoff": changed(backoff, context, math.inf)},
        {"backoff": changed(backoff, context, 1e30)},
        {"backoff": changed(backoff, context, -1e30)},
    ):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            damaged(model, **changes)


@pytest.mark.parametrize("lines", [["a"], ["ab"], ["a", "b", ""]])
def test_a_text_shorter_than_an_ngram_can_be_learnt(lines: list[str]) -> None:
    model = fit(lines, 7)
    longest = max(map(len, lines)) + 2  # with the line's begin and end
    assert model.order == longest
    for text in ("", "a"):
        context = (START, *text)[-longest + 1 :]
        for token in {*"".join(lines), END, UNKNOWN}:
            assert log_p(model, text, token) == pytest.approx(math.log(kneser_ney(lines, longest, context, token)))


def test_a_text_with_the_characters_that_mark_lines_inside_can_be_learnt() -> None:
    assert fit(["a\U0010ffffb\U0010fffe"], 3).tokens == fit(["ab"], 3).tokens


def test_a_prune_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadConfig, match="prune=nan"):
        fit(LINES, 3, math.nan)


def test_a_tiny_temperature_takes_the_likeliest() -> None:
    p = np.array([0.2, 0.5, 0.3])
    assert draw(p, 1e-310, np.random.default_rng(0)) == 1


# ---- words of one's own


def test_with_words_all_continuations_still_have_probability_one() -> None:
    model = with_user_words(fit(LINES, 4), ["Zoë", "hat", "hatter", "O'Neil", "New York", "H2O"])
    ahead = [model.start]
    for _ in range(4):
        following = []
        for state in ahead:
            steps = [model.step(state, token) for token in range(1, len(model.tokens))]
            assert sum(math.exp(log_p) for log_p, _ in steps) == pytest.approx(1, abs=1e-5)
            following += [after for _, after in steps]
        ahead = following[::7]


def test_a_word_of_ones_own_is_as_likely_as_its_share() -> None:
    plain = fit([*LINES, "xyz"], 4)
    model = WithWords(plain, {"zyx": 1, "the": 1}, share=0.1)
    total, state = 0.0, model.start
    for character in "zyx":
        log_p, state = model.step(state, model.code(character))
        total += log_p
    assert math.exp(total) == pytest.approx(0.1 / 2, rel=0.01)  # the model itself has next to nothing
    inner = 0.1 / 2 + 0.9 * math.exp(plain.score("the") - log_after(plain, "the"))
    total = sum(math.log(p) for p in chain(model, "the"))
    assert math.exp(total) == pytest.approx(inner, rel=1e-4)  # the sum of both ways to write it


def test_a_models_own_words_by_hand() -> None:
    """ "cat", "can" and "car-park" begin with "ca": each weighs the root of its count, 2, 1 and 1."""
    model = fit(["cat cat cat cat", "can", "car-park", "42"], 3)
    assert model.words == {"cat": 4, "can": 1, "car-park": 1}
    reader = with_learned_words(model)
    ca = reader.step(reader.step(reader.start, reader.code("c"))[1], reader.code("a"))[1]
    assert ca[2] > 0.5  # both characters are as a word's
    p_t = math.exp(log_p(model, "ca", "t"))
    assert math.exp(reader.step(ca, reader.code("t"))[0]) == pytest.approx(ca[2] * 2 / 4 + (1 - ca[2]) * p_t)
    cat = reader.step(ca, reader.code("t"))[1]
    between = sum(math.exp(log_p(model, "cat", token)) for token in (END, " ", "-"))
    p_space = math.exp(log_p(model, "cat", " "))
    over = cat[2] * p_space / between + (1 - cat[2]) * p_space  # no other word goes on so
    assert math.exp(reader.step(cat, reader.code(" "))[0]) == pytest.approx(over)
    assert reader.step(cat, reader.code(" "))[1][1:] == reader.start[1:]  # and another begins
    assert reader.step(cat, reader.code("4"))[1][1] is None
    assert with_learned_words(fit(["12", "34"], 2)).start == 1  # without words the model itself


def log_after(model: NgramModel, text: str) -> float:
    return log_p(model, text, END)


FRENCH = ["le chat était là", "là où tu étais", "une tête à côté", "le thé est là"] * 3


def test_a_mixture_by_hand() -> None:
    """Its first character is the mean of both; the second weighs each by what it gave the first, less LEAST."""
    models = [fit(LINES, 4), fit(FRENCH, 4)]
    mixture = Mixture(models)
    first, state = mixture.step(mixture.start, mixture.code("t"))
    p = [math.exp(log_p(model, "", "t")) for model in models]
    assert math.exp(first) == pytest.approx(sum(p) / 2)
    shares = [0.02 + 0.96 * each / sum(p) for each in p]
    second, _ = mixture.step(state, mixture.code("h"))
    q = [math.exp(log_p(model, "t", "h")) for model in models]
    assert math.exp(second) == pytest.approx(sum(share * each for share, each in zip(shares, q, strict=True)))
    same = Mixture([models[0]] * 2)
    assert same.step(same.start, same.code("t"))[0] == pytest.approx(log_p(models[0], "", "t"))


def test_a_mixture_adds_up_to_one_and_tells_the_language() -> None:
    mixture = Mixture([fit(LINES, 4), fit(FRENCH, 4)])
    for text, language in (("the cat sat", 0), ("là où tu", 1), ("", None)):
        state = mixture.start
        for character in text:
            state = mixture.step(state, mixture.code(character))[1]
        # Every token but the start of a line
        assert sum(math.exp(mixture.step(state, token)[0]) for token in range(1, len(mixture.tokens))) == pytest.approx(
            1
        )
        assert language is None or state[1][language] > 0.9
    assert mixture.code("é") != mixture.code("e") and mixture.code("ë") == mixture.code("e")


def test_a_mixture_of_very_many_models_still_adds_up_to_one() -> None:
    mixture = Mixture([fit(LINES, 2), fit(FRENCH, 2)] * 40)
    state = mixture.start
    for character in "the cat là":
        log_p, state = mixture.step(state, mixture.code(character))
        assert log_p < 0
    assert sum(state[1]) == pytest.approx(1) and min(state[1]) > 0


def chain(model: WithWords, text: str) -> list[float]:
    found, state = [], model.start
    for character in text:
        log_p, state = model.step(state, model.code(character))
        found.append(math.exp(log_p))
    return found


def test_words_are_read_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeffZoe\u0308\n\n New  York \nZoë\n", encoding="utf-8")
    assert read_words(path) == ["New York", "Zoë"]
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"words\.txt: has no words"):
        read_words(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_words(tmp_path / "nowhere.txt")


# ---- reading along


def blurred(alphabet: Alphabet, text: str, other: str, share: float) -> np.ndarray:
    """Log-probabilities of a line where each character of `text` might be that of `other`."""
    rows = []
    for right, wrong in zip(text, other, strict=True):
        row = np.full(alphabet.size, 1e-6)
        row[alphabet.label[wrong]] += share
        row[alphabet.label[right]] += 1 - share
        blank = np.full(alphabet.size, 1e-6)
        blank[0] = 1
        rows += [row / row.sum(), blank / blank.sum()]
    return np.asarray(np.log(rows))


def test_the_beam_reads_along_but_leaves_alone_what_is_clear() -> None:
    alphabet = Alphabet.of([*LINES, "Zyxq"])
    model = fit(LINES, 5)
    scorer = Fusion(model, alphabet)

    def read(log_probs: np.ndarray, scorer: Fusion | None) -> str:
        return alphabet.decode(prefix_beam(log_probs, scorer=scorer)[0][0])

    unsure = blurred(alphabet, "the cat", "tne cot", 0.6)
    assert read(unsure, None) == "tne cot"
    assert read(unsure, scorer) == "the cat"
    assert read(blurred(alphabet, "the xqx", "the cat", 0.02), scorer) == "the xqx"
    name = blurred(alphabet, "the Zyx", "the cat", 0.4)
    assert read(name, scorer) == "the cat"
    assert read(name, Fusion(with_user_words(model, ["Zyx"]), alphabet)) == "the Zyx"


def test_the_guided_beam_is_brute_force_with_the_model() -> None:
    alphabet = Alphabet("abt")
    model = fit(["tab", "bat", "at", "tat"], 3)
    scorer = Fusion(model, alphabet)
    scores = np.random.default_rng(3).normal(scale=2, size=(6, 4))
    log_probs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    truth: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=6):
        labels = tuple(label for label, _ in itertools.groupby(path) if label)
        truth[labels] = float(np.logaddexp(truth.get(labels, -np.inf), log_probs[range(6), path].sum()))
    for labels in truth:
        truth[labels] += model.weight * model.score(alphabet.decode(labels)) + model.bonus * len(labels)
    found = prefix_beam(log_probs, 4**6, scorer, token_threshold=0, beam_threshold=0)
    assert dict(found) == pytest.approx(truth)
    assert found == prefix_beam(log_probs, 4**6, scorer, token_threshold=0, beam_threshold=0)
    assert found[0][0] == max(truth, key=lambda labels: truth[labels])
