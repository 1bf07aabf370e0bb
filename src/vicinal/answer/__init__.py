"""Hits become an answer whose sentences say where they are from.

Step: 10 of 11, answer.
Takes: a question, its hits, an encoder, and a chat endpoint where there is one.
Gives: a text with numbered sources whose citations were checked; or the best sentences; or that nothing was found.
Never: searches, lets a text of the collection give orders, or asks a model about nothing.
"""

from vicinal.answer.answer import Answer, answer
from vicinal.answer.chat import Chat, connect
from vicinal.answer.cited import Citation, Cited, citations_of
from vicinal.answer.context import Context, Source, pack
from vicinal.answer.extractive import Extract, extract
from vicinal.answer.prompt import Prompt, prompt_of

__all__ = [
    "Answer",
    "Chat",
    "Citation",
    "Cited",
    "Context",
    "Extract",
    "Prompt",
    "Source",
    "answer",
    "citations_of",
    "connect",
    "extract",
    "pack",
    "prompt_of",
]
