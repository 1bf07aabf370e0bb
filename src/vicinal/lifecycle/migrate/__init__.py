"""A collection carried to another space while it is read and written: every change of stage is one commit.

Step: 9 of 11, around encode and store.
Takes: a collection, and what makes documents ready for its old and its new lane.
Gives: a lane beside with the same records in the new space, and a name that leads to the one or to the other.
Never: compares vectors of two spaces, brings a deleted record back, or lets a later write lose to an earlier one.
"""

from vicinal.lifecycle.migrate.backfill import Filled, Pace, deriving, fill, missing, require_state
from vicinal.lifecycle.migrate.parity import Parity, parity
from vicinal.lifecycle.migrate.rehearsal import Rehearsal, rehearse
from vicinal.lifecycle.migrate.stages import Cut, abort, begin, cut_over, mark, pause, resume, retire, roll_back
from vicinal.lifecycle.migrate.state import BRIDGED, OPEN, OVER, STAGES, MigrationState, put_state, state_of
from vicinal.lifecycle.reads import most_read, reads_of

__all__ = [
    "BRIDGED",
    "OPEN",
    "OVER",
    "STAGES",
    "Cut",
    "Filled",
    "MigrationState",
    "Pace",
    "Parity",
    "Rehearsal",
    "abort",
    "begin",
    "cut_over",
    "deriving",
    "fill",
    "mark",
    "missing",
    "most_read",
    "parity",
    "pause",
    "put_state",
    "reads_of",
    "rehearse",
    "require_state",
    "resume",
    "retire",
    "roll_back",
    "state_of",
]
