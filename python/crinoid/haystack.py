"""A document store for Haystack, and a retriever for its pipelines.

>>> from crinoid.haystack import CrinoidDocumentStore, CrinoidEmbeddingRetriever
>>> store = CrinoidDocumentStore("notes")
>>> store.write_documents(documents)
>>> CrinoidEmbeddingRetriever(store, top_k=3).run(query_embedding=[...])
"""

import json
from dataclasses import replace

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.document_stores.errors import DuplicateDocumentError
    from haystack.document_stores.types import DuplicatePolicy
    from haystack.utils.filters import document_matches_filter
except ImportError as error:
    raise ImportError("crinoid.haystack needs Haystack: pip install haystack-ai") from error

from ._documents import Documents, dump


class CrinoidDocumentStore:
    """Documents in a folder, found by their embeddings; in a temporary folder where none is named.

    Without a policy, a document whose id is there already is an error. Documents without an embedding are
    kept, and not found by one.
    """

    def __init__(self, folder=None, metric="cosine"):
        self._folder = None if folder is None else str(folder)
        self._documents = Documents(folder, metric)

    def to_dict(self):
        return default_to_dict(self, folder=self._folder, metric=self._documents.metric)

    @classmethod
    def from_dict(cls, data):
        return default_from_dict(cls, data)

    def count_documents(self):
        return len(self._documents)

    def filter_documents(self, filters=None):
        _check(filters)
        return [document for document in self._all() if _matches(filters, document)]

    def write_documents(self, documents, policy=DuplicatePolicy.NONE):
        if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
            raise ValueError("write_documents takes a list of haystack.Document")
        known = self._documents.get([document.id for document in documents])
        if policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
            seen = set(known)
            for document in documents:
                if document.id in seen:
                    raise DuplicateDocumentError(f"document {document.id!r} is there already: see DuplicatePolicy")
                seen.add(document.id)
        elif policy == DuplicatePolicy.SKIP:
            documents = list({one.id: one for one in reversed(documents) if one.id not in known}.values())[::-1]
        self._put(documents)
        return len(documents)

    def delete_documents(self, document_ids):
        self._documents.remove(document_ids)

    def delete_all_documents(self):
        self._documents.remove(self._documents.get())

    def delete_by_filter(self, filters):
        return self._documents.remove(document.id for document in self.filter_documents(filters))

    def update_by_filter(self, filters, meta):
        found = self.filter_documents(filters)
        self._put([replace(document, meta={**document.meta, **meta}) for document in found])
        return len(found)

    def count_documents_by_filter(self, filters):
        return len(self.filter_documents(filters))

    def embedding_retrieval(self, query_embedding, filters=None, top_k=10, return_embedding=False):
        """The `top_k` documents nearest to a vector, best first, with their similarity as `score`."""
        _check(filters)
        admits = None if not filters else lambda id, text: _matches(filters, self._document(id, text))
        found = []
        for id, score, text in self._documents.nearest(query_embedding, top_k, admits):
            found.append(replace(self._document(id, text, return_embedding), score=score))
        return found

    def close(self):
        """Lets go of the folder."""
        self._documents.close()

    def _all(self):
        return [self._document(id, text) for id, text in self._documents.get().items()]

    def _document(self, id, text, embedding=True):
        fields = json.loads(text)
        exact = fields.pop("embedding", None)
        return Document.from_dict({**fields, "embedding": exact if embedding else None})

    def _put(self, documents):
        ids = [document.id for document in documents]
        # The embedding as it was given: the collection holds it as float32.
        rows = [dump(document.id, document.to_dict(flatten=False)) for document in documents]
        self._documents.put(ids, rows, [document.embedding for document in documents])


@component
class CrinoidEmbeddingRetriever:
    """Retrieves documents of a `CrinoidDocumentStore` by the embedding of a query."""

    def __init__(self, document_store, filters=None, top_k=10):
        if not isinstance(document_store, CrinoidDocumentStore):
            raise ValueError("document_store must be a CrinoidDocumentStore")
        self.document_store, self.filters, self.top_k = document_store, filters, top_k

    def to_dict(self):
        store = self.document_store.to_dict()
        return default_to_dict(self, document_store=store, filters=self.filters, top_k=self.top_k)

    @classmethod
    def from_dict(cls, data):
        parameters = data["init_parameters"]
        parameters["document_store"] = CrinoidDocumentStore.from_dict(parameters["document_store"])
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document])
    def run(self, query_embedding: list[float], filters: dict | None = None, top_k: int | None = None):
        filters = self.filters if filters is None else filters
        top_k = self.top_k if top_k is None else top_k
        return {"documents": self.document_store.embedding_retrieval(query_embedding, filters, top_k)}


def _check(filters):
    # A wrong filter is an error in an empty store too.
    if filters:
        document_matches_filter(filters, Document())


def _matches(filters, document):
    return not filters or document_matches_filter(filters, document)
