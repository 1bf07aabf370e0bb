"""Sync: a collection becomes what its sources are.

Step: 9 of 11, a part of lifecycle.
Takes: sources, an encoder, a chunker, a store.
Gives: committed records, the plan of a run before it begins, and reports that cannot hide a hole.
Never: encodes a text that the collection holds, removes what it could not look for, or lets one document stop the others.
"""

from vicinal.lifecycle.sync.aside import Aside, asides
from vicinal.lifecycle.sync.commit import forget_sources
from vicinal.lifecycle.sync.declared import Declared, declared_sources
from vicinal.lifecycle.sync.plan import SyncPlan, plan
from vicinal.lifecycle.sync.run import sync
from vicinal.lifecycle.sync.sources import Sources, origin_of, remembered
from vicinal.lifecycle.sync.stale import is_stale
from vicinal.lifecycle.sync.watch import watch

__all__ = [
    "Aside",
    "Declared",
    "Sources",
    "SyncPlan",
    "asides",
    "declared_sources",
    "forget_sources",
    "is_stale",
    "origin_of",
    "plan",
    "remembered",
    "sync",
    "watch",
]
