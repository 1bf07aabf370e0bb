"""The state of a collection on one page: what is damaged, what answers badly, what could be better, and what to do first.

Takes a store and an encoder; gives a ``Health``. Reads only.
"""

from vicinal.lifecycle.doctor.check import Check
from vicinal.lifecycle.doctor.examine import Question, examine
from vicinal.lifecycle.doctor.health import Health
from vicinal.lifecycle.doctor.index import measured_recall

__all__ = ["Check", "Health", "Question", "examine", "measured_recall"]
