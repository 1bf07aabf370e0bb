"""The chunker on texts whose chunks can be worked by hand: one word is one token."""

import re
from pathlib import Path

import numpy as np
import pytest

from vicinal.chunk import Chunker
from vicinal.config import cache_folder
from vicinal.errors import DtypeError, RangeError, UnknownNameError
from vicinal.types import Document


def words(texts):
    """Return the spans of the words: a tokenizer that can be counted by hand."""
    return [np.array([m.span() for m in re.finditer(r"\S+", t)], dtype=np.int64).reshape(-1, 2) for t in texts]


def letters(texts):
    """Return a tokenizer that makes one token of a long text and one of each letter of a short one."""
    spans = [[(0, len(t))] if len(t) > 60 else [(i, i + 1) for i in range(len(t))] for t in texts]
    return [np.array(found, dtype=np.int64).reshape(-1, 2) for found in spans]


def chunk_texts(text, form="text", *, target=10, overlap=0, token_spans=words, version=2):
    """Return the texts of the chunks."""
    chunker = Chunker(target=target, overlap=overlap, version=version)
    return [chunk.text for chunk in chunker.split(Document(id="x", text=text, form=form), token_spans)]


def count(low, high):
    """Return the words low … high - 1."""
    return " ".join(f"w{number}" for number in range(low, high))


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "\u2003"])
def test_white_space_gives_no_chunks(text):
    """Nothing to say, nothing to encode."""
    assert chunk_texts(text) == []


def test_a_short_document_is_one_chunk_without_its_outer_white_space():
    """The span is that of the trimmed text."""
    chunk = Chunker().split(Document(id="x", text=" \n a b\n\nc \n"), words)[0]
    assert (chunk.text, chunk.start, chunk.end) == ("a b\n\nc", 3, 9)


def test_small_paragraphs_of_version_1_are_packed_up_to_the_target():
    """4 + 4 words fit 10, a third paragraph does not; nothing overlaps where nothing was split."""
    parts = [count(0, 4), count(4, 8), count(8, 12), count(12, 14)]
    expected = ["\n\n".join(parts[:2]), "\n\n".join(parts[2:])]
    assert chunk_texts("\n\n".join(parts), overlap=3, version=1) == expected


def test_with_an_overlap_of_a_quarter_chunks_are_filled():
    """5 + 4 of 10 words are 9/10, and a chunk ends there; 4 + 4 are not, so the third paragraph gives 2 words."""
    parts = [count(0, 5), count(5, 9), count(9, 13)]
    assert chunk_texts("\n\n".join(parts), overlap=3)[0] == "\n\n".join(parts[:2])
    parts = [count(0, 4), count(4, 8), count(8, 12), count(12, 14)]
    filled = "\n\n".join([*parts[:2], "w8 w9"])
    assert chunk_texts("\n\n".join(parts), overlap=3) == [filled, "\n\n".join(["w8 w9 w10 w11", parts[3]])]
    assert chunk_texts("\n\n".join(parts), overlap=2)[0] == "\n\n".join(parts[:2])


def test_a_chunk_begins_with_the_last_sentences_of_the_one_before():
    """The first chunk ends with A3: A2 is the first sentence that begins in its last 6 words, or 4; A3 in its last 3."""
    said = [f"A{number} b c." for number in range(6)]
    text = " ".join(said)
    filled = " ".join(said[:3])
    assert chunk_texts(text, overlap=6) == [f"{filled} A3", f"{' '.join(said[2:5])} A5", " ".join(said[4:])]
    assert chunk_texts(text, overlap=4) == [f"{filled} A3", f"{' '.join(said[2:5])} A5", " ".join(said[4:])]
    assert chunk_texts(text, overlap=3)[1] == " ".join(said[3:])


def test_a_small_overlap_takes_what_is_whole():
    """2 of 10 words hold no sentence of 3: words are repeated, and the chunk ends with a sentence."""
    said = [f"A{number} b c." for number in range(5)]
    assert chunk_texts(" ".join(said), overlap=2) == [" ".join(said[:3]), "b c. " + " ".join(said[3:])]


