"""A function as an encoder: its identity, its window, and that nothing it returns is believed unseen."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.function import FunctionEncoder
from vicinal.errors import (
    DtypeError,
    EncodeError,
    InputError,
    RangeError,
    TooLongError,
    TruncationWarning,
    UnknownNameError,
    UnknownTextWarning,
)
from vicinal.testing import TEXTS, ToyEncoder, check_encoder


def counts(texts):
    """Return the counts of the toy encoder, which can be done on paper."""
    return np.array([ToyEncoder.counts(text) for text in texts]).reshape(-1, 8)


def made(function=counts, **how):
    """Return an encoder with a short identity."""
    return FunctionEncoder(function, **{"name": "counts", "version": "1", "dim": 8, **how})


def letters(texts):
    """Return the spans of single characters: a rule for tokens that is not that of words."""
    return [np.array([(place, place + 1) for place in range(len(text))]).reshape(-1, 2) for text in texts]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"batch": 1},
        {"normalized": False},
        {"max_tokens": 7, "document_prompt": "A text: "},
        {"token_spans": letters, "max_tokens": 20},
        {"token_spans": letters, "count_tokens": lambda texts: [len(text) + 2 for text in texts], "max_tokens": 20},
        {"query_function": lambda texts: -counts(texts), "query_prompt": "Q "},
    ],
    ids=lambda how: " ".join(how) or "plain",
)
def test_the_contract_of_encoders_holds(how):
    """Every check of vicinal.testing, with windows, prompts, another rule for tokens, and without unit length."""
    check_encoder(made(**how))


def test_it_gives_what_the_function_gives_at_unit_length():
    """As the toy encoder, whose counts it was given; and untouched where the space is not normalized."""
    assert (
        np.abs(np.asarray(made().encode_documents(TEXTS)) - np.asarray(ToyEncoder().encode_documents(TEXTS))).max()
        < 1e-6
    )
    assert np.array_equal(np.asarray(made(normalized=False).encode_documents(TEXTS)), counts(TEXTS))


def test_name_and_version_are_the_identity():
    """They stand in place of the weights; another version is another space, and so is another name."""
    space = made().space
    assert (space.weights, space.tokenizer, space.metric) == ("function:counts:1", "words", "cosine")
    assert made(version="2").space.diff(space).keys() == {"weights"}
    assert made(name="others").space.diff(space).keys() == {"weights"}
    assert made(batch=7).space == space
    assert made(token_spans=letters).space.tokenizer == "function:counts:1"
    assert made(normalized=False).space.metric == "dot"


def test_each_role_has_its_prompt_and_its_function():
    """The function gets the prompt with the text; questions go to the other function."""
    seen = {"q": [], "d": []}

    def recorder(role):
        return lambda texts: (seen[role].extend(texts), counts(texts))[1]

    encoder = made(recorder("d"), query_function=recorder("q"), query_prompt="Q: ", document_prompt="D: ")
    encoder.encode_queries(["a"])
    encoder.encode_documents(["b"])
    assert seen == {"q": ["Q: a"], "d": ["D: b"]}


def test_equal_texts_are_encoded_once_in_batches():
    """Five texts, three of them different, two to a call; progress counts each text."""
    seen, told = [], []
    encoder = made(lambda texts: (seen.append(len(texts)), counts(texts))[1], batch=2)
    got = np.asarray(encoder.encode_documents(["a", "b", "a", "c c", "a"], progress=lambda *far: told.append(far)))
    assert seen == [2, 1]
    assert told == [(4, 5), (5, 5)]
    assert np.array_equal(got[0], got[2])


def test_the_function_gets_a_list_of_its_own():
    """What it does to the list reaches neither the caller nor, unseen, the encoder."""
    texts = ["a", "b"]

    def greedy(given):
        found = counts(given)
        given.clear()
        return found

    with pytest.raises(EncodeError, match="changed the list"):
        made(greedy).encode_documents(texts)
    assert texts == ["a", "b"]


WINDOWED = {"max_tokens": 3, "normalized": False}


def test_chunk_is_the_mean_of_the_windows_weighted_by_tokens():
    """Five words in a window of three are windows of two and three words."""
    got = made(**WINDOWED).encode_documents(["a bb ccc d eeee"])
    expected = (2 * ToyEncoder.counts("a bb") + 3 * ToyEncoder.counts("ccc d eeee")) / 5
    assert np.abs(got[0] - expected).max() < 1e-6
    assert got.cut_rows == ()


def test_every_window_has_the_prompt():
    """A prompt of one word leaves room for two."""
    seen = []
    encoder = made(lambda texts: (seen.extend(texts), counts(texts))[1], document_prompt="P ", **WINDOWED)
    encoder.encode_documents(["a b c", "d e"])
    assert seen == ["P a", "P b c", "P d e"]


def test_cut_takes_the_first_tokens_and_says_so():
    """One warning at the caller's line, the rows named, equal texts all of them."""
    with pytest.warns(TruncationWarning, match="2 of the texts were cut at the window of 3") as told:
        got = made(overflow="cut", **WINDOWED).encode_documents(["a b c d", "a", "a b c d"])
    assert got.cut_rows == (0, 2)
    assert np.array_equal(got[0], ToyEncoder.counts("a b c"))
    assert (len(told), told[0].filename) == (1, __file__)


