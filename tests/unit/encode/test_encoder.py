"""The encoder: the same text gives the same vector, nothing is cut in silence, and the space says how."""

from __future__ import annotations

import hashlib
import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_worlds import CONFIG, VOCABULARY, network_of, pin_for, random_weights, tokenizer_rules, write_model
from vicinal import encode
from vicinal.encode import encoder as module
from vicinal.encode import loading
from vicinal.errors import (
    DtypeError,
    EncodeError,
    PinMismatchError,
    RangeError,
    TooLongError,
    TruncationWarning,
    UnknownNameError,
)
from vicinal.models import Network
from vicinal.models.families import plain
from vicinal.testing import check_encoder

LONG = "abc def ghi jkl mno pqr stu"
"""21 tokens and two special ones, beyond the window of 12."""


def _by_hand(texts_of_ids):
    """Return unit vectors of texts given as windows of ids, special ones included, from the plain twin."""
    network, weights = network_of(CONFIG), random_weights(CONFIG)
    found = []
    for windows in texts_of_ids:
        tokens = [plain.tokens(network, weights, np.array([w]), np.ones((1, len(w)), np.int64))[0] for w in windows]
        mean = np.concatenate(tokens).mean(axis=0)
        found.append(mean / np.linalg.norm(mean))
    return np.array(found)


def _ids(text):
    return [
        VOCABULARY[letter if place == 0 else f"##{letter}"]
        for word in text.split()
        for place, letter in enumerate(word)
    ]


def _framed(ids):
    return [VOCABULARY["[CLS]"], *ids, VOCABULARY["[SEP]"]]


def test_a_vector_is_the_unit_mean_of_its_token_vectors(load):
    """Equal to the plain twin's, the special tokens counted, to float32's rounding."""
    got = load().encode_documents(["cat", "abc de"])
    expected = _by_hand([[_framed([VOCABULARY["cat"]])], [_framed(_ids("abc de"))]])
    assert np.abs(np.asarray(got) - expected).max() < 1e-5


def test_the_contract_of_encoders_holds(load):
    """Every check of vicinal.testing, in one thread and in two."""
    check_encoder(load())
    check_encoder(load(threads=2))


TEXTS = st.lists(st.text(st.sampled_from("abcat dog.,\n日é"), max_size=50), min_size=1, max_size=12)


@given(texts=TEXTS, chance=st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_a_vector_does_not_depend_on_its_company(load, texts, chance):
    """Alone, among others, and in another order, a text has the same vector within 1e-6."""
    encoder = _once(load)
    together = np.asarray(encoder.encode_documents(texts))
    order = list(range(len(texts)))
    chance.shuffle(order)
    shuffled = np.asarray(encoder.encode_documents([texts[row] for row in order]))
    assert np.abs(shuffled - together[order]).max() <= 1e-6
    for row, text in enumerate(texts):
        assert np.abs(np.asarray(encoder.encode_documents([text]))[0] - together[row]).max() <= 1e-6


_LOADED = {}


def _once(load):
    """Return one encoder for all examples: it has no state that an example could leave."""
    return _LOADED.setdefault("encoder", load())


def test_blocks_and_batches_change_no_vector(load, monkeypatch):
    """Small blocks and batches of one text give the vectors of large ones."""
    texts = [LONG, "cat", "", "abc", "dog " * 30, "cat"] * 3
    whole = np.asarray(load().encode_documents(texts))
    monkeypatch.setattr(module, "BLOCK_TEXTS", 2)
    monkeypatch.setattr(module, "BLOCK_CHARS", 40)
    assert np.abs(np.asarray(load().encode_documents(texts)) - whole).max() <= 1e-6


def test_chunk_is_the_mean_over_all_tokens_of_the_windows(load):
    """21 tokens in a room of 10 are windows of 7; each has its special tokens, and all count alike."""
    ids = _ids(LONG)
    expected = _by_hand([[_framed(ids[:7]), _framed(ids[7:14]), _framed(ids[14:])]])
    got = load(overflow="chunk").encode_documents([LONG])
    assert np.abs(np.asarray(got) - expected).max() < 1e-5
    assert got.cut_rows == ()


def test_chunk_loses_no_word(load):
    """A change of the last word of a long text changes its vector; with cut it does not."""
    other = LONG[:-3] + "xyz"
    near = {"chunk": False, "cut": True}
    for overflow, same in near.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)
            pair = np.asarray(load(overflow=overflow).encode_documents([LONG, other]))
        assert bool(np.abs(pair[0] - pair[1]).max() < 1e-6) is same