def test_a_line_is_repeated_where_no_sentence_begins():
    """Lines of 3 words without a full stop: filled up to 10 words, of the last 4 the line of w9 and what is before."""
    lines = [count(3 * number, 3 * number + 3) for number in range(5)]
    assert chunk_texts("\n".join(lines), overlap=4) == ["\n".join([*lines[:3], "w9"]), "\n".join(lines[2:])]


def test_nothing_is_repeated_across_a_heading():
    """Neither across one as strong, nor across a deeper one that begins a chunk."""
    text = f"# A\n\n{count(0, 6)}\n\n## B\n\n{count(6, 12)}\n\n# C\n\n{count(12, 18)}"
    parts = [f"# A\n\n{count(0, 6)}", f"## B\n\n{count(6, 12)}", f"# C\n\n{count(12, 18)}"]
    assert chunk_texts(text, "markdown", overlap=5) == parts


def test_functions_do_not_overlap():
    """What belongs together in code is found by structure, not by what stands before it."""
    functions = [f"def f{number}(a):\n    return a, a, a, a" for number in range(4)]
    assert chunk_texts("\n\n\n".join(functions), "python", overlap=6) == functions


def test_a_chunk_does_not_cross_a_heading_as_strong_as_its_own():
    """Two small sections are two chunks; a deeper heading is packed with what it stands under."""
    text = "# A\n\na\n\n## B\n\nb\n\n# C\n\nc"
    assert chunk_texts(text, "markdown") == ["# A\n\na\n\n## B\n\nb", "# C\n\nc"]


def test_a_section_that_fits_whole_is_not_begun_in_the_chunk_before():
    """The deeper section of 8 words would be divided at 10; it begins a chunk of its own."""
    text = f"# A\n\n{count(0, 4)}\n\n## B\n\n{count(4, 7)}\n\n{count(7, 10)}"
    assert chunk_texts(text, "markdown") == [f"# A\n\n{count(0, 4)}", f"## B\n\n{count(4, 7)}\n\n{count(7, 10)}"]


def test_a_fence_is_kept_whole_where_it_fits():
    """A fence of 10 tokens with a blank line in it stays one chunk, whatever stands around it."""
    fence = f"```\n{count(0, 4)}\n\n{count(4, 8)}\n```"
    assert fence in chunk_texts(f"{count(8, 15)}\n\n{fence}\n\n{count(15, 22)}", "markdown")


def test_a_long_paragraph_is_split_after_a_sentence_with_overlap():
    """16 words in sentences of 4: version 1 repeats 2 words, 2 repeats the sentence that 4 words hold."""
    text = "a b c dd. E f g hh. I j k ll. M n o pp."
    assert chunk_texts(text, overlap=2, version=1) == ["a b c dd. E f g hh.", "g hh. I j k ll. M n o pp."]
    assert chunk_texts(text, overlap=2, version=2) == ["a b c dd. E f g hh.", "g hh. I j k ll. M n o pp."]
    assert chunk_texts(text, overlap=4) == ["a b c dd. E f g hh. I j", "I j k ll. M n o pp."]


def test_code_is_split_after_a_line_and_prose_without_sentences_too():
    """Lines of 3 words: 3 lines fit 10."""
    text = "\n".join(count(3 * number, 3 * number + 3) for number in range(5))
    lines = text.split("\n")
    for form in ("code", "text"):
        assert chunk_texts(text, form) == ["\n".join(lines[:3]), "\n".join(lines[3:])]


def test_words_are_divided_where_there_is_nothing_better():
    """25 words in one line: 10, 10, 5; with overlap 3 each goes on 3 words before."""
    assert chunk_texts(count(0, 25)) == [count(0, 10), count(10, 20), count(20, 25)]
    for version in (1, 2):
        parts = [count(0, 10), count(7, 17), count(14, 24), count(21, 25)]
        assert chunk_texts(count(0, 25), overlap=3, version=version) == parts


def test_python_functions_are_chunks():
    """Each function stands alone with its decorator, though two would fit."""
    one, two = "@d\ndef f(a):\n    return a", "def g(b):\n    return b"
    assert chunk_texts(f"import x\n\n{one}\n\n\n{two}\n", "python", target=20) == ["import x", one, two]


