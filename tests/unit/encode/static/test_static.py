"""A text's vector is the mean of what it is made of: by hand, for every kind of static model."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest

from model_worlds import VOCABULARY, tokenizer_rules
from static_worlds import (
    WORDS,
    WRITERS,
    found_of,
    table,
    write_fasttext,
    write_glove,
    write_model2vec,
    write_static_module,
    write_word2vec,
)
from vicinal.encode.static import encoder as lookup
from vicinal.encode.static import load_folder, load_words
from vicinal.encode.static import loading as static
from vicinal.errors import (
    DtypeError,
    EncodeError,
    ModelLoadError,
    RangeError,
    TooLongError,
    TruncationWarning,
    UnknownNameError,
    UnknownTextWarning,
    UnsupportedError,
)
from vicinal.models import Found, Pin
from vicinal.testing import ENCODER_CHECKS, TEXTS

KINDS = (*WRITERS, "model2vec", "module", "sif", "raw")
IGNORES_UNKNOWN = pytest.mark.filterwarnings("ignore::vicinal.errors.UnknownTextWarning")


@pytest.fixture(params=KINDS)
def encoder(request, tmp_path):
    """Return an encoder of each kind of static model."""
    place = tmp_path / "model"
    if request.param in WRITERS:
        return load_words(WRITERS[request.param](place), threads=2)
    if request.param == "module":
        return load_folder(found_of(write_static_module(place)), threads=1)
    if request.param in {"model2vec", "raw"}:
        return load_folder(found_of(write_model2vec(place, normalize=request.param != "raw")), threads=1)
    return load_words(write_fasttext(place), weighting="sif", threads=1)


def unit(*vector):
    """Return a vector at unit length."""
    return np.float64(vector) / math.hypot(*vector)


def vectors(encoder, *texts):
    """Return the vectors of documents, without the warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownTextWarning)
        return np.asarray(encoder.encode_documents(texts))


@IGNORES_UNKNOWN
@pytest.mark.parametrize("check", ENCODER_CHECKS, ids=lambda check: check.__name__)
def test_every_kind_keeps_the_contract(encoder, check):
    """What every encoder must do."""
    check(encoder)


@pytest.mark.parametrize("kind", ["glove", "word2vec", "word2vec-binary"])
def test_a_vector_is_the_mean_of_its_words(tmp_path, kind):
    """(4, 0, 0) and (0, 3, 0) have the direction (4, 3, 0); order does not matter, number does."""
    encoder = load_words(WRITERS[kind](tmp_path / "w"), threads=1)
    found = vectors(encoder, "the cat", "cat\tthe\n", "the the cat", "cat köln .")
    assert np.allclose(found, [unit(4, 3, 0), unit(4, 3, 0), unit(8, 3, 0), unit(1, 3, 1)], atol=1e-7)


def test_a_word_is_looked_for_as_it_stands_then_in_lower_case(tmp_path):
    """THE is the; Paris is known, paris is not; joined words are taken apart, marks too, where they are unknown."""
    encoder = load_words(write_glove(tmp_path / "w", WORDS | {"cat-dog": (9, 0, 0)}), threads=1)
    found = vectors(encoder, "THE", "Paris", "paris", "cat-dog", "Cat-the", "cat-zebra", "KÖLN", "the.cat!")
    expected = [
        unit(1, 0, 0),
        unit(1, 0, 1),
        (0, 0, 0),
        (1, 0, 0),
        unit(4, 3, 0),
        (0, 1, 0),
        unit(1, 1, 0),
        unit(4, 2, 1),
    ]
    assert np.allclose(found, expected, atol=1e-7)


def test_words_and_marks_are_tokens(tmp_path):
    """Counts and spans are in code points, known or not; a mark is a word of its own."""
    encoder = load_words(write_glove(tmp_path / "w"), threads=1)
    text = "🙂 Don't go: well-known U.S."
    (spans,) = encoder.token_spans([text])
    assert [text[start:end] for start, end in spans] == ["🙂", "Don't", "go", ":", "well-known", "U.S", "."]
    assert encoder.count_tokens([text, "", " \n"]).tolist() == [7, 0, 0]


def test_texts_of_which_nothing_is_known_are_zero_and_counted(tmp_path):
    """Zero, near nothing, and one warning with the number; a text in which something is known is none of them."""
    encoder = load_words(write_glove(tmp_path / "w"), threads=1)
    with pytest.warns(UnknownTextWarning, match="2 texts hold no word that the model knows"):
        found = np.asarray(encoder.encode_queries(["zebra", "", "zebra cat"]))
    assert found.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    with pytest.warns(
        UnknownTextWarning, match="1 text holds no word that the model knows; its vector is zero"
    ) as said:
        encoder.encode_documents(["\0"])
    assert said[0].filename == __file__


