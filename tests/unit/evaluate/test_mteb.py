"""mteb itself runs our encoders and collections, and finds the figures that our own protocols find."""

from __future__ import annotations

import hashlib
import importlib
import random
import warnings

import numpy as np
import pytest

import vicinal
from vicinal.encode import FunctionEncoder
from vicinal.evaluate import protocols
from vicinal.evaluate.mteb import as_mteb_encoder, as_mteb_search
from vicinal.evaluate.protocols import Summarized
from vicinal.testing import ToyEncoder

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WORDS = ("cat", "Dog", "a", "42", "MAT", "sits,", "on", "7!", "oui", "XYZ", "b-c", "every")


@pytest.fixture(scope="module")
def mteb(tmp_path_factory):
    """mteb, offline, with its caches in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path_factory.mktemp("hub")),
            "TQDM_DISABLE": "1",
        }.items():
            patch.setenv(name, value)
        warnings.simplefilter("ignore")
        yield pytest.importorskip("mteb")


@pytest.fixture(scope="module")
def tasks(mteb):
    """The tasks that ship with mteb for trying a model out."""
    return importlib.import_module("mteb.mocks.mock_tasks")


@pytest.fixture(scope="module")
def table(mteb):
    """What makes a table of mteb."""
    return importlib.import_module("datasets").Dataset.from_dict


def sentences(count, seed):
    """Sentences of one to seven words, by chance, no two equal."""
    chance = random.Random(seed)
    found = {}
    while len(found) < count:
        found[" ".join(chance.choices(WORDS, k=chance.randint(1, 7)))] = None
    return list(found)


def scattered():
    """An encoder of which no two cosines are equal: in mteb the last bit of a sum decides between equal ones."""

    def vectors(texts):
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        return [np.random.default_rng(seed).standard_normal(16) for seed in seeds]

    return FunctionEncoder(vectors, name="scattered", version="1", dim=16)


def measured(mteb, task, dataset, model=None, **settings):
    """Return mteb's figures of a task on data of ours."""
    task.dataset, task.data_loaded, task._eval_splits = dataset, True, ["test"]
    for name, value in settings.items():
        setattr(task, name, value)
    model = as_mteb_encoder(ToyEncoder()) if model is None else model
    found = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    return found.task_results[0].scores["test"][0]


def test_every_mock_task_of_texts_passes_with_an_encoder(mteb):
    """All kinds of tasks that mteb has for texts run to their end."""
    found = mteb.mock_run(as_mteb_encoder(ToyEncoder()))
    ran = {name: status for name, status in found.items() if status is not None}
    assert found.all_passed, found.to_markdown()
    assert len(ran) >= 28
    assert not any(type(status).__name__ == "TaskError" for status in ran.values())


def test_every_mock_task_of_search_passes_with_a_collection(mteb, tmp_path):
    """Retrieval and reranking, with instructions and dialogues, through a database."""
    with vicinal.open(tmp_path / "mock.vicinal") as db:
        make = lambda name: db.collection(name, model=ToyEncoder())  # noqa: E731
        found = mteb.mock_run(as_mteb_search(make, settings={"mode": "dense", "exact": True}))
    ran = [status for _, status in found.items() if status is not None]
    assert found.all_passed, found.to_markdown()
    assert len(ran) >= 9
    assert not any(type(status).__name__ == "TaskError" for status in ran)


def test_the_encoder_says_what_it_is(mteb):
    """Its revision is its space, so that results of two spaces are not one; what was cut is counted."""
    encoder = ToyEncoder(max_tokens=2, overflow="cut")
    model = as_mteb_encoder(encoder, name="mine/toy")
    meta = model.mteb_model_meta
    assert (meta.name, meta.revision, meta.embed_dim, meta.max_tokens) == ("mine/toy", encoder.space.id, 8, 2)
    assert model.encode([{"text": ["a b c", "a"]}, {"text": ["b"]}]).shape == (3, 8)
    assert (model.texts, model.cut_texts) == (3, 1)


def test_roles_are_those_of_the_task(mteb):
    """Queries and documents as mteb says; a text without a role is a document, or a query where that is wished."""
    prompt_type = importlib.import_module("mteb.types").PromptType
    encoder = ToyEncoder(query_prompt="QUERY: ", document_prompt="")
    for given, role, expected in (
        (prompt_type.query, "document", encoder.encode_queries),
        (prompt_type.document, "query", encoder.encode_documents),
        (None, "document", encoder.encode_documents),
        (None, "query", encoder.encode_queries),
    ):
        found = as_mteb_encoder(encoder, role=role).encode([{"text": ["cat"]}], prompt_type=given)
        assert found.tolist() == [list(row) for row in expected(["cat"])]


