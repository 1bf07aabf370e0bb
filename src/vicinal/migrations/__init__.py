"""A collection carried to another model, dimension or chunker while it is read and written.

Step: 9 of 11, where lifecycle, search and evaluate meet.
Takes: a collection, and what is to change.
Gives: a ``Migration``: its plan, its stages, what was compared and measured, and the way back.
Never: cuts over past its gate without a reason that is kept, or at all where a record is missing.

``Collection.migrate`` gives one; see docs/how-to/migrate.md.
"""

from __future__ import annotations

from vicinal.migrations.gate import Check, Gate
from vicinal.migrations.migration import Migration
from vicinal.migrations.plan import Plan
from vicinal.migrations.shadow import Disagreement, Shadow
from vicinal.migrations.status import MigrationStatus

__all__ = ["Check", "Disagreement", "Gate", "Migration", "MigrationStatus", "Plan", "Shadow"]
