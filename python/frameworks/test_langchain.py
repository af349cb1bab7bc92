"""LangChain: its standard tests, then ours."""

import pytest
from conftest import closest, meaning
from crinoid.langchain import CrinoidVectorStore
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import VectorStoreIntegrationTests


class Meaning(Embeddings):
    def embed_documents(self, texts):
        return [meaning(text) for text in texts]

    def embed_query(self, text):
        return meaning(text)


class TestStandard(VectorStoreIntegrationTests):
    @pytest.fixture()
    def vectorstore(self):
        store = CrinoidVectorStore(self.get_embeddings())
        yield store
        store.close()


def test_documents_are_found_by_meaning_and_outlive_the_process(texts, tmp_path):
    store = CrinoidVectorStore.from_texts(
        texts, Meaning(), [{"colour": text.split()[0]} for text in texts], ids=texts, folder=tmp_path
    )
    for _ in range(2):
        found = store.similarity_search_with_score("green pear", k=4)
        assert [document.page_content for document, _ in found] == closest(texts, "green pear", 4)
        assert found[0][1] == pytest.approx(1.0, abs=1e-5)
        assert found[0][0].metadata == {"colour": "green"} and found[0][0].id == "green pear"
        store.close()
        store = CrinoidVectorStore(Meaning(), folder=tmp_path)
    store.delete(["green pear"])
    assert store.similarity_search("green pear", k=1)[0].page_content != "green pear"
    assert [one.id for one in store.get_by_ids(["red car", "green pear"])] == ["red car"]


def test_filters_leave_out_what_does_not_fit(texts):
    store = CrinoidVectorStore.from_texts(texts, Meaning(), [{"colour": text.split()[0]} for text in texts])
    blue = [text for text in texts if text.startswith("blue")]
    for admits in [{"colour": "blue"}, lambda document: document.metadata["colour"] == "blue"]:
        found = store.similarity_search("red house", k=3, filter=admits)
        assert [document.page_content for document in found] == closest(blue, "red house", 3)
    assert store.similarity_search("red house", k=3, filter={"colour": "black"}) == []
    with pytest.raises(ValueError, match="function of the document"):
        store.similarity_search("red house", filter="colour = blue")


def test_relevance_is_within_bounds_and_diversity_is_diverse(texts):
    store = CrinoidVectorStore.from_texts(texts + ["red apple"], Meaning(), ids=[*texts, "again"])
    relevant = store.similarity_search_with_relevance_scores("red apple", k=5)
    assert all(0.0 <= score <= 1.0 for _, score in relevant) and relevant[0][1] > 0.99
    plain = store.similarity_search("red apple", k=2)
    assert [document.page_content for document in plain] == ["red apple", "red apple"]
    diverse = store.max_marginal_relevance_search("red apple", k=2, fetch_k=10, lambda_mult=0.3)
    assert [document.page_content for document in diverse].count("red apple") == 1
    retriever = store.as_retriever(search_kwargs={"k": 1})
    assert retriever.invoke("blue car")[0].page_content == "blue car"


def test_what_is_no_json_is_refused_by_name():
    store = CrinoidVectorStore(Meaning())
    with pytest.raises(ValueError, match="document 'x'.*JSON"):
        store.add_documents([Document(page_content="a", metadata={"when": object()})], ids=["x"])
    with pytest.raises(ValueError, match="1 ids and 2 metadatas for 2 texts"):
        store.add_texts(["a", "b"], ids=["x"])
