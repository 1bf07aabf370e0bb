"""A database that follows another one, is never half of it, and can take its place.

Step: 9 of 11, around store.
Takes: the folder of a primary, or a place of its snapshots.
Gives: a database of its own that equals the primary at one of its commits, and says how far behind it is.
Never: shows a state that the primary never had, or writes to the primary.
"""

from vicinal.lifecycle.replica.digest import digest
from vicinal.lifecycle.replica.replica import Applied, Replica, ReplicaStatus
from vicinal.lifecycle.replica.state import State, state_of

__all__ = ["Applied", "Replica", "ReplicaStatus", "State", "digest", "state_of"]
