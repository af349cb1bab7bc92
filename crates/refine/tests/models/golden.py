"""Reference scores for tests/models.rs: `python golden.py > golden.json`, with torch and transformers.

The weights are a hash of tensor name and position, the same here and in the test, so no weights are
kept in the repository. Made with transformers 5 and torch on a CPU (versions in golden.json).
Given the folder of all-MiniLM-L6-v2 as an argument, adds its vectors of a few texts.
"""

import json
import sys
from pathlib import Path

import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).parent
QUERY = "how to open a file"
TEXTS = [
    "open a file",
    "read the bytes of a socket and close it at once then write what was read to a file",
    "x",
    "how how how",
    "",
]


def hashed(name, shape):
    """A quarter either way, every value exact in 24 bits; around one for the scales of norms."""
    state = numpy.uint64(0xCBF29CE484222325)
    with numpy.errstate(over="ignore"):
        for byte in name.encode():
            state = (state ^ numpy.uint64(byte)) * numpy.uint64(0x100000001B3)
        z = state + numpy.arange(int(numpy.prod(shape)), dtype=numpy.uint64)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    values = (z >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2**-25) - numpy.float32(0.25)
    if name.endswith("orm.weight"):
        values += numpy.float32(1)
    return torch.from_numpy(values.reshape(shape))


def fill(model):
    state = {name: hashed(name, tensor.shape) for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    model.load_state_dict(state, strict=False)
    return {name: list(tensor.shape) for name, tensor in state.items()}


def tokenizer(folder, pad):
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token=pad, padding_side="right")


def encode(tokens, *texts, limit):
    batch = tokens(*texts, truncation=True, max_length=limit, padding=True, return_tensors="pt", return_token_type_ids=True)
    return dict(batch)


def score(name, pad, limit, types):
    folder = HERE / name
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").float().eval()
    tensors = fill(model)
    batch = encode(tokenizer(folder, pad), [QUERY] * len(TEXTS), TEXTS, limit=limit)
    if not types:
        del batch["token_type_ids"]
    with torch.no_grad():
        logits = model(**batch).logits
    return {"limit": limit, "tensors": tensors, "scores": logits.squeeze(1).tolist()}


def pooled(model, batch):
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(2).float()
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=1)


def embed(name, pad, limit):
    folder = HERE / name
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager", add_pooling_layer=False)
    tensors = fill(model.float().eval())
    batch = encode(tokenizer(folder, pad), TEXTS, limit=limit)
    return {"limit": limit, "tensors": tensors, "vectors": pooled(model, batch).tolist()}


def minilm(folder):
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokens = PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]")
    tokens.backend_tokenizer.no_truncation()
    tokens.backend_tokenizer.no_padding()
    texts = [QUERY] + TEXTS + ["fn main() { println!(\"héllo, wörld 世界\"); }", "loop and loop " * 200]
    vectors = torch.cat([pooled(model, encode(tokens, [text], limit=256)) for text in texts])
    return {"texts": texts, "vectors": [[round(x, 7) for x in row] for row in vectors.tolist()]}


golden = {
    "transformers": transformers.__version__,
    "torch": torch.__version__,
    "query": QUERY,
    "texts": TEXTS,
    "cross-encoders": {
        "bert": score("bert", "[PAD]", 16, True),
        "xlm-roberta": score("xlm-roberta", "<pad>", 16, False),
        "modernbert": score("modernbert", "[PAD]", 24, False),
    },
    "embedder": embed("bert", "[PAD]", 12),
}
if len(sys.argv) > 1:
    golden["minilm"] = minilm(sys.argv[1])
json.dump(golden, sys.stdout)
print()