def test_words_of_fasttext_are_the_mean_of_word_and_ngrams(tmp_path):
    """Bucket b has the vector (b, 0, 1); a known word has its own row too, an unknown one its n-grams alone."""
    encoder = load_words(write_fasttext(tmp_path / "f"), threads=1)
    rule = encoder._parts.tokens._ngrams

    def word(text):
        rows = [WORDS[text]] if text in WORDS else []
        return np.mean([*rows, *((row - len(WORDS), 0, 1) for row in rule.rows(text))], axis=0)

    assert np.allclose(vectors(encoder, "cat")[0], unit(*word("cat")), atol=1e-6)
    assert np.allclose(vectors(encoder, "zebra")[0], unit(*word("zebra")), atol=1e-6)
    both = (word("the") + word("zebras")) / 2
    assert np.allclose(vectors(encoder, "THE zebras")[0], unit(*both), atol=1e-6)
    assert np.allclose(encoder._means(["the zebras"], 0)[0], both, atol=1e-6)


def test_sif_by_place(tmp_path):
    """a / (a + p), p = 1 / (r H) for the place r among six words, H = 1 + 1/2 + … + 1/6."""
    encoder = load_words(write_word2vec(tmp_path / "w"), weighting="sif", threads=1)
    harmonic = sum(1 / place for place in range(1, 7))
    the, dog = (1e-3 / (1e-3 + 1 / (place * harmonic)) for place in (1, 3))
    assert np.allclose(vectors(encoder, "the dog")[0], unit(4 * the, 0, 2 * dog), atol=1e-6)
    assert np.allclose(encoder._means(["the dog"], 0)[0], [2 * the, 0, dog], atol=1e-6)
    assert (encoder.space.pooling, "weighting=sif a=0.001 p=zipf" in encoder.space.architecture) == ("sif", True)


def test_sif_by_counts(tmp_path):
    """fastText's file has counts: 100 of 1,000 for the first word, 99 for the second; unknown words weigh 1."""
    encoder = load_words(write_fasttext(tmp_path / "f", buckets=0), weighting="sif", threads=1)
    the, cat = 1e-3 / (1e-3 + 0.1), 1e-3 / (1e-3 + 0.099)
    assert np.allclose(vectors(encoder, "the cat")[0], unit(4 * the, 3 * cat, 0), atol=1e-6)
    grams = load_words(write_fasttext(tmp_path / "g"), weighting="sif", threads=1)
    assert np.allclose(vectors(grams, "zebra"), vectors(load_words(tmp_path / "g", threads=1), "zebra"), atol=1e-7)
    assert "p=counts" in grams.space.architecture


def test_sif_weights_by_formula():
    """Shares sum to one by place; by counts they are counts / total."""
    weights = static.sif_weights(4).astype(np.float64)
    assert math.isclose(sum(1e-3 / weights - 1e-3), 1, rel_tol=1e-4)
    assert np.allclose(static.sif_weights(2, np.array([3, 0]), 12), [1e-3 / (1e-3 + 0.25), 1], atol=1e-7)


def test_a_space_says_what_changes_a_number(tmp_path):
    """The same words elsewhere are the same space; another weighting, file, rule or prompt is another."""
    path = write_glove(tmp_path / "a")
    one = load_words(path, threads=1).space
    assert one == load_words(write_glove(tmp_path / "b"), threads=3).space
    assert (one.full_dim, one.dim, one.max_tokens, one.metric, one.normalized) == (3, 3, 1_000_000, "cosine", True)
    assert one.architecture == "static rows=6 dim=3 unknown=dropped weighting=mean"
    others = [
        load_words(path, weighting="sif"),
        load_words(path, overflow="cut"),
        load_words(write_glove(tmp_path / "c", WORDS | {"owl": (1, 1, 1)})),
        load_words(found_of_file(path, query_prompt="the ")),
    ]
    assert len({one.id, *(other.space.id for other in others)}) == 5


def found_of_file(path, **changes):
    """Return a file of words as a verified one."""
    told = {
        "name": path.name,
        "files": {path.name: "0" * 64},
        "kind": "words",
        "size_bytes": 1,
        "max_tokens": 1_000_000,
    }
    pin = Pin(**(told | {"dim": 0, "pooling": "mean", "folder": str(path.parent)} | changes))
    return Found(pin=pin, folder=path.parent, source="folder")


