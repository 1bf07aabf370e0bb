"""A collection carried to another model, dimension or chunker while it is read and written.

``Collection.migrate`` gives a ``Migration``; see docs/how-to/migrate.md.
"""

from __future__ import annotations

from vicinal.migrations.gate import Check, Gate
from vicinal.migrations.migration import Migration
from vicinal.migrations.plan import Plan
from vicinal.migrations.shadow import Disagreement, Shadow
from vicinal.migrations.status import MigrationStatus

__all__ = ["Check", "Disagreement", "Gate", "Migration", "MigrationStatus", "Plan", "Shadow"]
