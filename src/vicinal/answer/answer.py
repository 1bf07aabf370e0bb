"""A question and its hits → an answer: the model's with checked citations, else the best sentences, or a refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vicinal._arrays import real_number, whole_number
from vicinal.answer.chat import Chat, connect
from vicinal.answer.cited import Citation, Cited, citations_of
from vicinal.answer.context import MOST_BUDGET, Context, Lookup, Source, pack
from vicinal.answer.extractive import extract, written
from vicinal.answer.prompt import NO_ANSWER, checked_question, prompt_of
from vicinal.errors import InputError, ModelNotFoundError, NonFiniteError, RemoteError
from vicinal.space import Encoder
from vicinal.types import Hit, Hits

BUDGET_TOKENS = 2000
"""Of the sources, by the encoder's tokens: ten chunks of 200, a prompt that models with a window of 4,096 take."""
LEAST_COSINE = 0.2
"""The cosine below which nothing was found. Measured with MiniLM on SciFact, CoSQA and XQuAD (docs/how-to/ask.md): no
question that has an answer was refused, and 44 to 78 % of those of another set were. Models whose cosines are all high
refuse nothing by it."""
CODE = re.compile(r"[\w@](?:[\w.@/+:-]*[\w])?")
"""What may be a code, a version, a number: found by its letters, where a cosine says little."""
SHORT_CODE, SHORT_NUMBER = 4, 5
"""The fewest characters of a code, and of one that is all digits: a year is none."""
NOTHING = "Nothing was found that could answer the question, so no model was asked."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question.

    Attributes
    ----------
    text : str
        The answer with its citations, ``""`` where it was refused.
    how : {"chat", "extractive", "none"}
        Whether a model wrote it, or it is made of sentences of the sources, or nothing was asked.
    refused : bool
        Whether there is no answer: nothing was found, or the model says that the sources have none.
    notice : str
        What the reader should know of how it came about, ``""`` if nothing.
    sources : tuple of Source
        What was shown to whoever answered; number n is ``[n]`` in the text.
    citations : tuple of Citation
        Those of the text that name one of the sources.
    unknown : tuple of Citation
        Those that name none: the model invented them.
    uncited : tuple of (start, end)
        The spans of the sentences of the text that cite no source.
    model : str
        The model that wrote it, ``""`` where none did.
    complete : bool
        Whether no nearer chunk can have been missed, as the hits say; true for bare ones.
    """

    text: str
    how: Literal["chat", "extractive", "none"]
    refused: bool
    notice: str = ""
    sources: tuple[Source, ...] = ()
    citations: tuple[Citation, ...] = ()
    unknown: tuple[Citation, ...] = ()
    uncited: tuple[tuple[int, int], ...] = ()
    model: str = ""
    complete: bool = True


def answer(  # noqa: PLR0913 - each says what is asked for, and all but the first two go by name
    question: str,
    hits: Sequence[Hit],
    *,
    encoder: Encoder,
    endpoint: str | Chat | None = None,
    model: str | None = None,
    budget_tokens: int = BUDGET_TOKENS,
    least_score: float | None = None,
    lookup: Lookup | None = None,
    neighbors: int = 0,
    on_text: Callable[[str], object] | None = None,
) -> Answer:
    """Return the answer to a question from what was found for it.

    Parameters
    ----------
    question : str
        1 to 8,000 characters.
    hits : sequence of Hit
        Best first.
    encoder : Encoder
        Counts the tokens, and finds the best sentences where no model answers.
    endpoint : str or Chat, optional
        The base URL of a chat endpoint, or one that ``connect`` made. None: the best sentences.
    model : str, optional
        The model of the endpoint; needed with a URL.
    budget_tokens : int, 1 <= budget_tokens
        Tokens of the sources; instructions and question come on top, some 320.
    least_score : float, optional
        Where the best hit scores less, nothing was found; on the scale of the hits. None: where the best cosine of
        ``Hits`` is below 0.2 and no code of the question, such as XJ-4821, stands in one. ``-inf``: any will do.
    lookup, neighbors
        As ``pack``.
    on_text : callable, optional
        Called with pieces of the model's text as it writes. Where it breaks off, what was given is not the answer;
        the best sentences are not given piece by piece.

    Returns
    -------
    Answer
        Where the endpoint does not answer as it should, the best sentences and a notice that says why.

    Raises
    ------
    InputError
        The question, the endpoint's name or a number is wrong. Nothing is asked.

    Notes
    -----
    That a citation exists is checked; that the source says so is not. Nothing that a model writes is carried out.
    """
    question = checked_question(question)
    budget_tokens = whole_number(budget_tokens, "budget_tokens", low=1, high=MOST_BUDGET)
    if least_score is not None and math.isnan(real_number(least_score, "least_score")):
        raise NonFiniteError("least_score must be a number, got NaN.", expected="a number", where="least_score")
    chat, trouble = _chat_of(endpoint, model)
    complete = hits.complete if isinstance(hits, Hits) else True
    nothing = _nothing(question, hits, least_score, encoder)
    if nothing is not None:
        return Answer(text="", how="none", refused=True, notice=NOTHING + nothing, complete=complete)
    context = pack(
        hits, budget_tokens=budget_tokens, count_tokens=encoder.count_tokens, lookup=lookup, neighbors=neighbors
    )
    if not context.sources:
        small = f" No hit has room in {budget_tokens} tokens." if context.left_out else ""
        return Answer(text="", how="none", refused=True, notice=NOTHING + small, complete=complete)
    if chat is not None:
        try:
            return replace(_by_chat(question, context, chat, on_text), complete=complete)
        except RemoteError as error:
            trouble = error.message
    return replace(_by_sentences(question, context, encoder, trouble), complete=complete)


def _nothing(question: str, hits: Sequence[Hit], least_score: float | None, encoder: Encoder) -> str | None:
    """Return why the hits are as good as none, None where they are not."""
    if not len(hits):
        return ""
    if least_score is not None:
        best = max(hit.score for hit in hits)
        return f" The best hit scores {best:.3f}, and {least_score} was asked for." if best < least_score else None
    cosine = _best_cosine(hits, encoder)
    if cosine is None or cosine >= LEAST_COSINE or _has_code(question, hits):
        return None
    return f" The best cosine is {cosine:.3f}; below {LEAST_COSINE} texts have little in common, see least_score."


def _best_cosine(hits: Sequence[Hit], encoder: Encoder) -> float | None:
    """Return the largest cosine that hits tell of, by their scores or by what the dense side said of them."""
    if not isinstance(hits, Hits) or encoder.space.metric != "cosine":
        return None
    if hits.score_kind == "cosine":
        return max(hit.score for hit in hits)
    return max((one.score for hit in hits for one in hit.ranks if one.side == "dense"), default=None)


def _has_code(question: str, hits: Sequence[Hit]) -> bool:
    """Return whether a code of the question stands in a hit."""
    words = [word for word in CODE.findall(question.casefold()) if any(map(str.isdigit, word))]
    codes = [word for word in words if len(word) >= (SHORT_NUMBER if word.isdigit() else SHORT_CODE)]
    return any(code in hit.text.casefold() for hit in hits for code in codes)


def _chat_of(endpoint: str | Chat | None, model: str | None) -> tuple[Chat | None, str]:
    """Return the endpoint, None without one; and why it cannot be asked, where that is no mistake of the caller."""
    if endpoint is None or isinstance(endpoint, Chat):
        return endpoint, ""
    if model is None:
        raise InputError(
            "A chat endpoint needs the name of a model; give it with model=.", expected="a name", where="model"
        )
    try:
        return connect(endpoint, model), ""
    except ModelNotFoundError as error:
        return None, error.message


def _by_chat(question: str, context: Context, chat: Chat, on_text: Callable[[str], object] | None) -> Answer:
    """Return what the model answers, its citations checked."""
    held = _Held(on_text)
    said = chat.ask(prompt_of(question, context).messages(), on_text=held.take)
    text = said.text.strip()
    if not text:
        raise RemoteError(f"The chat model {chat.name.model} answered with no text.", where=f"chat:{chat.name.model}")
    if held.is_refusal:
        return Answer(
            text="",
            how="chat",
            refused=True,
            notice="The model finds no answer in the sources.",
            sources=context.sources,
            model=chat.name.model,
        )
    held.release()
    cited = citations_of(text, len(context.sources))
    return Answer(
        text=text,
        how="chat",
        refused=False,
        notice=_notice(cited, is_cut=said.is_cut),
        sources=context.sources,
        citations=cited.known,
        unknown=cited.unknown,
        uncited=cited.uncited,
        model=chat.name.model,
    )


def _notice(cited: Cited, *, is_cut: bool) -> str:
    """Return what is to be known of a model's answer."""
    told = []
    if cited.unknown:
        numbers = ", ".join(f"[{number}]" for number in sorted({one.number for one in cited.unknown}))
        told.append(f"The answer cites sources that do not exist: {numbers}.")
    if not cited.known:
        told.append("The answer cites no source; take nothing of it as found.")
    elif cited.uncited:
        told.append(f"{len(cited.uncited)} of its sentences cite no source.")
    if is_cut:
        told.append("The answer was stopped at the limit of tokens.")
    return " ".join(told)