def test_prompts_stand_before_a_text_of_their_role(tmp_path):
    """A pin's prompts are words like any other; spans leave them out, counts do not."""
    path = write_glove(tmp_path / "a")
    encoder = load_words(found_of_file(path, query_prompt="the ", document_prompt="dog "), threads=1)
    assert np.allclose(np.asarray(encoder.encode_queries(["cat"])), [unit(4, 3, 0)], atol=1e-7)
    assert np.allclose(np.asarray(encoder.encode_documents(["cat"])), [unit(0, 3, 2)], atol=1e-7)
    assert encoder.count_tokens(["cat"]).tolist() == [2]
    assert encoder.token_spans(["cat"])[0].tolist() == [[0, 3]]


def test_beyond_the_limit_the_overflow_rule_holds(tmp_path):
    """Three words are allowed: chunk takes them all, error refuses with the number, cut leaves out and counts."""
    path = write_glove(tmp_path / "a")
    found = found_of_file(path, max_tokens=3)
    texts = ["the the the cat", "the the the"]
    assert np.allclose(np.asarray(load_words(found).encode_documents(texts)), [unit(12, 3, 0), (1, 0, 0)], atol=1e-7)
    with pytest.raises(TooLongError, match="Text 0 has 4 tokens, more than 3"):
        load_words(found, overflow="error").encode_documents(texts)
    assert load_words(found, overflow="error").encode_documents(texts[1:]).shape == (1, 3)
    with pytest.warns(TruncationWarning, match="1 text was cut at 3 tokens"):
        cut = load_words(found, overflow="cut").encode_queries(texts)
    assert cut.cut_rows == (0,)
    assert np.asarray(cut).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_table_of_tokens_gives_the_mean_of_rows(tmp_path):
    """cat is one token, ab is two; [UNK] and [SEP] within a text: the unknown is left out, the rest counts."""
    encoder = load_folder(found_of(write_model2vec(tmp_path / "m")), threads=1)
    rows = {token: table()[number].astype(np.float64) for token, number in VOCABULARY.items()}
    found = vectors(encoder, "Cat", "ab cat", "日 dog", "cat[SEP]", "日")
    expected = [rows["cat"], rows["a"] + rows["##b"] + rows["cat"], rows["dog"], rows["cat"] + rows["[SEP]"]]
    assert np.allclose(found[:4], [unit(*vector) for vector in expected], atol=1e-6)
    assert found[4].tolist() == [0] * 4
    assert encoder.count_tokens(["日 dog", "ab"]).tolist() == [2, 2]
    assert encoder.token_spans(["日 dog"])[0].tolist() == [[0, 1], [2, 5]]


def test_sentence_transformers_keeps_the_unknown(tmp_path):
    """Its module has a row for [UNK] like any other; Model2Vec leaves it out."""
    encoder = load_folder(found_of(write_static_module(tmp_path / "m")), threads=1)
    row = table()[[VOCABULARY["[UNK]"], VOCABULARY["dog"]]].astype(np.float64).sum(axis=0)
    assert np.allclose(vectors(encoder, "日 dog")[0], unit(*row), atol=1e-6)
    assert "unknown=kept" in encoder.space.architecture


