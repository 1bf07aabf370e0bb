"""Two windows of one collection, compared where their vectors lie: what is new, what is more, what is chance."""

from vicinal.lifecycle.drift.report import Drift, NovelText, Shift, Topic
from vicinal.lifecycle.drift.run import Pair, compare, entries_of
from vicinal.lifecycle.drift.sides import Texts, Wanted, Written, parse_written, require_side

__all__ = [
    "Drift",
    "NovelText",
    "Pair",
    "Shift",
    "Texts",
    "Topic",
    "Wanted",
    "Written",
    "compare",
    "entries_of",
    "parse_written",
    "require_side",
]
