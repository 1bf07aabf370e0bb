"""Replicas: databases that follow another one, commit by commit, and can take its place.

See docs/how-to/replicas.md.
"""

from __future__ import annotations

from vicinal.lifecycle.replica import Applied, Replica, ReplicaStatus

__all__ = ["Applied", "Replica", "ReplicaStatus"]
