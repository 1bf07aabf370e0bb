"""A projection: what it keeps, what it is by its bytes, and that stored vectors and encoded ones come out alike."""

from __future__ import annotations

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.encode.shrink import Projection, apply, cut, fit_common, fit_pca, project, random_rotation
from vicinal.errors import (
    DtypeError,
    InputError,
    NonFiniteError,
    RangeError,
    ShapeError,
    SpaceMismatchError,
    UnknownNameError,
    UnsupportedError,
    VicinalError,
)
from vicinal.space import Vectors
from vicinal.testing import TEXTS, ToyEncoder, check_encoder

TOY = ToyEncoder()
FREE = replace(TOY.space, normalized=False, metric="dot")


def sample(count=60, space=TOY.space, seed=0):
    """Return vectors whose components have different spreads, around a mean that is not zero."""
    chance = np.random.default_rng(seed)
    array = chance.standard_normal((count, space.dim)) * np.arange(space.dim, 0, -1) + 3
    return Vectors(array / np.linalg.norm(array, axis=1, keepdims=True) if space.normalized else array, space)


EVERY = [
    fit_pca(sample(), 4, centred=True),
    fit_pca(sample(), 8),
    random_rotation(TOY.space, 8, 1),
    random_rotation(8, 3, 2),
    fit_common(sample(), 2),
]


@pytest.mark.parametrize("projection", EVERY, ids=repr)
def test_the_contract_of_encoders_holds(projection):
    """Every check of vicinal.testing, behind each kind of projection."""
    check_encoder(project(TOY, projection))


@pytest.mark.parametrize("projection", EVERY, ids=repr)
def test_stored_vectors_are_projected_as_encoded_ones(projection):
    """A collection can be projected without its texts: equal within 1e-6, in the same space."""
    encoder = project(TOY, projection)
    for role in ("encode_queries", "encode_documents"):
        encoded = getattr(encoder, role)(TEXTS)
        stored = apply(projection, getattr(TOY, role)(TEXTS))
        assert stored.space == encoded.space == encoder.space
        assert np.abs(np.asarray(stored) - np.asarray(encoded)).max() <= 1e-6


@pytest.mark.parametrize("projection", EVERY, ids=repr)
def test_bytes_come_back(projection):
    """What was written is read, to the last bit, with the digest that stands in the space."""
    again = Projection.from_bytes(projection.to_bytes())
    assert again == projection
    assert hash(again) == hash(projection)
    assert again.digest == project(TOY, projection).space.projection == projection.digest
    assert np.array_equal(again.matrix, projection.matrix)
    assert (again.kind, again.dim, again.full_dim) == (projection.kind, projection.dim, projection.full_dim)


