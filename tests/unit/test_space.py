"""The space and its vectors: equal ids exactly for equal pipelines, and no number leaves its space unseen."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vicinal.errors import (
    DtypeError,
    InputError,
    NonFiniteError,
    RangeError,
    ShapeError,
    SpaceMismatchError,
    VicinalError,
)
from vicinal.space import ID_DIGITS, Space, Vectors, mapping_of

TINY = Space(
    weights="a" * 64,
    architecture="bert layers=1",
    tokenizer="b" * 64,
    pooling="mean",
    max_tokens=8,
    overflow="cut",
    full_dim=3,
    dim=3,
)
NAMES = [one.name for one in fields(Space)]
# Few values for each field, so that equal spaces are drawn often.
WORDS = st.sampled_from(["", "a", "b", "query: ", "é", "\N{GRINNING FACE}", '"', "\ud800"])
SIZES = st.integers(1, 3) | st.integers(1, 10_000)
SPACES = st.builds(
    Space,
    weights=WORDS,
    architecture=WORDS,
    tokenizer=WORDS,
    pooling=st.sampled_from(["mean", "cls", "last"]),
    query_prompt=WORDS,
    document_prompt=WORDS,
    max_tokens=SIZES,
    overflow=st.sampled_from(["chunk", "error", "cut"]),
    full_dim=SIZES,
    dim=SIZES,
    projection=WORDS,
    normalized=st.booleans(),
    metric=st.sampled_from(["cosine", "dot", "l2"]),
)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-1e3, max_value=1e3)
MATRICES = st.integers(0, 5).flatmap(lambda n: arrays.arrays(np.float32, (n, 3), elements=NUMBERS))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2)
)
ANY_ARRAY = arrays.arrays(
    arrays.scalar_dtypes() | arrays.array_dtypes(),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)


def other_value(space: Space, name: str) -> object:
    """Return a value for a field that differs from the space's."""
    value = getattr(space, name)
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value + "!"


def vectors(*rows: tuple[float, float, float], space: Space = TINY) -> Vectors:
    """Return vectors of the tiny space."""
    return Vectors(np.array(rows, np.float32).reshape(-1, 3), space)


@given(SPACES)
def test_canonical_form_round_trips(space):
    """What ``canonical`` writes, ``from_canonical`` reads: an equal space with the same id and form."""
    back = Space.from_canonical(space.canonical())
    assert (back, back.id, back.canonical()) == (space, space.id, space.canonical())


@given(SPACES)
def test_canonical_form_is_plain(space):
    """The form is ASCII JSON of all fields, keys sorted, no white space around separators."""
    form = space.canonical()
    assert form.isascii()
    assert list(json.loads(form)) == sorted(NAMES)
    assert json.loads(form) == asdict(space)


@given(SPACES, SPACES)
def test_ids_are_equal_exactly_when_fields_are(one, two):
    """Equality, equal ids and an empty diff are the same statement."""
    assert (one.id == two.id) == (one == two) == (one.diff(two) == {})


@given(SPACES, st.sampled_from(NAMES))
def test_every_field_counts(space, name):
    """A change in any single field changes the id, and diff names that field alone."""
    value = other_value(space, name)
    other = replace(space, **{name: value})
    assert other.id != space.id
    assert space.diff(other) == {name: (getattr(space, name), value)}


@given(SPACES, SPACES)
def test_diff_is_symmetric(one, two):
    """Seen from the other side the same fields differ, with the pairs turned."""
    assert two.diff(one) == {name: (theirs, mine) for name, (mine, theirs) in one.diff(two).items()}


def test_the_id_is_fixed_for_ever():
    """The form and the id of a space never change between versions: other ids would orphan every stored vector.

    The id is what ``sha256sum`` prints for the form written out here, cut to 16 digits.
    """
    form = (
        '{"architecture":"bert layers=1","dim":3,"document_prompt":"","full_dim":3,"max_tokens":8,"metric":"cosine",'
        '"normalized":true,"overflow":"cut","pooling":"mean","projection":"","query_prompt":"",'
        f'"tokenizer":"{"b" * 64}","weights":"{"a" * 64}"}}'
    )
    assert TINY.canonical() == form
    assert TINY.id == "1bc404b689f9677a"
    assert len(TINY.id) == ID_DIGITS


