"""Haystack: its standard tests, then ours."""

import pytest
from conftest import closest, meaning
from crinoid.haystack import CrinoidDocumentStore, CrinoidEmbeddingRetriever
from haystack import Document, Pipeline
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing.document_store import DocumentStoreBaseExtendedTests


class TestStandard(DocumentStoreBaseExtendedTests):
    @pytest.fixture
    def document_store(self):
        store = CrinoidDocumentStore()
        yield store
        store.close()

    def test_write_documents(self, document_store):
        document = Document(content="test doc")
        assert document_store.write_documents([document]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([document])
        assert document_store.filter_documents() == [document]


def documents(texts):
    return [Document(id=text, content=text, meta={"colour": text.split()[0]}, embedding=meaning(text)) for text in texts]


def test_documents_are_found_by_meaning_and_outlive_the_process(texts, tmp_path):
    store = CrinoidDocumentStore(tmp_path)
    store.write_documents([*documents(texts), Document(content="no embedding")])
    for _ in range(2):
        found = store.embedding_retrieval(meaning("green pear"), top_k=4)
        assert [one.content for one in found] == closest(texts, "green pear", 4)
        assert found[0].score == pytest.approx(1.0, abs=1e-5) and found[0].embedding is None
        assert store.count_documents() == len(texts) + 1
        store.close()
        store = CrinoidDocumentStore(tmp_path)
    # Without its embedding a document is still there, and not found by it.
    store.write_documents([Document(id="green pear", content="bare")], DuplicatePolicy.OVERWRITE)
    assert store.embedding_retrieval(meaning("green pear"), top_k=1)[0].content != "green pear"
    assert store.count_documents() == len(texts) + 1


def test_filters_leave_out_what_does_not_fit(texts):
    store = CrinoidDocumentStore()
    store.write_documents(documents(texts))
    blue = {"field": "meta.colour", "operator": "==", "value": "blue"}
    found = store.embedding_retrieval(meaning("red house"), filters=blue, top_k=9)
    left = [text for text in texts if text.startswith("blue")]
    assert [one.content for one in found] == closest(left, "red house", 9)


def test_a_pipeline_is_written_down_and_run(texts, tmp_path):
    store = CrinoidDocumentStore(tmp_path)
    store.write_documents(documents(texts))
    pipeline = Pipeline()
    pipeline.add_component("retriever", CrinoidEmbeddingRetriever(store, top_k=2))
    text = pipeline.dumps()
    ran = pipeline.run({"retriever": {"query_embedding": meaning("blue car")}})
    store.close()
    loaded = Pipeline.loads(text, allowed_modules=["crinoid.haystack"])
    again = loaded.run({"retriever": {"query_embedding": meaning("blue car")}})
    assert [one.content for one in again["retriever"]["documents"]] == closest(texts, "blue car", 2)
    assert [one.id for one in ran["retriever"]["documents"]] == [one.id for one in again["retriever"]["documents"]]
