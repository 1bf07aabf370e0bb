"""Cross-encoders: the scores of transformers, the cuts of its tokenizers, and a score of a pair alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from family_worlds import write_family
from vicinal.errors import ModelLoadError, RangeError, TruncationWarning, VicinalError
from vicinal.rerank import CrossEncoder
from vicinal.rerank.cross import _kept

MOST = 1e-4
FAMILIES = ["bert", "camembert", "distilbert", "mpnet", "roberta", "xlm-roberta"]
WINDOW = 22
"""Of the small models: token types, special tokens and all."""
QUERY = "a cat, dog"
TEXTS = ["dog", "cat on a dog", "", "c a t d o g", "cat cat dog dog.", "abc def"]
LONG = "a b c d e f g h i j k l m n o p q r s t u v w x y z"
"""Beyond the window with any question."""


@pytest.fixture
def cross(tmp_path, write_classifier):
    """Return a function that writes a small cross-encoder and loads it in one thread."""
    return lambda family="bert", **settings: CrossEncoder(
        write_classifier(tmp_path / family, family, **settings), threads=1
    )


@pytest.fixture(scope="module")
def transformers():
    """Return transformers; a test that asks for it is skipped where it is not installed."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return pytest.importorskip("transformers")


def library_logits(transformers, folder, query, texts):
    """Return what transformers gives for pairs, its tokenizer cutting them longest first."""
    import torch

    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        pad_token="[PAD]"
        if "bert" in folder.name and "ro" not in folder.name and folder.name != "camembert"
        else "<pad>",
    )
    model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    asked = tokenizer([query] * len(texts), list(texts), truncation="longest_first", max_length=WINDOW, padding=True, return_token_type_ids=True, return_tensors="pt")  # fmt: skip
    typed = model.config.model_type == "bert"
    feeds = {name: asked[name] for name in ("input_ids", "attention_mask", *(["token_type_ids"] * typed))}
    with torch.inference_mode():
        return model(**feeds).logits.numpy()


@pytest.mark.train
@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_scores_are_those_of_transformers(transformers, cross, tmp_path, family, labels):
    """Logits of one label, or the difference of two, pairs beyond the window among them."""
    encoder = cross(family, labels=labels, sentence_transformers={"activation_fn": "torch.nn.modules.linear.Identity"})
    texts = [*TEXTS, LONG, f"{LONG} {LONG}"]
    for query in (QUERY, LONG, "a b c d e f g h i"):
        logits = library_logits(transformers, tmp_path / family, query, texts)
        expected = logits[:, 0] if labels == 1 else logits[:, 1] - logits[:, 0]
        with pytest.warns(TruncationWarning):
            found = encoder.score(query, texts)
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() <= MOST
        assert np.ptp(expected) > 100 * MOST  # the comparison could fail


@pytest.mark.train
@pytest.mark.parametrize("labels", [1, 2])
def test_a_folder_of_sentence_transformers_gives_its_scores(transformers, tmp_path, write_classifier, labels):
    """As its library writes it today: modules, settings and the activation in files of their own."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    folder = write_classifier(tmp_path / "m", labels=labels)
    told = {"model_max_length": WINDOW, "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    told |= {"model_input_names": ["input_ids", "attention_mask", "token_type_ids"]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    library = sentence_transformers.CrossEncoder(str(folder), device="cpu")
    library.save_pretrained(str(tmp_path / "saved"))
    expected = library.predict([(QUERY, text) for text in TEXTS])
    expected = expected[:, 1] - expected[:, 0] if labels == 2 else expected
    for place in (folder, tmp_path / "saved"):
        assert np.abs(CrossEncoder(place, threads=1).score(QUERY, TEXTS) - expected).max() <= MOST


@pytest.mark.parametrize("family", FAMILIES)
def test_a_score_depends_on_its_pair_alone(cross, family):
    """Not on the batch, on the order, or on threads."""
    encoder = cross(family)
    whole = encoder.score(QUERY, TEXTS)
    alone = np.concatenate([encoder.score(QUERY, [text]) for text in TEXTS])
    turned = encoder.score(QUERY, TEXTS[::-1])[::-1]
    assert np.abs(whole - alone).max() < 1e-5
    assert np.abs(whole - turned).max() < 1e-5


def test_several_threads_give_the_same(tmp_path, write_classifier):
    """More batches than one, in order."""
    folder = write_classifier(tmp_path / "bert")
    texts = [f"{'cat ' * (place % 7)}dog" for place in range(120)]
    one, two = (CrossEncoder(folder, threads=threads).score("a cat", texts) for threads in (1, 2))
    assert np.abs(one - two).max() < 1e-5


def test_question_and_text_are_not_the_same_side(cross):
    """The token types tell them apart."""
    encoder = cross()
    assert abs(encoder.score("cat", ["dog a b"])[0] - encoder.score("dog a b", ["cat"])[0]) > MOST


def test_nothing_in_nothing_out(cross):
    """(0,) float32."""
    found = cross().score(QUERY, [])
    assert found.shape == (0,)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("told", "labels", "expected"),
    [
        ({}, 1, "sigmoid"),
        ({}, 2, "identity"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, 1, "identity"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, 2, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, 1, "identity"),
    ],
)
def test_the_activation_is_what_the_files_say(cross, tmp_path, told, labels, expected, write_classifier):
    """In the newer place, in the older, or by the number of labels; the sigmoid is that of the logit."""
    encoder = cross(labels=labels, **told)
    assert encoder.activation == expected
    plain = CrossEncoder(
        write_classifier(tmp_path / "plain", labels=labels, sentence_transformers={"activation_fn": "x.Identity"}),
        threads=1,
    ).score(QUERY, TEXTS)
    wanted = 1 / (1 + np.exp(-plain.astype(np.float64))) if expected == "sigmoid" else plain
    np.testing.assert_allclose(encoder.score(QUERY, TEXTS), wanted, atol=1e-6)


def test_the_newest_place_of_the_activation_wins(tmp_path, write_classifier):
    """That is the file beside the settings."""
    folder = write_classifier(tmp_path / "m", sentence_transformers={"activation_fn": "torch.nn.Sigmoid"})
    told = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]))  # fmt: skip
    assert CrossEncoder(folder, threads=1).activation == "identity"


def test_pairs_that_are_cut_are_counted_and_named(cross):
    """By a warning and by their rows; others are not."""
    encoder = cross()
    assert encoder.max_tokens == WINDOW
    with pytest.warns(TruncationWarning, match="1 text "):
        encoder.score(QUERY, ["dog", LONG])
    assert encoder.cut_rows(QUERY, ["dog", LONG, "cat"]) == [1]


@pytest.mark.parametrize(
    ("first", "second", "room", "kept"),
    [
        (3, 4, 9, (3, 4)),
        (3, 40, 9, (3, 6)),
        (40, 3, 9, (6, 3)),
        (40, 41, 9, (4, 5)),
        (41, 40, 9, (5, 4)),
        (40, 40, 9, (4, 5)),
        (0, 40, 9, (0, 9)),
        (40, 40, 10, (5, 5)),
    ],
)
def test_the_longer_text_gives_first(first, second, room, kept):
    """Until both are even; the odd place is the longer one's."""
    assert _kept(first, second, room) == kept


