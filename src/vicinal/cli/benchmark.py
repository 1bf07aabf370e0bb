"""``vicinal benchmark``: a model under the benchmark protocols of the field, on local files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import vicinal
from vicinal.cli.output import JsonOption, console, errors, print_json, progress_bar
from vicinal.errors import InputError
from vicinal.evaluate import protocols
from vicinal.evaluate.protocols import ProtocolScore

MEANS = {
    "--k": ("k", ("retrieval", "nearest_labels")),
    "--seed": ("seed", ("classification", "clustering", "fast_clustering")),
    "--runs": ("runs", ("classification",)),
    "--per-label": ("per_label", ("classification",)),
    "--sampled": ("sampled", ("fast_clustering",)),
    "--role": (
        "role",
        (
            "bitext_mining",
            "classification",
            "clustering",
            "fast_clustering",
            "nearest_labels",
            "pair_classification",
            "sts",
            "summarization",
        ),
    ),
    "--drop-identical": ("drop_identical", ("retrieval",)),
}
"""Option → the protocols' name for it, and the protocols that have it."""


def _complete_task(incomplete: str) -> list[str]:
    """Return the names of tasks, for the shell."""
    return [name for name in protocols.TASKS if name.startswith(incomplete)]


def benchmark(
    task: Annotated[
        str,
        typer.Option(
            "--task",
            "-t",
            help=f"One of {', '.join(protocols.TASKS)}.",
            show_default=False,
            autocompletion=_complete_task,
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            "-d",
            help="The folder: BEIR's layout, or tables such as train.csv, test.jsonl.",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="The model, as vicinal.load takes it.")] = "minilm",
    split: Annotated[str, typer.Option(help="Which part is measured: test.csv, qrels/test.tsv.")] = "test",
    overflow: Annotated[
        str, typer.Option(help="Texts beyond the window: cut, as published figures do, or chunk, or error.")
    ] = "cut",
    dim: Annotated[int | None, typer.Option(help="Fewer dimensions.", show_default="the model's")] = None,
    k: Annotated[
        int | None, typer.Option("--k", "-k", help="Documents ranked, or neighbours that vote.", show_default="1000, 5")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of samples, regression and k-means.", show_default="42")] = None,
    runs: Annotated[int | None, typer.Option(help="Runs of classification.", show_default="10")] = None,
    per_label: Annotated[int | None, typer.Option(help="Texts a label in a run.", show_default="8")] = None,
    sampled: Annotated[
        float | None, typer.Option(help="Share of the texts that fast_clustering encodes.", show_default="0.04")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(help="Role of texts that have none: document or query.", show_default="document"),
    ] = None,
    drop_identical: Annotated[
        bool, typer.Option("--drop-identical", help="Leave out the document whose id is the query's (ArguAna, Quora).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a model under a benchmark's protocol, MTEB's rules, on files that lie here."""
    said = {
        "--k": k,
        "--seed": seed,
        "--runs": runs,
        "--per-label": per_label,
        "--sampled": sampled,
        "--role": role,
        "--drop-identical": drop_identical or None,
    }
    settings = settings_of(task, said)
    encoder = vicinal.load(model, overflow=overflow, dim=dim)  # type: ignore[arg-type]  # checked there
    with progress_bar() as bar:
        row = bar.add_task("encoding", total=None)
        score = protocols.benchmark(
            task,
            encoder,
            data,
            split=split,
            progress=lambda done, total: bar.update(row, completed=done, total=total),
            **settings,
        )
    if as_json:
        print_json({"model": model, "task": task, "data": str(data), "split": split, **score.to_mapping()})
    else:
        show(model, data, score)


def settings_of(task: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return what was said as the protocol's arguments.

    Raises
    ------
    InputError
        An option means nothing for the task. An unknown task is left to the protocols, which list theirs.
    """
    given = {option: value for option, value in said.items() if value is not None}
    if task not in protocols.TASKS:
        return {}
    for option in given:
        tasks = MEANS[option][1]
        if task not in tasks:
            raise InputError(
                f"{option} means nothing for {task}; leave it out. It is for {', '.join(tasks)}.",
                expected=", ".join(tasks),
                got=task,
                where=option,
            )
    return {MEANS[option][0]: value for option, value in given.items()}


def show(model: str, data: Path, score: ProtocolScore) -> None:
    """Print the figures, the main one first, and what they depend on."""
    console.print(
        f"[bold]{score.main:.4f}[/]  {score.metric}  [green]{escape(model)}[/] on {escape(str(data))}, {score.protocol}",
        highlight=False,
        soft_wrap=True,
    )
    for name, value in score.metrics.items():
        if name != score.metric:
            console.print(f"{value:.4f}  {escape(name)}", highlight=False, soft_wrap=True)
    about = score.environment
    errors.print(
        f"[dim]space {about['space']}, data {about['data_digest']}, {about['texts']} texts, {about['cut_texts']} cut[/]",
        highlight=False,
    )