def test_classification_is_that_of_mteb(mteb, tasks, table):
    """The same samples, the same regression: the same accuracy and F1 in each of ten runs."""
    texts = sentences(300, 1)
    labels = [("7" in text) + 2 * ("XYZ" in text) for text in texts]
    parts = {"train": (texts[:200], labels[:200]), "test": (texts[200:], labels[200:])}
    dataset = {part: table({"text": one, "label": other}) for part, (one, other) in parts.items()}
    dataset = importlib.import_module("datasets").DatasetDict(dataset)
    theirs = measured(mteb, tasks.MockClassificationTask(), dataset, n_experiments=10, samples_per_label=8)
    ours = protocols.classification(ToyEncoder(), *parts["train"], *parts["test"])
    assert 0.4 < ours.main < 0.99
    assert ours.runs == pytest.approx([one["accuracy"] for one in theirs["scores_per_experiment"]], abs=1e-6)
    assert ours.metrics["f1"] == pytest.approx(theirs["f1"], abs=1e-6)


def test_clustering_is_that_of_mteb(mteb, tasks, table):
    """Sets clustered whole, and draws from a sample: the same v-measures."""
    texts = sentences(400, 2)
    labels = [str(("7" in text) + 2 * ("XYZ" in text)) for text in texts]
    sets = [(texts[:150], labels[:150]), (texts[150:], labels[150:]), (texts[:3], ["same"] * 3)]
    columns = {"sentences": [one for one, _ in sets], "labels": [other for _, other in sets]}
    theirs = measured(
        mteb, importlib.import_module("mteb.mocks.mock_tasks.clustering").MockClusteringTask(), {"test": table(columns)}
    )
    ours = protocols.clustering(ToyEncoder(), sets)
    assert ours.runs == pytest.approx(theirs["v_measures"], abs=1e-6)
    flat = {"test": table({"sentences": texts, "labels": labels})}
    sizes = {"max_fraction_of_documents_to_embed": 0.5, "max_document_to_embed": None, "n_clusters": 4}
    fast = measured(mteb, tasks.LegacyMockClusteringFastTask(), flat, **sizes, max_documents_per_cluster=90)
    found = protocols.fast_clustering(ToyEncoder(), texts, labels, sampled=0.5, draws=4, draw_texts=90)
    assert found.runs == pytest.approx(fast["v_measures"]["Level 0"], abs=1e-6)


def test_pairs_are_those_of_mteb(mteb, tasks, table):
    """STS and pair classification: the same correlations and average precisions of all four similarities."""
    chance, encoder = random.Random(3), scattered()
    first, second = sentences(120, 4), sentences(120, 5)
    gold = [round(chance.random(), 2) for _ in first]
    columns = {"sentence1": first, "sentence2": second}
    theirs = measured(mteb, tasks.MockSTSTask(), {"test": table({**columns, "score": gold})}, as_mteb_encoder(encoder))
    ours = protocols.sts(encoder, first, second, gold)
    for name in ("cosine", "euclidean", "manhattan"):
        for kind in ("spearman", "pearson"):
            assert ours.metrics[f"{name}_{kind}"] == pytest.approx(theirs[f"{name}_{kind}"], abs=1e-5)
    labels = [int(one > 0.6) for one in gold]
    theirs = measured(
        mteb,
        tasks.MockPairClassificationTask(),
        {"test": table({**columns, "labels": labels})},
        as_mteb_encoder(encoder),
    )
    ours = protocols.pair_classification(encoder, first, second, labels)
    for name in ("cosine", "dot", "euclidean", "manhattan"):
        for kind in ("ap", "f1", "accuracy"):
            assert ours.metrics[f"{name}_{kind}"] == pytest.approx(theirs[f"{name}_{kind}"], abs=1e-5)
    assert ours.main == pytest.approx(theirs["max_ap"], abs=1e-5)


