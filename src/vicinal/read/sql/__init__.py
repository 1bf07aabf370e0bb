"""Rows of databases as documents: SQLite and PostgreSQL, read-only.

Step: 1 of 11, a part of read.
Takes: where a database is, and a table or a query.
Gives: a document for each row that has a text.
Never: writes to it, keeps more than some hundred rows in memory, or tells a password.
"""

from vicinal.read.sql.place import SqlPlace, sql_place
from vicinal.read.sql.postgres import read_postgres
from vicinal.read.sql.sqlite import read_sqlite

__all__ = ["SqlPlace", "read_postgres", "read_sqlite", "sql_place"]