def test_the_bytes_by_hand():
    """The layout of the module's docstring, written with struct."""
    matrix = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    content = struct.pack("<8sIII6f3f", b"VICPROJ1", 1, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    made = Projection(kind="rotation", matrix=matrix, mean=np.array([7, 8, 9], dtype=np.float32))
    assert made.to_bytes() == content + hashlib.sha256(content).digest()
    assert made.digest == hashlib.sha256(content).hexdigest()


def test_a_vector_is_projected_by_hand():
    """(x - mean) @ matrix, brought to unit length: (4, 3) of length 5."""
    space = replace(TOY.space, dim=2, full_dim=2)
    made = Projection(kind="pca", matrix=np.array([[4, 0], [0, 3]], np.float32), mean=np.array([0, -1], np.float32))
    assert np.abs(np.asarray(apply(made, Vectors([[1, 0]], space))) - [[0.8, 0.6]]).max() < 1e-7
    free = replace(space, normalized=False, metric="dot")
    assert np.array_equal(np.asarray(apply(made, Vectors([[1, 0]], free))), [[4, 3]])


@given(place=st.integers(0, 8 * 20 + 8 * 36 + 32 - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(place, bit):
    """A projection that is damaged anywhere is an InputError and never another projection."""
    content = bytearray(EVERY[0].to_bytes())
    content[place % len(content)] ^= 1 << bit
    with pytest.raises(InputError, match="projection"):
        Projection.from_bytes(bytes(content))


@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(content):
    """Bytes from anywhere, also behind the right beginning, give an error of ours, whatever sizes they claim."""
    for bytes_ in (content, b"VICPROJ1" + content):
        with pytest.raises(VicinalError):
            Projection.from_bytes(bytes_)


def test_sizes_that_a_head_claims_are_not_believed():
    """A head with 4 billion dimensions is refused by its length, before anything is made."""
    head = struct.pack("<8sIII", b"VICPROJ1", 0, 2**32 - 1, 2**32 - 1)
    with pytest.raises(InputError, match="damaged"):
        Projection.from_bytes(head + hashlib.sha256(head).digest())


@pytest.mark.parametrize(("kind", "dims"), [(3, (2, 1)), (0, (1, 2)), (0, (0, 0)), (0, (2, 0))])
def test_sound_bytes_of_an_impossible_projection(kind, dims):
    """Their digest is right, but there is no such kind, or more dimensions come out than go in, or none."""
    full, dim = dims
    content = struct.pack("<8sIII", b"VICPROJ1", kind, full, dim) + bytes(4 * full * (dim + 1))
    with pytest.raises(InputError):
        Projection.from_bytes(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize(
    ("matrix", "mean", "error"),
    [
        (np.ones((2, 1), int), np.zeros(2), DtypeError),
        (np.ones(2), np.zeros(2), ShapeError),
        (np.ones((2, 1)), np.zeros(3), ShapeError),
        (np.ones((2, 1)), np.zeros((2, 1)), ShapeError),
        (np.ones((2, 3)), np.zeros(2), RangeError),
        (np.ones((2, 0)), np.zeros(2), RangeError),
        (np.full((2, 1), np.nan), np.zeros(2), NonFiniteError),
        (np.full((2, 1), 1e300), np.zeros(2), NonFiniteError),
    ],
)
def test_parts_that_are_no_projection(matrix, mean, error):
    """Types, shapes, sizes and values are checked, and named."""
    with pytest.raises(error):
        Projection(kind="pca", matrix=matrix, mean=mean)


def test_a_kind_has_a_name():
    """Only three are known."""
    with pytest.raises(UnknownNameError, match="pca, rotation, common"):
        Projection(kind="umap", matrix=np.ones((2, 1)), mean=np.zeros(2))


def test_a_projection_cannot_be_changed():
    """Its arrays are its own and read only, whatever the caller does with those that were given."""
    matrix = np.ones((2, 1), np.float32)
    made = Projection(kind="pca", matrix=matrix, mean=np.zeros(2, np.float32))
    before = made.digest
    matrix[0] = 5
    assert Projection(kind="pca", matrix=made.matrix, mean=made.mean).digest == before
    with pytest.raises(ValueError, match="read-only"):
        made.matrix[0] = 1


def test_negative_zeros_are_zeros():
    """Two matrices that give the same products are one projection."""
    one = Projection(kind="pca", matrix=np.array([[-0.0], [1]]), mean=np.array([0.0, -0.0]))
    other = Projection(kind="pca", matrix=np.array([[0.0], [1]]), mean=np.zeros(2))
    assert one.digest == other.digest


def test_pca_is_that_of_the_covariance():
    """Directions are orthonormal, uncorrelated, the strongest first, and keep what an SVD says they keep."""
    vectors = sample(space=FREE)
    found = fit_pca(vectors, 8, centred=True)
    assert np.abs(found.matrix.T @ found.matrix - np.eye(8)).max() < 1e-6
    centred = np.asarray(vectors, dtype=np.float64) - np.asarray(vectors, dtype=np.float64).mean(axis=0)
    spreads = ((centred @ found.matrix) ** 2).sum(axis=0)
    assert np.abs(spreads - np.linalg.svd(centred, compute_uv=False) ** 2).max() < 1e-3 * spreads[0]
    assert np.abs(found.mean - np.asarray(vectors).mean(axis=0)).max() < 1e-5


def test_pca_takes_second_moments_unless_it_is_centred():
    """The mean is zero, and the first direction is that of the largest singular value of the vectors themselves."""
    vectors = sample(space=FREE)
    found = fit_pca(vectors, 1)
    assert not found.mean.any()
    strongest = np.linalg.svd(np.asarray(vectors), full_matrices=False)[2][0]
    assert abs(float(found.matrix[:, 0] @ strongest)) == pytest.approx(1, abs=1e-5)


def test_signs_are_fixed():
    """The component of largest size is positive in each direction, also for the mirrored vectors."""
    vectors = sample(space=FREE)
    mirrored = Vectors(-np.asarray(vectors), FREE)
    one, other = fit_pca(vectors, 8), fit_pca(mirrored, 8)
    largest = np.abs(one.matrix).argmax(axis=0)
    assert (one.matrix[largest, range(8)] > 0).all()
    assert np.abs(one.matrix - other.matrix).max() < 1e-5


def test_fewer_directions_are_the_first_ones():
    """A fit of 3 is the beginning of a fit of 8."""
    assert np.array_equal(fit_pca(sample(), 3).matrix, fit_pca(sample(), 8).matrix[:, :3])


def test_blocks_change_nothing(monkeypatch):
    """The covariance summed over blocks of 7 rows is that of all, to rounding; so are the products."""
    module = __import__("sys").modules["vicinal.encode.shrink.projection"]
    vectors, whole = sample(), fit_pca(sample(), 8)
    projected = np.asarray(apply(whole, vectors))
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    assert np.abs(fit_pca(vectors, 8).matrix - whole.matrix).max() < 1e-5
    assert np.abs(np.asarray(apply(whole, vectors)) - projected).max() < 1e-6


@pytest.mark.parametrize("fit", [fit_pca, fit_common])
def test_a_sample_must_tell_the_directions_apart(fit):
    """Four vectors cannot tell four directions and a mean."""
    with pytest.raises(RangeError, match="more than 4 vectors, got 4"):
        fit(sample(4), 4)
    with pytest.raises(RangeError):
        fit(sample(), 9)


def test_common_directions_are_taken_out():
    """What is left is centred and has nothing along the two strongest directions; the others are untouched."""
    vectors = sample(space=FREE)
    left = np.asarray(apply(fit_common(vectors, 2), vectors))
    pca = fit_pca(vectors, 8, centred=True).matrix
    assert np.abs(left @ pca[:, :2]).max() < 1e-4
    centred = np.asarray(vectors) - np.asarray(vectors).mean(axis=0)
    assert np.abs(left @ pca[:, 2:] - centred @ pca[:, 2:]).max() < 1e-4
    with pytest.raises(RangeError):
        fit_common(vectors, 8)


def test_a_rotation_keeps_lengths_and_cosines():
    """All similarities stay, within float32's rounding."""
    vectors = sample()
    turned = apply(random_rotation(TOY.space, 8, 5), vectors)
    assert np.abs(turned.similarity(turned) - vectors.similarity(vectors)).max() < 1e-6


def test_a_random_projection_keeps_the_squared_length_in_expectation():
    """The mean over 2,000 drawings of |Px|² is |x|², within five standard errors (spread sqrt(2 (1/d - 1/D)), about)."""
    vector = np.zeros(8, np.float32)
    vector[0] = 1
    squares = [float(((vector @ random_rotation(8, 3, seed).matrix) ** 2).sum()) for seed in range(2000)]
    assert np.mean(squares) == pytest.approx(1, abs=5 * np.sqrt(2 / 3 / 2000))


def test_rotations_are_uniform():
    """By the fix of the signs a first entry is as often positive as negative, within five standard errors."""
    positive = sum(random_rotation(4, 4, seed).matrix[0, 0] > 0 for seed in range(1000))
    assert abs(positive - 500) < 5 * np.sqrt(1000) / 2


def test_a_seed_fixes_the_drawing():
    """The same seed gives the same bytes, another one others; a space stands for its dimension."""
    assert random_rotation(8, 8, 1).to_bytes() == random_rotation(TOY.space, 8, 1).to_bytes()
    assert random_rotation(8, 8, 1) != random_rotation(8, 8, 2)


@pytest.mark.parametrize(("full", "dim", "seed"), [(8, 9, 0), (8, 0, 0), (0, 1, 0), (8, 2, -1), (1 << 20, 2, 0)])
def test_what_no_rotation_can_be(full, dim, seed):
    """Dimensions from 1 to those there are, up to 65,536; a seed of at least 0."""
    with pytest.raises(RangeError):
        random_rotation(full, dim, seed)


def test_a_projection_is_for_one_length():
    """Encoder and vectors of another D are refused, and a second projection as well."""
    made = random_rotation(7, 3, 0)
    with pytest.raises(ShapeError, match="7 dimensions"):
        project(TOY, made)
    once = project(TOY, random_rotation(8, 8, 0))
    with pytest.raises(UnsupportedError, match="projection already"):
        project(once, random_rotation(8, 4, 0))


def test_a_cut_encoder_can_be_projected():
    """And its space says both: the projection's digest, and full_dim of the model."""
    small = project(cut(TOY, 4, trained=(4,)), random_rotation(4, 4, 0))
    assert (small.space.full_dim, small.space.dim) == (8, 4)
    check_encoder(small)


def test_projected_and_plain_vectors_never_meet():
    """A rotation changes no dimension, and still is another space."""
    turned = apply(random_rotation(8, 8, 0), sample())
    with pytest.raises(SpaceMismatchError) as caught:
        turned.similarity(sample())
    assert caught.value.fields == ("projection",)


def test_rows_that_were_cut_are_still_told():
    """``cut_rows`` is that of the vectors."""
    vectors = Vectors(np.asarray(sample(4)), TOY.space, cut_rows=[1, 3])
    assert apply(EVERY[0], vectors).cut_rows == (1, 3)


def test_none_in_none_out():
    """(0, D) gives (0, d)."""
    assert apply(EVERY[0], sample(60)[:0]).shape == (0, 4)


def test_many_threads_give_the_same():
    """Eight threads on one projected encoder, each with all texts."""
    encoder = project(TOY, EVERY[0])
    expected = np.asarray(encoder.encode_documents(TEXTS))
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(encoder.encode_documents, [TEXTS] * 32):
            assert np.array_equal(np.asarray(got), expected)


def test_without_centring_only_the_direction_is_taken_out():
    """Against NumPy's own decomposition: x - u u' x, at unit length; u is the first right singular vector."""
    vectors = sample()
    array = np.asarray(vectors, dtype=np.float64)
    direction = np.linalg.svd(array)[2][0]
    left = array - np.outer(array @ direction, direction)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    assert np.allclose(np.asarray(apply(fit_common(vectors, centred=False), vectors)), left, atol=1e-5)