def test_what_alone_has_more_tokens_than_within_the_text_is_divided_again():
    """A tokenizer that counts a part higher than the whole cannot make a chunk too long."""
    chunks = chunk_texts(count(0, 30), target=8, token_spans=letters)
    assert all(len(letters([text])[0]) <= 8 for text in chunks)
    assert len(chunks) > 1 or len(chunks[0]) > 60


def test_long_texts_are_tokenized_in_parts_with_the_same_chunks():
    """200,000 characters in parts of 65,536 give 10 words a chunk, as one part would."""
    text = " ".join(["word"] * 40_000)
    chunks = Chunker(target=10, overlap=0).split(Document(id="x", text=text), words)
    assert [chunk.start for chunk in chunks] == list(range(0, len(text), 50))


def test_many_documents_give_what_each_gives_alone():
    """Batching changes nothing, and empty documents keep their place."""
    documents = [Document(id=str(n), text=count(0, 7 * n)) for n in range(5)]
    chunker = Chunker(target=8, overlap=2)
    assert chunker.split_all(documents, words) == [chunker.split(document, words) for document in documents]
    assert chunker.split_all([], words) == []


def test_the_id_names_what_decides_where_is_cut():
    """The ledger keeps it: the two numbers and the version of the rules."""
    assert Chunker().id == "structure-250-150-v2"
    assert Chunker(target=220, overlap=60, version=1).id == "structure-220-60-v1"
    assert Chunker(target=100, overlap=0, context=20).id == "structure-100-0-c20-v2"


def test_an_id_gives_the_chunker_back():
    """What the ledger kept cuts the same again, of the version before too; an id of other rules is refused."""
    for more in ({}, {"version": 1}, {"context": 16}):
        chunker = Chunker(target=100, overlap=7, **more)
        assert Chunker.from_id(chunker.id) == chunker
    for other in ("structure-100-7-v0", "structure-100-7-v3", "words-100", ""):
        with pytest.raises(UnknownNameError, match="none of this version"):
            Chunker.from_id(other)


@pytest.mark.parametrize(
    ("window", "target", "overlap"), [(256, 250, 150), (128, 125, 75), (512, 400, 150), (8192, 400, 150), (13, 11, 6)]
)
def test_the_window_decides_the_target(window, target, overlap):
    """250/150 for 256 tokens, others in proportion, never over 400."""
    chunker = Chunker.for_window(window)
    assert (chunker.target, chunker.overlap) == (target, overlap)


def test_a_prompt_takes_its_place_in_the_window():
    """With 50 tokens reserved, 206 of 256 are left."""
    assert Chunker.for_window(256, reserved=50).target == 206


@pytest.mark.parametrize(("target", "overlap", "version"), [(7, 0, 2), (9, 7, 2), (10, 6, 1), (10, -1, 2), (10, 0, 3)])
def test_numbers_out_of_range_are_refused(target, overlap, version):
    """An overlap of more than two thirds, of version 1 of more than half, would hardly go on."""
    with pytest.raises(RangeError):
        Chunker(target=target, overlap=overlap, version=version)


def test_a_target_that_is_no_whole_number_is_refused():
    """A float is a mistake."""
    with pytest.raises(DtypeError):
        Chunker(target=10.0)


def test_a_window_without_room_is_refused():
    """8 tokens of text are the least."""
    with pytest.raises(RangeError, match="leaves 7 for text"):
        Chunker.for_window(9)


def test_the_real_tokenizer_never_counts_more_than_the_target():
    """With the tokenizer of minilm where its file is in the model cache."""
    tokenizers = pytest.importorskip("tokenizers")
    found = sorted(cache_folder().rglob("tokenizer.json"))
    if not found:
        pytest.skip("no tokenizer.json in the model cache")
    tokenizer = tokenizers.Tokenizer.from_file(str(found[0]))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def spans(texts):
        encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [np.array(one.offsets, dtype=np.int64).reshape(-1, 2) for one in encoded]

    source = Path(re.__file__).read_text(encoding="utf-8") + "漢字かな交じり文。" * 300 + "😀e\u0301" * 300
    chunks = Chunker().split(Document(id="x", text=source, form="python"), spans)
    assert max(len(one) for one in spans([chunk.text for chunk in chunks])) <= 250
