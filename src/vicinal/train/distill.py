"""A static model from any loaded encoder: its vocabulary, its vectors of a corpus, one linear system, a folder."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._arrays import texts_list, whole_number
from vicinal.encode import load, name_of
from vicinal.encode.cache import EncodingCache
from vicinal.encode.cache import cached as behind_cache
from vicinal.errors import DtypeError, RangeError, UnknownTextWarning
from vicinal.models import WEIGHTS
from vicinal.space import Encoder
from vicinal.train import table
from vicinal.train.bags import Bags
from vicinal.train.corpus import Sample, sample
from vicinal.train.folder import CARD, appearing, card, require_free, write, write_model
from vicinal.train.report import TIMED_TEXTS, DistillReport, agreement, texts_per_s
from vicinal.types import Floats, Progress

TEXTS = 20_000
MIN_TEXTS = 10
"""Fewer teach nothing that the tokens alone do not say."""
MAX_TEXTS = 10_000_000
MAX_WORDS = 1_000_000
AT_ONCE = 512
"""Texts that the teacher encodes between two looks at the clock, and what an interruption loses at most."""
KEPT_BYTES = 16 << 30
PROBE_WORDS = 20


def distill(  # noqa: PLR0913 - each says what is made, and all but two go by name
    teacher: Encoder,
    folder: str | Path,
    *,
    corpus: Iterable[str] | None = None,
    dim: int = 256,
    vocabulary: Sequence[str] | None = None,
    words: int | None = None,
    texts: int = TEXTS,
    minutes: float | None = None,
    seed: int = 0,
    work: str | Path | None = None,
    progress: Progress | None = None,
) -> DistillReport:
    """Make a static model that puts texts where the teacher does, as far as a sum of token vectors can.

    Parameters
    ----------
    teacher : Encoder
        Anything that encodes: what ``vicinal.load`` gives, a provider's model, a function of yours.
    folder : path
        Where the model will lie, in Model2Vec's layout; ``vicinal.load(folder)`` loads it. Nothing may be there.
    corpus : iterable of str, optional
        Texts like those that will be searched, without labels. It is gone through once, and a sample is kept.
        Without it the model is the teacher's vectors of its tokens, weighted by rank: made sooner, and much worse.
    dim : int, 1 <= dim <= the teacher's
        D of the student's vectors.
    vocabulary : sequence of str, optional
        Words that become tokens of their own.
    words : int, optional, 0 <= words
        How many words of the corpus become tokens besides, the frequent ones first. Default: none, or 30,000 for a
        teacher without token ids, all of whose tokens are words.
    texts : int, 10 <= texts
        How many texts of the corpus are sampled at most. Two sentences of each are learnt from besides, and one text
        in twenty, up to 1,000, is held out.
    minutes : float, optional, 0 < minutes
        After so long the teacher is asked no more, and what it said is learnt from. The result then depends on the
        machine; ``complete`` says so. The fit follows, some seconds for 20,000 texts.
    seed : int, 0 <= seed
        What fixes the sample and its order: the same call gives the same file on the same machine.
    work : path, optional
        A folder where what the teacher said of the corpus is kept for the next run, with other settings perhaps.
        Default: ``<folder>.work``, which is removed when the model is there.
    progress : callable, optional
        Called with (done, total) of tokens, texts and steps.

    Returns
    -------
    DistillReport
        What was made and how it compares with its teacher.

    Raises
    ------
    AlreadyExistsError
        Something is at ``folder``.
    InputError, RangeError, DtypeError
        A parameter is none of what is allowed, or the corpus holds fewer than 10 texts.
    UnsupportedError
        Words were asked for, and the teacher's tokenizer cannot be given any.
    EncodeError, RemoteError
        The teacher failed.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused.

    Notes
    -----
    What the teacher said of the corpus is kept in ``work``: a run that was interrupted is begun again with the same
    call, and continues. An interruption leaves no half model.
    Cost: the teacher over vocabulary and texts (MiniLM on two cores: about 7,000 tokens a second), then a fit of
    some seconds for each million of tokens. Memory: the sample, its vectors, and some seven tables.
    A text's vector is a sum over its tokens: the order of words, negation among it, is lost.

    References
    ----------
    Minish Lab 2024, Model2Vec and Tokenlearn. Differs: the table is not trained step by step but is the solution of a
    linear system towards the teacher's vectors, held near the tokens' own vectors (``vicinal.train.table``).

    Examples
    --------
    >>> distill(load("minilm"), "small", corpus=open("texts.txt"))  # doctest: +SKIP
    """
    begun = time.monotonic()
    place = Path(folder).expanduser().absolute()
    until = None if minutes is None else begun + 60 * _positive(minutes)
    order = _Order(
        teacher=teacher,
        place=place,
        dim=whole_number(dim, "dim", low=1, high=teacher.space.dim),
        vocabulary=None if vocabulary is None else texts_list(vocabulary, "vocabulary"),
        words=None if words is None else whole_number(words, "words", low=0, high=MAX_WORDS),
        seed=whole_number(seed, "seed", low=0),
        work=place.with_name(f"{place.name}.work") if work is None else Path(work).expanduser().absolute(),
        until=until,
    )
    whole_number(texts, "texts", low=MIN_TEXTS, high=MAX_TEXTS)
    require_free(place)
    lesson = _sampled(corpus, texts=texts, seed=seed)
    made = _made(order, lesson, _Told(progress))
    report = _published(order, lesson, made, begun)
    if work is None:
        shutil.rmtree(order.work, ignore_errors=True)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What was asked for, checked; see ``distill``."""

    teacher: Encoder
    place: Path
    dim: int
    vocabulary: Sequence[str] | None
    words: int | None
    seed: int
    work: Path
    until: float | None

    @property
    def name(self) -> str:
        """What the teacher is called: no path of this machine."""
        name = name_of(self.teacher)
        return Path(name).name if Path(name).is_absolute() else name or "an encoder without a name"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the teacher said: ``vectors`` (N, F) of ``texts``, of which ``sentences`` are such; and of those held out."""

    texts: list[str]
    sentences: int
    vectors: Floats
    held_out: Floats
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The student's parts, and the seconds that each step took."""

    rows: Floats
    rules: Mapping[str, Any]
    tokens: list[str]
    words: int
    said: _Said
    token_s: float
    teacher_s: float
    fit_s: float