@pytest.mark.parametrize("name", ["max_tokens", "full_dim", "dim"])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_are_at_least_one(name, value):
    """No pipeline has an empty window or no dimensions."""
    with pytest.raises(RangeError, match=f"{name} must be at least 1, got {value}"):
        replace(TINY, **{name: value})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[1]", "5", "null", "{}", '{"weights": "a"}', TINY.canonical().replace("3", "0"), "{\x00}"],
)
def test_a_wrong_canonical_form_is_an_input_error(text):
    """Whatever is no such form, or holds values out of range, is refused with one class."""
    with pytest.raises(InputError, match="not the canonical form of a space"):
        Space.from_canonical(text)


def test_an_unknown_field_is_refused():
    """A form with one field more comes from another program and is not taken as equal."""
    form = json.dumps({**asdict(TINY), "temperature": 1})
    with pytest.raises(InputError, match="temperature"):
        Space.from_canonical(form)


def test_require_passes_the_same_space():
    """An equal space that is another object is the same space."""
    TINY.require(replace(TINY), what="it")


@given(SPACES, SPACES)
def test_require_names_every_differing_field(one, two):
    """The error lists the fields that differ, and both ids; equal spaces pass."""
    if one == two:
        one.require(two, what="the query")
        return
    with pytest.raises(SpaceMismatchError) as raised:
        one.require(two, what="the query")
    error = raised.value
    assert error.fields == tuple(one.diff(two))
    assert (error.expected, error.got, error.where) == (one.id, two.id, "the query")
    assert all(f"{name}: " in str(error) for name in error.fields)


def test_long_digests_are_shortened_in_messages():
    """A message shows the ends of a digest, not all of it."""
    with pytest.raises(SpaceMismatchError) as raised:
        TINY.require(replace(TINY, weights="c" * 64), what="it")
    assert "c" * 8 in str(raised.value)
    assert "c" * 30 not in str(raised.value)


def test_mapping_of_has_id_and_fields():
    """The plain form is the fields with the id before them."""
    assert mapping_of(TINY) == {"id": TINY.id, **asdict(TINY)}


@given(MATRICES)
def test_vectors_keep_their_numbers(matrix):
    """The array comes back equal, float32, read only, of shape (N, D), also for N = 0."""
    made = Vectors(matrix, TINY)
    array = np.asarray(made)
    assert (array.dtype, array.shape, made.shape, len(made)) == (np.float32, matrix.shape, matrix.shape, len(matrix))
    assert np.array_equal(array, matrix)
    assert not array.flags.writeable
    assert made.dim == 3


@given(NESTED | ANY_ARRAY)
def test_no_array_like_gives_a_raw_numpy_error(value):
    """Whatever comes is made vectors of finite float32 rows, or refused with an error of ours."""
    try:
        made = Vectors(value, TINY)
    except VicinalError:
        return
    assert np.isfinite(np.asarray(made)).all()
    assert np.asarray(made).shape == (len(made), 3)


@given(arrays.arrays(arrays.floating_dtypes() | arrays.integer_dtypes(), (2, 3)))
def test_numbers_of_any_kind_become_float32_or_are_refused(array):
    """A float or integer matrix passes when each number fits float32; the first row that does not is named."""
    with np.errstate(over="ignore"):
        fits = np.isfinite(array.astype(np.float32)).all(axis=1)
    if fits.all():
        assert np.asarray(Vectors(array, TINY)).dtype == np.float32
        return
    with pytest.raises(NonFiniteError, match="holds NaN or infinity") as raised:
        Vectors(array, TINY)
    assert raised.value.where == list(fits).index(False)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([[1.0, 2.0, 3.0], [1.0]], ShapeError),
        ([1.0, 2.0, 3.0], ShapeError),
        ([[1.0, 2.0]], ShapeError),
        ([], ShapeError),
        (1.0, ShapeError),
        (np.zeros((1, 1, 3)), ShapeError),
        ([["a", "b", "c"]], DtypeError),
        ([[True, False, True]], DtypeError),
        ([[1j, 0, 0]], DtypeError),
        ([[None, 1, 2]], DtypeError),
        ([[10**400, 1, 2]], DtypeError),
        ({"a": 1}, DtypeError),
        ([[float("nan"), 0, 0]], NonFiniteError),
        ([[1e39, 0, 0]], NonFiniteError),
    ],
)
def test_each_fault_has_its_class(value, error):
    """Shape, type and value are three faults with three classes."""
    with pytest.raises(error):
        Vectors(value, TINY)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_the_input_is_not_modified(order, dtype):
    """A read-only array of any layout is taken, and a writable one keeps its numbers and stays writable."""
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=dtype, order=order)
    before = array.copy()
    made = Vectors(array, TINY)
    assert array.flags.writeable
    assert np.array_equal(array, before)
    array.flags.writeable = False
    assert np.array_equal(np.asarray(Vectors(array, TINY)), np.asarray(made))