def test_cut_keeps_the_first_tokens_counts_and_warns_once(load):
    """The first 10 tokens and the two special ones; the rows are named; one warning, at the caller's line."""
    with pytest.warns(TruncationWarning, match="2 texts were cut at the model's window of 12") as told:
        got = load(overflow="cut").encode_documents(["cat", LONG, "dog", LONG])
    assert got.cut_rows == (1, 3)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert np.abs(np.asarray(got)[1] - _by_hand([[_framed(_ids(LONG)[:10])]])[0]).max() < 1e-5


def test_a_text_that_just_fits_is_not_cut(load):
    """10 tokens and two special ones are the window of 12: no warning, under every rule the same vector."""
    text = "abcde fghij"
    found = [np.asarray(load(overflow=rule).encode_documents([text])) for rule in ("chunk", "error", "cut")]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_error_names_row_tokens_window_and_choices(load):
    """The first text beyond the window stops the call; its own words stay out of the message."""
    with pytest.raises(TooLongError, match=r'Text 2 has 23 tokens, but the window has 12.*"chunk".*"cut"') as caught:
        load(overflow="error").encode_queries(["cat", "dog", LONG])
    assert (caught.value.where, caught.value.got, caught.value.expected) == (2, 23, "<= 12")
    assert "abc" not in caught.value.message


def test_prompts_are_a_part_of_the_text_and_of_the_space(tmp_path):
    """A prompt stands before each text of its role, in the counts, and in no span."""
    folder = write_model(tmp_path / "m", prompts={"query": "ab ", "document": "cat "})
    encoder = encode.load(str(folder), threads=1)
    assert (encoder.space.query_prompt, encoder.space.document_prompt) == ("ab ", "cat ")
    bare = encode.load(str(write_model(tmp_path / "bare")), threads=1)
    assert np.allclose(encoder.encode_queries(["dog"]), bare.encode_queries(["ab dog"]), atol=1e-6)
    assert np.allclose(encoder.encode_documents(["dog"]), bare.encode_documents(["cat dog"]), atol=1e-6)
    assert encoder.count_tokens(["dog"]).tolist() == [4]
    assert encoder.token_spans(["dog"])[0].tolist() == [[0, 3]]


def test_a_prompt_stands_before_every_window_of_a_long_text(tmp_path):
    """One prompt token leaves room for nine: 21 tokens are three windows, each with the prompt."""
    folder = write_model(tmp_path / "m", prompts={"document": "cat "})
    got = np.asarray(encode.load(str(folder), threads=1).encode_documents([LONG]))
    ids, cat = _ids(LONG), VOCABULARY["cat"]
    assert np.abs(got - _by_hand([[_framed([cat, *ids[start : start + 7]]) for start in (0, 7, 14)]])).max() < 1e-5


def test_counts_hold_every_token(load):
    """The uncut count, special tokens included, also beyond the window."""
    counts = load().count_tokens(["", "cat", LONG])
    assert counts.dtype == np.int64
    assert counts.tolist() == [2, 3, 23]