@pytest.mark.parametrize("kind", ["float32", "float16", "float64", "bfloat16", "int8"])
def test_tables_of_every_type(tmp_path, kind):
    """Small whole numbers are the same in each of them."""
    rows = np.random.default_rng(0).integers(-9, 10, (len(VOCABULARY), 3))
    stored = (
        rows.astype(kind) if kind != "bfloat16" else (rows.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    )
    write_arrays(tmp_path / "m", {"embeddings": stored}, kind)
    encoder = load_folder(found_of(tmp_path / "m"), threads=1)
    assert np.allclose(encoder._means(["cat dog"], 0)[0], rows[[VOCABULARY["cat"], VOCABULARY["dog"]]].mean(axis=0))


def write_arrays(folder, arrays, kind="float32"):
    """Write a folder whose table has another type or other parts."""
    names = {"float64": "F64", "int8": "I8", "int32": "I32", "uint8": "U8"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "model_worlds.TYPES", {"float32": "F32", "float16": "F16", "int64": "I64", "uint16": "BF16", **names}
        )
        return write_model2vec(folder, arrays)


def test_a_quantised_vocabulary_has_a_mapping_and_weights(tmp_path):
    """Token t has the row mapping[t], times weights[t]; the mean is over tokens, not over weights."""
    mapping = np.arange(len(VOCABULARY), dtype=np.int64) % 3
    weights = np.linspace(0.5, 2, len(VOCABULARY)).astype(np.float32)
    rows = table()[:3]
    write_model2vec(tmp_path / "m", {"embeddings": rows, "mapping": mapping, "weights": weights})
    encoder = load_folder(found_of(tmp_path / "m"), threads=1)
    cat, dog = VOCABULARY["cat"], VOCABULARY["dog"]
    expected = (rows[mapping[cat]] * weights[cat] + rows[mapping[dog]] * weights[dog]) / 2
    assert np.allclose(encoder._means(["cat dog"], 0)[0], expected, atol=1e-6)


def test_lengths_are_kept_where_the_model_says_so(tmp_path):
    """``"normalize": false`` in the settings: the mean itself, and a space that says so."""
    encoder = load_folder(found_of(write_model2vec(tmp_path / "m", normalize=False)), threads=1)
    assert not encoder.space.normalized
    assert np.allclose(vectors(encoder, "cat")[0], table()[VOCABULARY["cat"]])


GOLDEN_TEXTS = ["Cat, dog!", "ab 日 cd.", "[SEP] xyz"]
GOLDEN = [
    [-0.56653, -0.125721, -0.579587, -0.572116],
    [0.445533, 0.478968, -0.754008, 0.059679],
    [-0.669481, -0.346294, -0.480412, 0.448419],
]
GOLDEN_QUANTISED = [
    [-0.968219, 0.002324, 0.227635, 0.103577],
    [-0.72125, -0.181347, -0.665696, -0.06133],
    [0.207532, 0.468452, -0.73237, -0.448461],
]
"""What Model2Vec 0.10.0 gives for these folders: ``StaticModel.from_pretrained(…, max_length=None).encode(texts)``."""


def test_model2vec_gives_the_same(tmp_path):
    """Against numbers of the library itself, for a plain table and a quantised vocabulary."""
    tokens = len(VOCABULARY)
    parts = {
        "embeddings": table()[:7],
        "mapping": np.arange(tokens) % 7,
        "weights": np.float32(np.linspace(0.5, 2, tokens)),
    }
    plain = load_folder(found_of(write_model2vec(tmp_path / "a")), threads=1)
    quantised = load_folder(found_of(write_model2vec(tmp_path / "b", parts)), threads=1)
    assert np.allclose(vectors(plain, *GOLDEN_TEXTS), GOLDEN, atol=2e-6)
    assert np.allclose(vectors(quantised, *GOLDEN_TEXTS), GOLDEN_QUANTISED, atol=2e-6)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"weights": np.zeros(3, np.float32)}, "no table of token vectors"),
        ({"embeddings": np.zeros(3, np.float32)}, "no table of token vectors"),
        ({"embeddings": np.zeros((0, 3), np.float32)}, "no table of token vectors"),
        ({"embeddings": np.zeros((64, 3), np.int64)}, "must be one of F64, F32"),
        ({"embeddings": np.zeros((9, 3), np.float32)}, "has a token 59, but the table has rows for 9"),
        ({"embeddings": table(), "weights": np.zeros(3, np.float32)}, "60 tokens and weights of"),
        ({"embeddings": table(), "mapping": np.full(64, 60)}, "must name one of 60 rows"),
        ({"embeddings": table(), "mapping": np.full(64, -1)}, "must name one of 60 rows"),
        ({"embeddings": table(), "mapping": np.zeros((8, 8), np.int64)}, "must name one of 60 rows"),
        ({"embeddings": table(), "mapping": np.zeros(64, np.float32)}, "must be one of I64"),
    ],
)
def test_files_that_contradict_each_other_are_refused(tmp_path, arrays, told):
    """Shapes, types and rows must fit the tokenizer."""
    assert len(VOCABULARY) == 60
    with pytest.raises(ModelLoadError, match=told):
        load_folder(found_of(write_model2vec(tmp_path / "m", arrays)))


def test_a_row_that_is_no_number_is_named_with_its_text(tmp_path):
    """Texts without it are served; the message has the text's row in the call."""
    rows = table()
    rows[VOCABULARY["dog"], 1] = np.nan
    encoder = load_folder(found_of(write_model2vec(tmp_path / "m", {"embeddings": rows})), threads=1)
    assert vectors(encoder, "cat").shape == (1, 4)
    with pytest.raises(EncodeError, match="no vector for text 2"):
        encoder.encode_documents(["cat", "cat", "a dog"])


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e30, 3e38])
def test_any_scale_has_a_direction(tmp_path, scale):
    """Squares beyond float32 are no reason for another direction."""
    encoder = load_words(write_glove(tmp_path / "g", {"cat": (3 * scale / 4, scale, 0)}), threads=1)
    assert np.allclose(vectors(encoder, "cat")[0], unit(3, 4, 0), atol=1e-5)