class _Told:
    """How much is done, told to the caller."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._done = self._total = 0

    def expect(self, more: int) -> None:
        """Say that so much more is to be done."""
        self._total += more

    def __call__(self, more: int) -> None:
        """Say that so much more is done."""
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._total)


def _made(order: _Order, lesson: Sample, told: _Told) -> _Made:
    """Ask the teacher, and fit the table."""
    from vicinal.train._tokenizers import Rules  # noqa: PLC0415 - heavy: the tokenizers library
    from vicinal.train.vocabulary import token_vectors, vocabulary_of  # noqa: PLC0415 - the same

    times = [time.monotonic()]
    found = vocabulary_of(order.teacher, lesson.texts, vocabulary=order.vocabulary, words=order.words)
    whole = len(lesson.held_out) + len(lesson.texts) + len(lesson.sentences)
    told.expect(found.known + (whole + table.STEPS if lesson.texts else 0))
    tokens = token_vectors(order.teacher, found, told=told)
    times.append(time.monotonic())
    said = _ask(order, lesson, told)
    times.append(time.monotonic())
    if lesson.texts:
        bags = Bags.of(Rules(found.rules).ids(said.texts, without=found.unknown), len(found))
        rows = table.fitted(bags, said.vectors, tokens, order.dim, told=told)
    else:
        rows = table.untrained(tokens, order.dim)
    times.append(time.monotonic())
    token_s, teacher_s, fit_s = np.diff(times).tolist()
    return _Made(
        rows=rows,
        rules=found.rules,
        tokens=found.tokens,
        words=found.words,
        said=said,
        token_s=token_s,
        teacher_s=teacher_s,
        fit_s=fit_s,
    )


def _ask(order: _Order, lesson: Sample, told: _Told) -> _Said:
    """Return the teacher's vectors of the sample, whole texts as documents and sentences as questions.

    What was said is kept, so that a second run asks only for the rest.
    """
    width = order.teacher.space.dim
    nothing = np.zeros((0, width), dtype=np.float32)
    if not lesson.texts:
        return _Said(texts=[], sentences=0, vectors=nothing, held_out=nothing, complete=True)
    mixed = [*((text, False) for text in lesson.texts), *((text, True) for text in lesson.sentences)]
    mixed = [mixed[place] for place in np.random.default_rng(order.seed).permutation(len(mixed)).tolist()]
    vectors = np.zeros((len(mixed), width), dtype=np.float32)
    end = 0
    with EncodingCache(order.work / "teacher.sqlite", limit_bytes=KEPT_BYTES) as kept:
        teacher = behind_cache(order.teacher, kept)
        held_out = np.asarray(teacher.encode_documents(lesson.held_out))
        told(len(lesson.held_out))
        while end < len(mixed) and (not end or order.until is None or time.monotonic() < order.until):
            start, end = end, min(end + AT_ONCE, len(mixed))
            for asks, encode in ((False, teacher.encode_documents), (True, teacher.encode_queries)):
                rows = [row for row in range(start, end) if mixed[row][1] is asks]
                vectors[rows] = np.asarray(encode([mixed[row][0] for row in rows]))
            told(end - start)
    return _Said(
        texts=[text for text, _ in mixed[:end]],
        sentences=sum(asks for _, asks in mixed[:end]),
        vectors=vectors[:end],
        held_out=held_out,
        complete=end == len(mixed),
    )


def _published(order: _Order, lesson: Sample, made: _Made, begun: float) -> DistillReport:
    """Write the folder, load it, measure it, and let it appear with its card."""
    said = made.said
    with appearing(order.place) as part:
        write_model(part, made.rows, made.rules, teacher=order.name, trained=bool(lesson.texts))
        student = load(str(part))
        alike = agreement(said.held_out, _encoded(student, lesson.held_out))
        probes = (lesson.held_out or lesson.texts)[:TIMED_TEXTS] or _probes(made.tokens, order.seed)
        report = DistillReport(
            folder=str(order.place),
            dim=order.dim,
            tokens=len(made.tokens),
            words=made.words,
            size_bytes=(part / WEIGHTS).stat().st_size,
            texts=len(said.texts) - said.sentences,
            sentences=said.sentences,
            held_out=len(said.held_out),
            complete=said.complete,
            token_s=made.token_s,
            teacher_s=made.teacher_s,
            fit_s=made.fit_s,
            spearman=alike.spearman if alike else None,
            overlap_at_10=alike.overlap_at_10 if alike else None,
            teacher_texts_per_s=texts_per_s(order.teacher.encode_documents, probes),
            student_texts_per_s=texts_per_s(student.encode_documents, probes),
            took_s=time.monotonic() - begun,
        )
        licence = str(getattr(getattr(order.teacher, "pin", None), "licence", ""))
        write(part / CARD, card(report, teacher=order.name, licence=licence).encode())
    return report


def _encoded(student: Encoder, texts: list[str]) -> Floats:
    """Return the student's vectors; a text that it knows nothing of is zero, which the figures show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownTextWarning)
        return np.asarray(student.encode_documents(texts))