def test_equal_texts_are_encoded_once(load, monkeypatch):
    """A thousand copies cost one run, have one vector, and count as a thousand in the progress."""
    encoder, rows = load(), []
    run = Network.__call__
    monkeypatch.setattr(Network, "__call__", lambda self, ids, mask: rows.append(len(ids)) or run(self, ids, mask))
    told = []
    vectors = np.asarray(encoder.encode_documents(["cat"] * 1000, progress=lambda *step: told.append(step)))
    assert rows == [1]
    assert told == [(1000, 1000)]
    assert (vectors == vectors[0]).all()


def test_progress_counts_texts_and_ends_at_the_total(load, monkeypatch):
    """A text of several windows counts when its last window is done."""
    monkeypatch.setattr(module.batches, "BUDGET_TOKENS", 1)
    told = []
    load().encode_documents([LONG, "cat", "dog"], progress=lambda *step: told.append(step))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (3, 3)


def test_the_space_is_that_of_the_files(load, model):
    """Digests of weights and rules, the architecture, pooling and window; the tokenizer's cutting is not in it."""
    space = load(overflow="cut").space
    rules = {name: rule for name, rule in tokenizer_rules().items() if name not in {"truncation", "padding"}}
    canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
    assert space.weights == hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    assert space.tokenizer == hashlib.sha256(canonical.encode()).hexdigest()
    assert space.architecture == network_of(CONFIG).architecture
    assert (space.pooling, space.max_tokens, space.overflow, space.full_dim, space.dim) == ("mean", 12, "cut", 16, 16)
    assert space.normalized


def test_the_space_tells_pipelines_apart(load, model):
    """Other weights, another rule of overflow, another vocabulary, another window: another space, and diff says which."""
    space = load().space
    assert list(space.diff(load(overflow="cut").space)) == ["overflow"]
    write_model(model, seed=1)
    assert list(space.diff(load().space)) == ["weights"]
    write_model(model, window=11)
    assert list(space.diff(load().space)) == ["max_tokens"]
    write_model(model)
    rules = tokenizer_rules()
    rules["normalizer"]["lowercase"] = False
    (model / "tokenizer.json").write_text(json.dumps(rules))
    assert list(space.diff(load().space)) == ["tokenizer"]
    rules = tokenizer_rules() | {"truncation": None, "padding": None}
    (model / "tokenizer.json").write_text(json.dumps(rules))
    assert load().space == space


def test_a_network_that_gives_no_vector_is_an_error(load, monkeypatch):
    """A zero from the network has no direction; the text's row is named."""
    encoder = load()
    monkeypatch.setattr(Network, "__call__", lambda _, ids, mask: np.zeros((*ids.shape, 16), np.float32))
    with pytest.raises(EncodeError, match="no vector for text 0"):
        encoder.encode_documents(["cat"])


@pytest.mark.parametrize("bad", ["cat", b"cat", None, 7, ["cat", None], [b"cat"]])
def test_what_is_no_list_of_strings_is_refused(load, bad):
    """Each public call checks its input."""
    encoder = load()
    for call in (encoder.encode_queries, encoder.encode_documents, encoder.count_tokens, encoder.token_spans):
        with pytest.raises(DtypeError):
            call(bad)
        with pytest.raises(RangeError, match="surrogate"):
            call(["\ud800"])


def test_settings_out_of_range_are_refused(load):
    """The allowed names and numbers stand in the message."""
    with pytest.raises(UnknownNameError, match="chunk, error, cut"):
        load(overflow="truncate")
    with pytest.raises(RangeError, match="threads"):
        load(threads=0)


def test_a_named_folder_must_hold_the_named_model(model, monkeypatch):
    """``folder`` is held against the pin of ``name``; the right one loads, the wrong one names the file."""
    pin = pin_for(model)
    monkeypatch.setattr(loading, "get", lambda _: pin)
    assert encode.load("small", folder=model, threads=1).encode_queries(["cat"]).shape == (1, 16)
    write_model(model, seed=1)
    with pytest.raises(PinMismatchError, match=r"model\.safetensors"):
        encode.load("small", folder=model, threads=1)