def test_other_modules_are_refused(tmp_path):
    """A Dense behind the table would be another model."""
    found = found_of(write_static_module(tmp_path / "m", modules=("StaticEmbedding", "Dense")))
    with pytest.raises(ModelLoadError, match="has the module Dense behind its table"):
        load_folder(found)


@pytest.mark.parametrize("config", [{"apply_zipf": True}, {"sif_coefficient": 1e-4}])
def test_weighting_twice_is_refused(tmp_path, config):
    """Model2Vec's rows are weighted when they are made; a plain table may be."""
    found = found_of(write_model2vec(tmp_path / "m", **config))
    with pytest.raises(UnsupportedError, match="already weighted by frequency"):
        load_folder(found, weighting="sif")
    assert load_folder(found, weighting="mean").space.pooling == "mean"
    plain = load_folder(found_of(write_static_module(tmp_path / "n")), weighting="sif", threads=1)
    weights = static.sif_weights(60)[[VOCABULARY["cat"], VOCABULARY["dog"]]]
    expected = (table()[[VOCABULARY["cat"], VOCABULARY["dog"]]] * weights[:, None]).mean(axis=0)
    assert np.allclose(plain._means(["cat dog"], 0)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"weighting": "tfidf"}, UnknownNameError),
        ({"overflow": "drop"}, UnknownNameError),
        ({"threads": 0}, RangeError),
        ({"threads": "2"}, DtypeError),
    ],
)
def test_wrong_settings_are_named(tmp_path, wrong, error):
    """For files and folders alike."""
    with pytest.raises(error):
        load_words(write_glove(tmp_path / "a"), **wrong)
    with pytest.raises(error):
        load_folder(found_of(write_model2vec(tmp_path / "m")), **wrong)


def test_blocks_threads_and_twins_change_nothing(encoder, monkeypatch):
    """One block or many, one thread or four, native or NumPy: the same vectors, and progress to the end."""
    texts = [*TEXTS, *(f"cat {'dog ' * number}{number} köln" for number in range(40))]
    expected = vectors(encoder, *texts)
    monkeypatch.setattr(lookup, "BLOCK_TEXTS", 3)
    monkeypatch.setattr(encoder, "threads", 4)
    told = []
    with pytest.warns(UnknownTextWarning):
        found = encoder.encode_documents(texts, progress=lambda done, total: told.append((done, total)))
    assert np.allclose(np.asarray(found), expected, atol=1e-6)
    assert (told[0], told[-1]) == ((3, 48), (48, 48))
    monkeypatch.setenv("VICINAL_KERNELS", "numpy")
    assert np.allclose(vectors(encoder, *texts), expected, atol=1e-6)


def test_awkward_texts(encoder):
    """A zero byte, a megabyte, an enormous word, every kind of white space; half a surrogate pair is refused."""
    texts = ["\0", "cat\0dog", "cat dog " * 125_000, "x" * 100_000, "\x1c\x85\u2028\u3000", "[SEP]", "é" * 99]
    found = vectors(encoder, *texts)
    assert np.isfinite(found).all()
    assert np.allclose(found[2], vectors(encoder, "cat dog")[0], atol=1e-5)
    with pytest.raises(RangeError, match="lone surrogate"):
        encoder.encode_queries(["\ud800"])


@pytest.fixture
def module():
    """Return the module of sentence-transformers over the table."""
    modules = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
    tokenizers = pytest.importorskip("tokenizers")
    rules = tokenizer_rules() | {"truncation": None, "padding": None}
    return modules.StaticEmbedding(tokenizers.Tokenizer.from_str(json.dumps(rules)), embedding_weights=table())


@pytest.mark.train
def test_sentence_transformers_gives_the_same(tmp_path, module):
    """The library itself, on the same table: no text is cut there either."""
    texts = ["cat", "ab cat.", "日 dog", "日", "cat " * 600, "[SEP] x"]
    theirs = module(module.preprocess(texts))["sentence_embedding"].detach().numpy().astype(np.float64)
    ours = vectors(load_folder(found_of(write_static_module(tmp_path / "m")), threads=1), *texts)
    assert ((ours * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)).min() > 0.999999