def test_bitext_and_summaries_are_those_of_mteb(mteb, tasks, table):
    """The same neighbours, and the same correlation within each text."""
    chance, encoder = random.Random(6), scattered()
    first = sentences(80, 7)
    second = [text if chance.random() < 0.5 else f"{text} {chance.choice(WORDS)}" for text in first]
    theirs = measured(
        mteb,
        tasks.MockBitextMiningTask(),
        {"test": table({"sentence1": first, "sentence2": second})},
        as_mteb_encoder(encoder),
    )
    ours = protocols.bitext_mining(encoder, first, second)
    assert 0.3 < ours.main < 0.7
    assert ours.metrics == pytest.approx({name: theirs[name] for name in ("f1", "accuracy")}, abs=1e-6)
    told = [f"{text} {chance.choice(WORDS)}" for text in first]
    rows = [
        Summarized(human=tuple(first[at : at + 3]), machine=tuple(told[at : at + 6]), liked=(1, 4, 2, 5, 3, 3))
        for at in range(0, 60, 6)
    ]
    columns = {
        "text": [row.human[0] for row in rows],
        "human_summaries": [list(row.human) for row in rows],
        "machine_summaries": [list(row.machine) for row in rows],
        "relevance": [list(row.liked) for row in rows],
    }
    theirs = measured(mteb, tasks.MockSummarizationTask(), {"test": table(columns)}, as_mteb_encoder(encoder))
    ours = protocols.summarization(encoder, rows)
    assert ours.main == pytest.approx(theirs["cosine_spearman"], abs=1e-5)
    assert ours.metrics["cosine_pearson"] == pytest.approx(theirs["cosine_pearson"], abs=1e-5)


def searched(table, documents, queries, qrels, candidates=None):
    """Return a split of mteb's retrieval."""
    corpus = {"id": list(documents), "title": [""] * len(documents), "text": list(documents.values())}
    return {
        "default": {
            "test": {
                "corpus": table(corpus),
                "queries": table({"id": list(queries), "text": list(queries.values())}),
                "relevant_docs": {query: dict(grades) for query, grades in qrels.items()},
                "top_ranked": candidates,
            }
        }
    }


def test_retrieval_and_reranking_are_those_of_mteb(mteb, tasks, table):
    """The same figures for the same documents, and for given candidates."""
    chance, encoder = random.Random(8), scattered()
    documents = {f"d{place}": text for place, text in enumerate(sentences(200, 9))}
    queries = {f"q{place}": text for place, text in enumerate(sentences(30, 10))}
    qrels = {
        one: {name: chance.choice([0, 1, 1, 2]) for name in chance.sample(sorted(documents), 12)} for one in queries
    }
    theirs = measured(
        mteb, tasks.MockRetrievalTask(), searched(table, documents, queries, qrels), as_mteb_encoder(encoder)
    )
    ours = protocols.retrieval(encoder, documents, queries, qrels)
    assert ours.main == pytest.approx(theirs["ndcg_at_10"], abs=1e-5)
    assert ours.metrics["average_precision@1000"] == pytest.approx(theirs["map_at_1000"], abs=1e-5)
    assert ours.metrics["recall@100"] == pytest.approx(theirs["recall_at_100"], abs=1e-5)
    candidates = {one: chance.sample(sorted(documents), 20) + list(qrels[one]) for one in queries}
    candidates = {one: list(dict.fromkeys(names)) for one, names in candidates.items()}
    theirs = measured(
        mteb,
        tasks.MockRerankingTask(),
        searched(table, documents, queries, qrels, candidates),
        as_mteb_encoder(encoder),
    )
    ours = protocols.reranking(encoder, documents, queries, qrels, candidates)
    assert ours.main == pytest.approx(theirs["map_at_1000"], abs=1e-5)


def test_a_collection_in_mteb_is_our_retrieval(mteb, tasks, table, data_folder, tmp_path):
    """SciFact through a database, as mteb searches it, has the nDCG@10 of the protocol to 1e-4; so has the encoder."""
    from vicinal.evaluate.judgements import read_judged  # noqa: PLC0415 - a sibling
    from vicinal.evaluate.protocols.files import read_documents  # noqa: PLC0415 - the same

    documents, judged = read_documents(data_folder / "scifact"), read_judged(data_folder / "scifact", split="test")
    split = lambda: searched(table, documents, judged.queries, judged.qrels)  # noqa: E731
    ours = protocols.retrieval(ToyEncoder(), documents, judged.queries, judged.qrels)
    short = {"k_values": (1, 10), "_top_k": 10}
    encoder = measured(mteb, tasks.MockRetrievalTask(), split(), **short)
    with vicinal.open(tmp_path / "scifact.vicinal") as db:
        make = lambda name: db.collection(name, model=ToyEncoder(max_tokens=100_000))  # noqa: E731
        model = as_mteb_search(make, settings={"mode": "dense", "exact": True})
        collection = measured(mteb, tasks.MockRetrievalTask(), split(), model=model, **short)
    assert encoder["ndcg_at_10"] == pytest.approx(ours.main, abs=1e-4)
    assert collection["ndcg_at_10"] == pytest.approx(ours.main, abs=1e-4)