def _by_sentences(question: str, context: Context, encoder: Encoder, trouble: str) -> Answer:
    """Return the best sentences of the sources, and why no model wrote."""
    text = written(extract(question, context, encoder=encoder))
    cited = citations_of(text, len(context.sources))
    return Answer(
        text=text,
        how="extractive",
        refused=not text,
        notice=f"{trouble} These are the best sentences of the sources instead." if trouble else "",
        sources=context.sources,
        citations=cited.known,
    )


class _Held:
    """Keeps back the first letters of an answer while they may become ``NO_ANSWER``, which nobody is to read."""

    def __init__(self, on_text: Callable[[str], object] | None) -> None:
        self._on_text = on_text
        self._start: str | None = ""

    @property
    def is_refusal(self) -> bool:
        """Whether the answer is that there is none, or begins so."""
        return self._start is not None and self._plain.startswith(NO_ANSWER)

    @property
    def _plain(self) -> str:
        """What is kept back, without what models put around it."""
        return (self._start or "").lstrip(" \n\t.\"'`*")

    def take(self, text: str) -> None:
        """Take a piece."""
        if self._start is None:
            self._give(text)
            return
        self._start += text
        if not NO_ANSWER.startswith(self._plain) and not self._plain.startswith(NO_ANSWER):
            self.release()

    def release(self) -> None:
        """Give what was kept back."""
        if self._start is not None:
            start, self._start = self._start, None
            self._give(start)

    def _give(self, text: str) -> None:
        if self._on_text is not None and text:
            self._on_text(text)