def test_a_shorter_window_may_be_asked_for(tmp_path, write_classifier):
    """Within the model's."""
    folder = write_classifier(tmp_path / "m")
    assert CrossEncoder(folder, max_tokens=8).cut_rows("cat", ["a b c d e"]) == [0]
    for wrong in (4, WINDOW + 1):
        with pytest.raises(RangeError):
            CrossEncoder(folder, max_tokens=wrong)


@pytest.mark.parametrize(
    ("labels", "config", "told"),
    [
        (3, {}, "one label"),
        (1, {"model_type": "t5"}, "model_type"),
        (1, {"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}}, "activation"),
    ],
)
def test_what_is_no_cross_encoder_is_refused(tmp_path, labels, config, told, write_classifier):
    """With what is wrong with it."""
    folder = write_classifier(tmp_path / "m", labels=labels)
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | config))
    with pytest.raises(ModelLoadError, match=told):
        CrossEncoder(folder)


def test_an_encoder_of_single_texts_is_refused(tmp_path):
    """It has no head; and a list of modules with a pooling is no cross-encoder either."""
    with pytest.raises(ModelLoadError, match=r"classifier\.weight"):
        CrossEncoder(write_family(tmp_path / "e", "bert"))
    with pytest.raises(ModelLoadError, match="Pooling"):
        CrossEncoder(write_family(tmp_path / "p", "bert", pooling="mean"))


def test_a_prompt_before_every_pair_is_refused(tmp_path, write_classifier):
    """It would change every score, unseen."""
    folder = write_classifier(tmp_path / "m")
    told = {"prompts": {"rank": "Rank: "}, "default_prompt_name": "rank"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    with pytest.raises(ModelLoadError, match="prompt"):
        CrossEncoder(folder)


def test_a_tokenizer_without_pairs_is_refused(tmp_path, write_classifier):
    """Its template leaves out the second text."""
    folder = write_classifier(tmp_path / "m")
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["post_processor"]["pair"] = rules["post_processor"]["pair"][:3]
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    with pytest.raises(ModelLoadError):
        CrossEncoder(folder)


def test_a_tokenizer_that_contradicts_itself_is_refused(tmp_path, write_classifier):
    """A template that names a token which it does not have: the library gives up with what is no Exception."""
    folder = write_classifier(tmp_path / "m")
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["post_processor"]["special_tokens"]["[CLS]"]["id"] = "[ELSE]"
    rules["post_processor"]["special_tokens"]["[ELSE]"] = rules["post_processor"]["special_tokens"].pop("[CLS]")
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    with pytest.raises(ModelLoadError):
        CrossEncoder(folder)


def test_a_head_of_another_shape_is_refused(tmp_path, write_classifier):
    """The settings are of another model."""
    folder = write_classifier(tmp_path / "m")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"hidden_size": 8, "num_attention_heads": 2}))
    with pytest.raises(ModelLoadError, match="shape"):
        CrossEncoder(folder)


@pytest.mark.parametrize(("dtype", "close"), [("float16", 2e-2), ("bfloat16", 0.2)])
def test_weights_of_sixteen_bits_are_read_in_place(tmp_path, write_classifier, dtype, close):
    """The scores are those of the rounded weights, near those of the whole ones."""
    told = {"sentence_transformers": {"activation_fn": "x.Identity"}}
    whole = CrossEncoder(write_classifier(tmp_path / "f32", **told), threads=1)
    rounded = CrossEncoder(write_classifier(tmp_path / dtype, dtype=dtype, **told), threads=1)
    difference = np.abs(whole.score(QUERY, TEXTS) - rounded.score(QUERY, TEXTS))
    assert 0 < difference.max() < close


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]), st.data())
def test_a_damaged_file_is_an_error_with_a_name(tmp_path, write_classifier, file, data):
    """Cut short or changed at any byte: refused, or read as what it says, and never anything else."""
    folder = write_classifier(tmp_path / "m")
    content = bytearray((folder / file).read_bytes())
    place = data.draw(st.integers(0, min(len(content), 3000) - 1))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    (folder / file).write_bytes(content)
    try:
        scores = CrossEncoder(folder, threads=1).score("cat", ["dog"])
    except VicinalError:
        return
    assert np.isfinite(scores).all()