def test_error_names_the_row_and_not_the_text():
    """The first row of the text that is too long, its tokens, the window."""
    with pytest.raises(TooLongError, match=r"Text 2 has 4 tokens, but the window has 3") as caught:
        made(overflow="error", **WINDOWED).encode_documents(["x", "x", "secret b c d"])
    assert (caught.value.where, caught.value.got) == (2, 4)
    assert "secret" not in caught.value.message


def test_a_text_that_just_fits_is_whole():
    """Three words in a window of three, under every rule."""
    for overflow in ("chunk", "error", "cut"):
        assert np.array_equal(
            made(overflow=overflow, **WINDOWED).encode_documents(["a b c"])[0], ToyEncoder.counts("a b c")
        )


@given(text=st.text(st.sampled_from("ab \n日"), max_size=40), room=st.integers(1, 6))
def test_windows_hold_every_word_once(text, room):
    """No word is lost, doubled or split, sizes differ by at most one, and none is beyond the window."""
    seen = []
    made(lambda texts: (seen.extend(texts), counts(texts))[1], max_tokens=room).encode_documents([text])
    words = [re.findall(r"\S+", part) for part in dict.fromkeys(seen)] if len(set(seen)) == len(seen) else None
    if words is None:
        words = [re.findall(r"\S+", part) for part in seen]
    assert [word for part in words for word in part] == re.findall(r"\S+", text)
    sizes = [len(part) for part in words]
    assert max(sizes) <= room
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda texts: counts(texts)[:-1], r"shape \(1, 8\)"),
        (lambda texts: counts(texts)[:, :7], r"shape \(2, 7\)"),
        (lambda texts: counts(texts)[0], r"shape \(8,\)"),
        (lambda texts: counts(texts) * np.nan, "NaN"),
        (lambda texts: counts(texts).astype(float) * 1e300, "beyond float32"),
        (lambda texts: counts(texts).astype(complex), "complex128"),
        (lambda texts: counts(texts) > 1, "bool"),
        (lambda texts: counts(texts).astype(str), "no number"),
        (lambda texts: [[1] * 8, [1]], "no matrix"),
        (lambda texts: None, "object"),
        (lambda texts: (row for row in counts(texts)), "object"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused_by_name(returned, told):
    """Count, shape, type and values are checked; the message has the function's name."""
    with pytest.raises(EncodeError, match=told) as caught:
        made(returned).encode_documents(["a", "b c"])
    assert "'counts'" in caught.value.message
    assert caught.value.where == "counts"


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32, np.uint8])
def test_any_number_will_do(dtype):
    """Arrays of other types, and nested lists, are read as float32."""
    expected = np.asarray(made().encode_documents(TEXTS))
    for convert in (lambda found: found, lambda found: found.tolist()):
        got = made(lambda texts, convert=convert: convert(counts(texts).astype(dtype))).encode_documents(TEXTS)
        assert np.abs(np.asarray(got) - expected).max() < 1e-6