def _sampled(corpus: Iterable[str] | None, *, texts: int, seed: int) -> Sample:
    """Return the sample of a corpus; an empty one where there is none."""
    if corpus is None:
        return Sample(texts=[], sentences=[], held_out=[])
    found = sample(corpus, texts=texts, seed=seed)
    if len(found.texts) < MIN_TEXTS:
        raise RangeError(
            f"The corpus holds {len(found.texts)} different texts, too few to learn from. Give at least {MIN_TEXTS}, "
            "or leave the corpus out.",
            expected=f">= {MIN_TEXTS}",
            got=len(found.texts),
            where="corpus",
        )
    return found


def _probes(tokens: list[str], seed: int) -> list[str]:
    """Return texts of random words of the vocabulary, to measure speed with where there are no others."""
    words = [token for token in tokens if token.isalpha()] or ["a"]
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(words, PROBE_WORDS).tolist()) for _ in range(TIMED_TEXTS)]


def _positive(minutes: object) -> float:
    """Return the minutes, a finite number above 0."""
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        raise DtypeError(
            f"minutes must be a number, got {type(minutes).__name__}.", expected="a number", where="minutes"
        )
    if not 0 < minutes < math.inf:
        raise RangeError(f"minutes must be above 0, got {minutes}.", expected="> 0", got=minutes, where="minutes")
    return float(minutes)
