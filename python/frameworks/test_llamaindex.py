"""LlamaIndex: the store alone, under an index, and with every filter operator."""

import pytest
from conftest import closest, meaning
from crinoid.llamaindex import CrinoidVectorStore
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)


class Meaning(BaseEmbedding):
    def _get_text_embedding(self, text):
        return meaning(text)

    _get_query_embedding = _get_text_embedding

    async def _aget_query_embedding(self, query):
        return meaning(query)


def nodes(texts):
    made = []
    for at, text in enumerate(texts):
        colour = text.split()[0]
        node = TextNode(id_=text, text=text, metadata={"colour": colour, "at": at}, embedding=meaning(text))
        node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"all {colour}")
        made.append(node)
    return made


@pytest.fixture
def store(texts):
    store = CrinoidVectorStore()
    assert store.add(nodes(texts)) == texts
    yield store
    store.close()


def ask(store, text, k, **more):
    return store.query(VectorStoreQuery(query_embedding=meaning(text), similarity_top_k=k, **more))


def test_nodes_are_found_by_meaning(store, texts):
    found = ask(store, "green pear", 4)
    assert found.ids == [node.text for node in found.nodes] == closest(texts, "green pear", 4)
    assert found.similarities[0] == pytest.approx(1.0, abs=1e-5)
    assert found.nodes[0].metadata == {"colour": "green", "at": 5} and found.nodes[0].ref_doc_id == "all green"


def test_nodes_are_deleted_by_document_by_id_and_by_filter(store, texts):
    store.delete("all red")
    assert {node.metadata["colour"] for node in store.get_nodes()} == {"green", "blue"}
    store.delete_nodes(["green pear"])
    even = MetadataFilters(filters=[MetadataFilter(key="at", value=8, operator=">=")])
    store.delete_nodes(filters=even)
    assert [node.text for node in store.get_nodes()] == ["green apple", "green car", "green house"]
    assert ask(store, "blue car", 9).ids == closest(["green apple", "green car", "green house"], "blue car", 9)
    store.clear()
    assert ask(store, "blue car", 1).ids == []


@pytest.mark.parametrize(
    ("key", "operator", "value", "fits"),
    [
        ("colour", "==", "blue", lambda text, at: text.startswith("blue")),
        ("colour", "!=", "blue", lambda text, at: not text.startswith("blue")),
        ("at", ">", 5, lambda text, at: at > 5),
        ("at", "<=", 2, lambda text, at: at <= 2),
        ("colour", "in", ["red", "blue"], lambda text, at: text[0] in "rb"),
        ("colour", "nin", ["red", "blue"], lambda text, at: text[0] == "g"),
        ("colour", "text_match", "re", lambda text, at: text[0] in "rg"),
    ],
)
def test_filters_leave_out_what_does_not_fit(store, texts, key, operator, value, fits):
    left = [text for at, text in enumerate(texts) if fits(text, at)]
    filters = MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])
    assert ask(store, "red house", 12, filters=filters).ids == closest(left, "red house", 12)


def test_filters_are_combined_and_ids_are_filters(store, texts):
    either = MetadataFilters(
        filters=[MetadataFilter(key="colour", value="red"), MetadataFilter(key="at", value=11)],
        condition=FilterCondition.OR,
    )
    assert set(ask(store, "car", 12, filters=either).ids) == {*texts[:4], texts[11]}
    assert ask(store, "car", 12, node_ids=["red pear", "blue car"]).ids == ["blue car", "red pear"]
    assert set(ask(store, "car", 12, doc_ids=["all green"]).ids) == set(texts[4:8])


def test_diversity_is_diverse_and_other_modes_are_refused(store):
    store.add([TextNode(id_="again", text="red apple", embedding=meaning("red apple"))])
    found = ask(store, "red apple", 2, mode=VectorStoreQueryMode.MMR, mmr_threshold=0.3)
    assert sorted(node.text for node in found.nodes).count("red apple") == 1
    with pytest.raises(ValueError, match="default and mmr"):
        ask(store, "red apple", 2, mode=VectorStoreQueryMode.HYBRID)
    with pytest.raises(ValueError, match="embed_model"):
        store.query(VectorStoreQuery(similarity_top_k=1))


def test_an_index_stands_on_it_and_outlives_the_process(texts, tmp_path):
    store = CrinoidVectorStore(folder=tmp_path)
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex(
        [TextNode(text=text, id_=text) for text in texts], storage_context=context, embed_model=Meaning()
    )
    store.close()
    store = CrinoidVectorStore(folder=tmp_path)
    index = VectorStoreIndex.from_vector_store(store, embed_model=Meaning())
    found = index.as_retriever(similarity_top_k=3).retrieve("blue pear")
    assert [node.node.get_content() for node in found] == closest(texts, "blue pear", 3)
