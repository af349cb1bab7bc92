"""A vector store for LlamaIndex.

>>> from crinoid.llamaindex import CrinoidVectorStore
>>> from llama_index.core import StorageContext, VectorStoreIndex
>>> context = StorageContext.from_defaults(vector_store=CrinoidVectorStore(folder="notes"))
>>> index = VectorStoreIndex.from_documents(documents, storage_context=context)
"""

import json
from typing import Any

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import (
        build_metadata_filter_fn,
        metadata_dict_to_node,
        node_to_metadata_dict,
    )
except ImportError as error:
    raise ImportError("crinoid.llamaindex needs LlamaIndex: pip install llama-index-core") from error

from ._documents import Documents, dump

# So many times more candidates than answers are looked at for diversity.
_SPARE = 4


class CrinoidVectorStore(BasePydanticVectorStore):
    """Nodes in a folder, found by their embeddings; in a temporary folder where none is named.

    Similarities: the cosine, the inner product, or 1 / (1 + squared L2). Modes: default and mmr. All
    operators of metadata filters are understood.
    """

    stores_text: bool = True
    flat_metadata: bool = False
    _documents: Documents = PrivateAttr()

    def __init__(self, folder=None, metric="cosine", **options: Any):
        super().__init__()
        self._documents = Documents(folder, metric, **options)

    @classmethod
    def class_name(cls):
        return "CrinoidVectorStore"

    @property
    def client(self):
        return self._documents

    def add(self, nodes, **_):
        rows = []
        for node in nodes:
            metadata = node_to_metadata_dict(node, remove_text=False, flat_metadata=self.flat_metadata)
            rows.append(dump(node.node_id, {"ref": node.ref_doc_id, "metadata": metadata}))
        ids = [node.node_id for node in nodes]
        self._documents.put(ids, rows, [node.get_embedding() for node in nodes])
        return ids

    def get_nodes(self, node_ids=None, filters=None):
        return [_node(text) for text in self._admitted(node_ids, filters).values()]

    def delete(self, ref_doc_id, **_):
        rows = self._documents.get()
        self._documents.remove(id for id, text in rows.items() if json.loads(text)["ref"] == ref_doc_id)

    def delete_nodes(self, node_ids=None, filters=None, **_):
        self._documents.remove(self._admitted(node_ids, filters))

    def clear(self):
        self._documents.remove(self._documents.get())

    def query(self, query, **kwargs):
        k, vector = query.similarity_top_k, query.query_embedding
        if vector is None:
            raise ValueError("the query has no embedding: set an embed_model, or give query_embedding")
        admits = _admits(query)
        if query.mode == VectorStoreQueryMode.DEFAULT:
            found = self._documents.nearest(vector, k, admits)
        elif query.mode == VectorStoreQueryMode.MMR:
            found = self._documents.nearest(vector, _SPARE * k, admits)
            threshold = kwargs.get("mmr_threshold", query.mmr_threshold)
            vectors = [self._documents.vector(id).tolist() for id, _, _ in found]
            places = list(range(len(found)))
            scores, chosen = get_top_k_mmr_embeddings(
                vector, vectors, similarity_top_k=k, embedding_ids=places, mmr_threshold=threshold
            )
            found = [(found[at][0], score, found[at][2]) for score, at in zip(scores, chosen)]
        else:
            raise ValueError(f"mode {query.mode}: this store knows the modes default and mmr")
        return VectorStoreQueryResult(
            nodes=[_node(text) for _, _, text in found],
            similarities=[score for _, score, _ in found],
            ids=[id for id, _, _ in found],
        )

    def close(self):
        """Lets go of the folder."""
        self._documents.close()

    def _admitted(self, node_ids, filters):
        rows = self._documents.get(node_ids)
        keeps = build_metadata_filter_fn(lambda id: json.loads(rows[id])["metadata"], filters)
        return {id: text for id, text in rows.items() if keeps(id)}


def _node(text):
    return metadata_dict_to_node(json.loads(text)["metadata"])


def _admits(query):
    """A function of (id, text), or None where everything is admitted."""
    # An index over a store has an empty list of nodes, and means all of them.
    nodes, documents = set(query.node_ids or []), set(query.doc_ids or [])
    if query.filters is None and not nodes and not documents:
        return None

    def admits(id, text):
        row = json.loads(text)
        if nodes and id not in nodes or documents and row["ref"] not in documents:
            return False
        return build_metadata_filter_fn(lambda _: row["metadata"], query.filters)(id)

    return admits
