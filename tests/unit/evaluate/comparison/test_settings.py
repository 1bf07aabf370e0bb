"""Settings: what may differ, lists multiplied out, and the file that holds them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, NotFoundError, RangeError, UnknownNameError, VicinalError
from vicinal.evaluate.comparison import Setting, matrix, read_settings
from vicinal.evaluate.comparison.settings import MODES, differing, named


def test_lists_are_multiplied_out_with_names_of_what_differs():
    """Two by two are four; what all have in common is in no name."""
    made = matrix(mode=["dense", "hybrid"], dim=[384, 128], model=["minilm"])
    assert [one.name for one in made] == ["dense 384d", "dense 128d", "hybrid 384d", "hybrid 128d"]
    assert {one.model for one in made} == {"minilm"}


def test_what_has_no_meaning_for_a_mode_makes_no_settings():
    """A search by words has no dimensions, and one by meaning no fusion."""
    made = matrix(mode=["lexical", "dense", "hybrid"], dim=[384, 128], fusion=["rrf", "convex"])
    assert [one.mode for one in made].count("lexical") == 1
    assert [one.mode for one in made].count("dense") == 2
    assert [one.mode for one in made].count("hybrid") == 4
    assert made[0] == Setting(name="keyword", mode="lexical")


def test_no_lists_give_the_collection_as_it_is():
    """One setting, in which nothing is set."""
    (one,) = matrix()
    assert one.name == "as it is"
    assert one.to_mapping() == {"name": "as it is"}


def test_binary_is_another_word_for_one_bit():
    """The setting has the one word."""
    assert Setting(precision="binary") == Setting(precision="1bit")


def test_no_reranker_is_the_same_as_none_named():
    """So that such settings differ in nothing."""
    assert differing(Setting(rerank="none"), Setting()) == ()
    assert differing(Setting(rerank="late-interaction", dim=8), Setting(dim=4)) == ("dim", "rerank")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"mode": "keyword"}, UnknownNameError),
        ({"precision": "int7"}, UnknownNameError),
        ({"dim": 0}, RangeError),
        ({"dim": True}, DtypeError),
        ({"dim": 1.5}, DtypeError),
        ({"weight": 1.01}, RangeError),
        ({"weight": float("nan")}, RangeError),
        ({"model": ""}, RangeError),
        ({"model": "a\nb"}, RangeError),
        ({"rerank": "x" * 401}, RangeError),
        ({"name": 3}, DtypeError),
        ({"chunker": "\ud800"}, RangeError),
    ],
)
def test_what_no_search_could_be_made_of_is_refused(fields, error):
    """With the field's name in ``where``."""
    with pytest.raises(error) as caught:
        Setting(**fields)
    assert str(next(iter(fields))) in str(caught.value.where)


def test_a_bare_string_is_no_list():
    """It would be multiplied out letter by letter."""
    with pytest.raises(DtypeError, match="put it in a list"):
        matrix(mode="dense")


def test_more_than_a_hundred_are_refused():
    """Before they are made, where there would be very many."""
    with pytest.raises(RangeError, match="at most 100"):
        matrix(dim=list(range(1, 102)))
    with pytest.raises(RangeError, match="1000000"):
        matrix(dim=list(range(1, 1001)), model=[f"m{place}" for place in range(1000)])


def test_names_are_distinct():
    """Two settings of one name cannot be told apart in a table."""
    with pytest.raises(InputError, match="'dense'"):
        named([Setting(mode="dense"), Setting(name="dense", mode="hybrid")])
    with pytest.raises(InputError, match="nothing to compare"):
        named([])


@given(st.lists(st.sampled_from(MODES), max_size=3), st.lists(st.integers(1, 4096), max_size=4))
def test_no_combination_comes_twice_and_no_name_either(modes, dims):
    """Whatever lists are given, repetitions included."""
    made = matrix(mode=modes, dim=dims)
    assert len({one.name for one in made}) == len(made)
    assert len(made) <= max(1, len(set(modes))) * max(1, len(set(dims)))
    assert named(made) == tuple(made)


FILE = """
[defaults]
model = "minilm"

[matrix]
mode = ["dense", "hybrid"]
dim = [384, 128]

[[setting]]
name = "words"
mode = "lexical"

[[setting]]
name = "best"
mode = "hybrid"
precision = "binary"
rerank = ["none", "late-interaction"]
"""


def test_a_file_holds_a_matrix_and_single_settings(tmp_path):
    """Defaults hold for all of them; a list in a single one is multiplied out too."""
    path = tmp_path / "s.toml"
    path.write_text(FILE, encoding="utf-8")
    found = read_settings(path)
    assert [one.label for one in found] == [
        "dense 384d",
        "dense 128d",
        "hybrid 384d",
        "hybrid 128d",
        "words",
        "best",
        "best + late-interaction",
    ]
    assert found[0].model == "minilm"
    assert found[4].model is None, "a search by words has no model"
    assert found[5].precision == "1bit"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[matrix]\nmode = dense", "line 2"),
        ("[matrx]\nmode = ['dense']", "'matrx'"),
        ("[matrix]\nmodes = ['dense']", "'modes'"),
        ("[defaults]\nname = 'x'\n[matrix]\nmode = ['dense']", "names no setting"),
        ("[[setting]]\nmode = 'keyword'", r"\[\[setting\]\] 1: mode must be one of"),
        ("[[setting]]\nname='a'\n[[setting]]\ndim = 0", r"\[\[setting\]\] 2: dim"),
        ("[setting]\nmode = 'dense'", "two brackets"),
        ("[matrix]\nmode = []", "empty list"),
        ("[matrix]\nmode = [['dense']]", "got a list"),
        ("matrix = 3", "must be a table"),
        ("setting = [3]", "must be a table"),
        ("[matrix]\ndim = [2026-01-01]", "whole number"),
        ("", "holds no setting"),
        ("[[setting]]\nname='a'\nmode='dense'\n[[setting]]\nname='a'\nmode='hybrid'", "Two settings"),
        ("[[setting]]\nname=3\nmode='dense'", "name must be a string"),
    ],
)
def test_errors_name_the_table_the_key_or_the_line(tmp_path, text, said):
    """So that the place in the file is found."""
    path = tmp_path / "s.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_settings(path)


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path):
    """The second without being read whole."""
    with pytest.raises(NotFoundError):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(InputError, match="longer"):
        read_settings(tmp_path / "long.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(InputError, match="no TOML"):
        read_settings(tmp_path / "latin.toml")


@given(st.text(max_size=200))
def test_any_text_gives_settings_or_an_error_of_ours(tmp_path_factory, text):
    """Never another one."""
    path = tmp_path_factory.mktemp("toml") / "s.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(VicinalError):
        assert read_settings(path)


def test_settings_of_a_file_are_named_by_what_they_say(tmp_path) -> None:
    """Two that differ in a field that only one of them sets have two names, with the defaults of all left out."""
    path = tmp_path / "s.toml"
    path.write_text(
        '[defaults]\nmodel = "minilm"\n[[setting]]\nmode = "hybrid"\n[[setting]]\nmode = "hybrid"\nfusion = "rrf"\n'
        '[[setting]]\nmode = "dense"\ndim = 128\n',
        encoding="utf-8",
    )
    assert [one.name for one in read_settings(path)] == ["hybrid", "hybrid rrf", "dense 128d"]
