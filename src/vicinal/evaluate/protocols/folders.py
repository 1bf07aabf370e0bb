"""One verb for all protocols: a task's name, an encoder, and a folder of local files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._arrays import one_of
from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError
from vicinal.evaluate.judgements import read_judged
from vicinal.evaluate.protocols import files
from vicinal.evaluate.protocols.bitext import bitext_mining
from vicinal.evaluate.protocols.classification import classification
from vicinal.evaluate.protocols.clustering import clustering, fast_clustering
from vicinal.evaluate.protocols.nearest import nearest_labels
from vicinal.evaluate.protocols.pairs import pair_classification, sts
from vicinal.evaluate.protocols.retrieval import reranking, retrieval
from vicinal.evaluate.protocols.score import ProtocolScore
from vicinal.evaluate.protocols.summarization import summarization
from vicinal.space import Encoder
from vicinal.types import Progress

SPLIT = "test"
TRAIN = "train"


def benchmark(
    task: str,
    encoder: Encoder,
    folder: str | Path,
    *,
    split: str = SPLIT,
    progress: Progress | None = None,
    **settings: Any,  # noqa: ANN401 - the protocol's own, checked there
) -> ProtocolScore:
    """Return how an encoder does under a protocol, on local files.

    Parameters
    ----------
    task : str
        One of ``TASKS``.
    encoder : Encoder
        What is measured.
    folder : path
        ``retrieval``: BEIR's layout. ``classification`` and ``nearest_labels``: ``train`` and ``<split>`` tables of
        text and label. ``sts``, ``pair_classification``, ``bitext_mining``: a table of sentence1, sentence2 and, for
        the first two, score or label. ``clustering``: JSON lines of sets, sentences and labels; ``fast_clustering``: a
        table of text and label. ``reranking``: JSON lines of query, positive, negative. ``summarization``: JSON lines
        of human_summaries, machine_summaries, relevance. Tables are ``.jsonl``, ``.csv`` or ``.tsv``.
    split : str
        Which part is measured: the name of its file, or of its judgements.
    progress : callable, optional
        Called with texts done and texts known so far.
    **settings : object
        Keyword arguments of the protocol, such as ``seed``, ``runs``, ``per_label``, ``k``.

    Raises
    ------
    UnknownNameError
        There is no such task, or its protocol has no such setting; the message lists all.
    NotFoundError, InputError
        The files are not there, or not as the task needs them; the message has file and line.
    MissingExtraError
        The protocol needs scikit-learn, and it is not installed.
    """
    one_of(task, "task", tuple(TASKS))
    known = settings_of(task)
    for name in settings:
        one_of(name, f"a setting of {task}", known)
    place = Path(folder)
    with disk_errors(place):
        if not place.exists():
            raise NotFoundError(f"There is no {place}.", where=str(place))
    arguments = TASKS[task][1](place, split)
    measured: ProtocolScore = TASKS[task][0](encoder, *arguments, progress=progress, **settings)
    return measured


def settings_of(task: str) -> tuple[str, ...]:
    """Return the names of a protocol's settings: its keyword arguments but for the progress.

    Raises
    ------
    UnknownNameError
        There is no such task.
    """
    parameters = inspect.signature(TASKS[one_of(task, "task", tuple(TASKS))][0]).parameters.values()
    return tuple(
        one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name not in {"progress", "translations"}
    )


def _retrieval(folder: Path, split: str) -> tuple[Any, ...]:
    judged = read_judged(folder, split=split)
    return files.read_documents(folder), judged.queries, judged.qrels


def _reranking(folder: Path, split: str) -> tuple[Any, ...]:
    read = files.read_reranked(files.table_of(folder, split))
    return read.documents, read.queries, read.qrels, read.candidates


def _tables(folder: Path, split: str) -> tuple[Any, ...]:
    if split == TRAIN or folder.is_file():
        raise InputError(
            f"This protocol learns from {TRAIN} and asks another part; give a folder with both, got {folder}.",
            where="split",
        )
    found: list[Any] = []
    for part in (TRAIN, split):
        path = files.table_of(folder, part)
        labelled = files.read_labelled(path)
        files.require_labels(labelled, path)
        found += [labelled.texts, labelled.labels]
    return tuple(found)


def _sts(folder: Path, split: str) -> tuple[Any, ...]:
    read = files.read_pairs(files.table_of(folder, split), said=files.GOLD)
    return read.first, read.second, read.said


def _pairs(folder: Path, split: str) -> tuple[Any, ...]:
    read = files.read_pairs(files.table_of(folder, split), said=files.SAME)
    labels = np.asarray(read.said)
    whole = labels.astype(np.int64)
    if not np.array_equal(labels, whole):
        raise InputError("Labels of pairs must be 0 and 1.", expected="0 and 1", where=str(folder))
    return read.first, read.second, whole.tolist()


def _bitext(folder: Path, split: str) -> tuple[Any, ...]:
    read = files.read_pairs(files.table_of(folder, split))
    return read.first, read.second


def _sets(folder: Path, split: str) -> tuple[Any, ...]:
    return ([(one.texts, one.labels) for one in files.read_sets(files.table_of(folder, split))],)


def _levels(folder: Path, split: str) -> tuple[Any, ...]:
    read = files.read_labelled(files.table_of(folder, split))
    return read.texts, read.labels


def _summarized(folder: Path, split: str) -> tuple[Any, ...]:
    return (files.read_summarized(files.table_of(folder, split)),)


TASKS: Mapping[str, tuple[Callable[..., ProtocolScore], Callable[[Path, str], tuple[Any, ...]]]] = {
    "retrieval": (retrieval, _retrieval),
    "reranking": (reranking, _reranking),
    "sts": (sts, _sts),
    "pair_classification": (pair_classification, _pairs),
    "classification": (classification, _tables),
    "nearest_labels": (nearest_labels, _tables),
    "clustering": (clustering, _sets),
    "fast_clustering": (fast_clustering, _levels),
    "bitext_mining": (bitext_mining, _bitext),
    "summarization": (summarization, _summarized),
}
"""Name of a task → its protocol, and what reads its files."""
