"""What authors say of their models in words only, on the model's page: prompts by role and the dimensions they trained for.

A model's own settings win; these fill what they leave out. Each entry names the pages it was read on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Prompts by role, and the dimensions of a Matryoshka training.

    ``repos`` is a regular expression for the whole id of a repository on the hub, in lower case.
    """

    repos: str
    query_prompt: str = ""
    document_prompt: str = ""
    matryoshka: tuple[int, ...] = ()


BGE_QUERY = "Represent this sentence for searching relevant passages: "
INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
NOMIC_DIMS = (64, 128, 256, 512, 768)

RECIPES = (
    # intfloat/e5-base-v2, intfloat/multilingual-e5-base: "each input text should start with query: or passage: "
    Recipe(repos=r"intfloat/multilingual-e5-.*-instruct", query_prompt=INSTRUCT),
    Recipe(repos=r"intfloat/(multilingual-)?e5-.*", query_prompt="query: ", document_prompt="passage: "),
    # BAAI/bge-base-en-v1.5, BAAI/bge-base-zh-v1.5: an instruction for queries only; BAAI/bge-m3 needs none
    Recipe(repos=r"baai/bge-(small|base|large)-en(-v1\.5)?", query_prompt=BGE_QUERY),
    Recipe(repos=r"baai/bge-(small|base|large)-zh(-v1\.5)?", query_prompt="为这个句子生成表示以用于检索相关文章："),
    # mixedbread-ai/mxbai-embed-large-v1, Snowflake/snowflake-arctic-embed-m
    Recipe(
        repos=r"mixedbread-ai/mxbai-embed-large-v1", query_prompt=BGE_QUERY, matryoshka=(64, 128, 256, 512, 768, 1024)
    ),
    Recipe(repos=r"snowflake/snowflake-arctic-embed-(m|l)-v2\.0", query_prompt="query: ", matryoshka=(256,)),
    Recipe(repos=r"snowflake/snowflake-arctic-embed-m-v1\.5", query_prompt=BGE_QUERY, matryoshka=(256,)),
    Recipe(repos=r"snowflake/snowflake-arctic-embed-.*", query_prompt=BGE_QUERY),
    # nomic-ai/nomic-embed-text-v1, -v1.5: the task stands before every text; v1.5 is trained for fewer dimensions
    Recipe(
        repos=r"nomic-ai/(nomic-embed-text-v1\.5|modernbert-embed-base)",
        query_prompt="search_query: ",
        document_prompt="search_document: ",
        matryoshka=NOMIC_DIMS,
    ),
    Recipe(repos=r"nomic-ai/nomic-embed-text-v1", query_prompt="search_query: ", document_prompt="search_document: "),
    # sentence-transformers/static-retrieval-mrl-en-v1, -similarity-mrl-multilingual-v1
    Recipe(
        repos=r"sentence-transformers/static-(retrieval|similarity)-mrl-.*", matryoshka=(32, 64, 128, 256, 512, 1024)
    ),
)

NOTHING = Recipe(repos="")


def recipe_of(repo: str) -> Recipe:
    """Return what is known of a repository by its id; an empty recipe for one that is not known."""
    return next((recipe for recipe in RECIPES if re.fullmatch(recipe.repos, repo.lower())), NOTHING)