def test_the_array_protocol_converts():
    """``numpy.asarray`` shares the memory; a dtype or ``copy=True`` gives an array of one's own."""
    made = vectors((1, 0, 0))
    assert np.shares_memory(np.asarray(made), np.asarray(made))
    assert np.asarray(made, dtype=np.float64).dtype == np.float64
    own = np.array(made, copy=True)
    own[0, 0] = 7
    assert np.asarray(made)[0, 0] == 1


def test_rows_and_slices():
    """One index gives an array (D,), a slice gives vectors of the same space, iteration gives each row."""
    made = vectors((1, 0, 0), (0, 2, 0), (0, 0, 3))
    assert made[1].tolist() == [0, 2, 0]
    assert isinstance(made[1:], Vectors)
    assert (len(made[1:]), made[1:].space) == (2, TINY)
    assert np.asarray(made[::-1]).tolist() == np.asarray(made)[::-1].tolist()
    assert [row.tolist() for row in made] == np.asarray(made).tolist()


def test_repr_tells_shape_and_space():
    """A vector set says what it is without printing numbers."""
    assert repr(vectors((1, 0, 0))) == f"Vectors(1 x 3, space {TINY.id})"


@given(MATRICES, MATRICES)
def test_similarity_is_the_product(one, two):
    """Each number is the dot product of a row of mine with one of the other's; (N, M) for any N and M."""
    scores = Vectors(one, TINY).similarity(Vectors(two, TINY))
    assert (scores.dtype, scores.shape) == (np.float32, (len(one), len(two)))
    exact = one.astype(np.float64) @ two.astype(np.float64).T
    # float32 sums of three products, each at most 1e6: the rounding is below 3e6 * 2^-23 < 0.5.
    assert np.allclose(scores, exact, rtol=1e-5, atol=0.5)


def test_similarity_by_hand():
    """Unit vectors at 0, 90 and 180 degrees have the similarities 1, 0 and -1; ``@`` is the same."""
    mine, others = vectors((1, 0, 0)), vectors((1, 0, 0), (0, 1, 0), (-1, 0, 0))
    assert mine.similarity(others).tolist() == [[1, 0, -1]]
    assert (mine @ others).tolist() == [[1, 0, -1]]


@given(st.sampled_from([name for name in NAMES if name != "dim"]))
def test_vectors_of_two_spaces_never_meet(name):
    """Similarity, ``@`` and joining across spaces raise, and the error names the differing field."""
    mine = vectors((1, 0, 0))
    foreign = vectors((1, 0, 0), space=replace(TINY, **{name: other_value(TINY, name)}))
    for meet in (
        lambda: mine.similarity(foreign),
        lambda: mine @ foreign,
        lambda: Vectors.concatenate([mine, foreign]),
    ):
        with pytest.raises(SpaceMismatchError, match=name) as raised:
            meet()
        assert raised.value.fields == (name,)


@pytest.mark.parametrize("other", [np.eye(3, dtype=np.float32), [[1, 0, 0]], 2, None])
def test_a_bare_array_has_no_space_and_is_refused(other):
    """A product with anything but vectors says how to leave the space on purpose."""
    with pytest.raises(DtypeError, match="needs Vectors on both sides"):
        vectors((1, 0, 0)) @ other


@given(st.lists(MATRICES, min_size=1, max_size=4), st.data())
def test_concatenate_keeps_rows_and_cuts(matrices, data):
    """The rows follow one another, and the numbers of cut rows move with them."""
    cuts = [data.draw(st.lists(st.sampled_from(range(len(m))), unique=True)) if len(m) else [] for m in matrices]
    parts = [Vectors(matrix, TINY, cut_rows=cut) for matrix, cut in zip(matrices, cuts, strict=True)]
    joined = Vectors.concatenate(parts)
    assert np.array_equal(np.asarray(joined), np.concatenate(matrices))
    was_cut = [row in part.cut_rows for part in parts for row in range(len(part))]
    assert [row in joined.cut_rows for row in range(len(joined))] == was_cut


def test_concatenate_needs_a_part():
    """An empty list has no space, so there is no answer to give."""
    with pytest.raises(RangeError, match="at least one part"):
        Vectors.concatenate([])
