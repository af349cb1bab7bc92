"""A vector store for LangChain.

>>> from crinoid.langchain import CrinoidVectorStore
>>> store = CrinoidVectorStore(embedding, folder="notes")
>>> store.add_texts(["an apple", "a pear"], ids=["a", "p"])
>>> store.similarity_search("fruit", k=1)
"""

import json
import uuid

try:
    from langchain_core.documents import Document
    from langchain_core.vectorstores import VectorStore
    from langchain_core.vectorstores.utils import maximal_marginal_relevance
except ImportError as error:
    raise ImportError("crinoid.langchain needs LangChain: pip install langchain-core") from error

import numpy as np

from ._documents import Documents, dump


class CrinoidVectorStore(VectorStore):
    """Documents in a folder, found by their embeddings; in a temporary folder where none is named.

    Scores are similarities, higher is closer: the cosine, the inner product, or 1 / (1 + squared L2).
    A filter is a function of the document, or a dictionary that its metadata must hold.
    """

    def __init__(self, embedding, folder=None, metric="cosine", **options):
        self._embedding = embedding
        self._documents = Documents(folder, metric, **options)

    @property
    def embeddings(self):
        return self._embedding

    @classmethod
    def from_texts(cls, texts, embedding, metadatas=None, *, ids=None, **options):
        store = cls(embedding, **options)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_texts(self, texts, metadatas=None, *, ids=None, **_):
        texts = list(texts)
        metadatas = [{}] * len(texts) if metadatas is None else list(metadatas)
        ids = [None] * len(texts) if ids is None else list(ids)
        if not len(texts) == len(metadatas) == len(ids):
            raise ValueError(f"{len(ids)} ids and {len(metadatas)} metadatas for {len(texts)} texts")
        ids = [str(uuid.uuid4()) if id is None else id for id in ids]
        rows = [dump(id, {"text": text, "metadata": meta}) for id, text, meta in zip(ids, texts, metadatas)]
        if texts:
            self._documents.put(ids, rows, self._embedding.embed_documents(texts))
        return ids

    def get_by_ids(self, ids, /):
        return [_document(id, text) for id, text in self._documents.get(ids).items()]

    def delete(self, ids=None, **_):
        self._documents.remove(self._documents.get() if ids is None else ids)
        return True

    def similarity_search_with_score_by_vector(self, embedding, k=4, filter=None, **_):
        return [(_document(id, text), score) for id, score, text in self._nearest(embedding, k, filter)]

    def similarity_search_with_score(self, query, k=4, filter=None, **_):
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, filter)

    def similarity_search_by_vector(self, embedding, k=4, filter=None, **_):
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, filter)]

    def similarity_search(self, query, k=4, filter=None, **_):
        return self.similarity_search_by_vector(self._embedding.embed_query(query), k, filter)

    def max_marginal_relevance_search_by_vector(
        self, embedding, k=4, fetch_k=20, lambda_mult=0.5, filter=None, **_
    ):
        found = self._nearest(embedding, max(k, fetch_k), filter)
        vectors = [self._documents.vector(id) for id, _, _ in found]
        chosen = maximal_marginal_relevance(np.array(embedding, np.float32), vectors, lambda_mult, k)
        return [_document(found[at][0], found[at][2]) for at in chosen]

    def max_marginal_relevance_search(self, query, k=4, fetch_k=20, lambda_mult=0.5, filter=None, **_):
        embedding = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(embedding, k, fetch_k, lambda_mult, filter)

    def close(self):
        """Lets go of the folder."""
        self._documents.close()

    def _nearest(self, embedding, k, filter):
        return self._documents.nearest(embedding, k, _admits(filter))

    def _select_relevance_score_fn(self):
        if self._documents.metric == "ip":
            raise ValueError("inner products have no bounds, so no relevance between 0 and 1: use metric='cosine'")
        return (lambda score: (1.0 + score) / 2.0) if self._documents.metric == "cosine" else (lambda score: score)


def _document(id, text):
    return Document(id=id, page_content=(row := json.loads(text))["text"], metadata=row["metadata"])


def _admits(filter):
    if filter is None:
        return None
    if callable(filter):
        return lambda id, text: filter(_document(id, text))
    if not isinstance(filter, dict):
        raise ValueError(f"filter is a function of the document or a dictionary of its metadata, not {filter!r}")

    def admits(_, text):
        metadata = json.loads(text)["metadata"]
        return all(key in metadata and metadata[key] == value for key, value in filter.items())

    return admits
