"""The command line: it parses, calls one verb of the facade, and prints.

Step: 11 of 11, a face.
Takes: words of a shell.
Gives: text for people, or one JSON object with ``--json``; an exit status of the table in errors.py.
Never: decides anything that the library does not.
"""

from vicinal.cli.app import app, main

__all__ = ["app", "main"]