def test_what_the_function_raises_is_the_cause():
    """Its own words may hold a text, so they are not repeated; the error is there to look at."""

    def failing(texts):
        raise KeyError(texts[0])

    with pytest.raises(EncodeError, match="'counts' raised KeyError") as caught:
        made(failing).encode_documents(["secret"])
    assert isinstance(caught.value.__cause__, KeyError)
    assert "secret" not in caught.value.message


def test_an_interrupt_passes():
    """Ctrl-C is no failure of the function."""

    def interrupted(texts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(interrupted).encode_documents(["a"])


def test_zeros_stay_zeros_and_are_told():
    """A text of which the function knows nothing has no direction: zero, with a warning that counts."""
    with pytest.warns(UnknownTextWarning, match="zeros for 1 of the texts") as told:
        got = made(lambda texts: [[len(text), 0, 0, 0, 0, 0, 0, 0] for text in texts]).encode_documents(["", "a"])
    assert np.asarray(got)[:, 0].tolist() == [0, 1]
    assert told[0].filename == __file__


def test_none_in_none_out_without_a_call():
    """An empty list asks the function for nothing."""
    encoder = made(lambda texts: 1 / 0)
    assert encoder.encode_queries([]).shape == (0, 8)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"function": "no function"}, DtypeError),
        ({"query_function": 3}, DtypeError),
        ({"name": ""}, InputError),
        ({"name": "a:b"}, InputError),
        ({"version": 1}, DtypeError),
        ({"dim": 0}, RangeError),
        ({"batch": 0}, RangeError),
        ({"max_tokens": 0}, RangeError),
        ({"max_tokens": 2, "query_prompt": "two words"}, RangeError),
        ({"overflow": "split"}, UnknownNameError),
        ({"count_tokens": len}, InputError),
        ({"token_spans": 1}, DtypeError),
        ({"query_prompt": None}, DtypeError),
    ],
)
def test_parameters_are_checked(how, error):
    """Each is refused by name, before anything is encoded."""
    with pytest.raises(error):
        made(**how)


@pytest.mark.parametrize(
    "rule",
    [
        {"token_spans": lambda texts: [[]]},
        {"token_spans": lambda texts: [[[0, 99]] for _ in texts]},
        {"token_spans": lambda texts: [[[1, 0]] for _ in texts]},
        {"token_spans": lambda texts: [[[1, 1], [0, 1]] for _ in texts]},
        {"token_spans": lambda texts: [[0, 1, 2] for _ in texts]},
        {"token_spans": lambda texts: [[[0.0, 0.5]] for _ in texts]},
        {"token_spans": letters, "count_tokens": lambda texts: [1]},
        {"token_spans": letters, "count_tokens": lambda texts: [-1] * len(texts)},
        {"token_spans": letters, "count_tokens": lambda texts: ["one"] * len(texts)},
    ],
)
def test_a_rule_for_tokens_is_not_believed_unseen(rule):
    """Spans lie within their text and in its order, counts are whole numbers, one for each text."""
    with pytest.raises(EncodeError, match=r"(token_spans|count_tokens) of the encoder 'counts' must return"):
        made(**rule).count_tokens(["ab", "ab c"])


def test_words_are_the_default_tokens():
    """What stands between white space, with its place; counted with the prompt."""
    encoder = made(document_prompt="a text: ")
    assert encoder.token_spans([" ab\tc"])[0].tolist() == [[1, 3], [4, 5]]
    assert encoder.count_tokens([" ab\tc"]).tolist() == [4]


def test_many_threads_give_the_same():
    """The encoder has no state of its own: eight threads get what one gets."""
    encoder = made(batch=3)
    expected = np.asarray(encoder.encode_documents(TEXTS))
    with ThreadPoolExecutor(8) as pool, warnings.catch_warnings():
        for got in pool.map(encoder.encode_documents, [TEXTS] * 32):
            assert np.array_equal(np.asarray(got), expected)


def test_another_function_for_questions_is_another_space():
    """The same name with and without it gives questions different vectors, so the two must not meet."""
    assert made().space != made(query_function=lambda texts: -counts(texts)).space
