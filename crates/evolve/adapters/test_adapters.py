"""Tests of the adapters. The judge is a stand-in that rewards length; the frameworks are real
where they are installed, and skipped with a message where they are not."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

STUB = """
import json, sys
path = sys.argv[sys.argv.index("--candidate") + 1]
text = open(path).read()
bad = "forbidden" in text
failure = {"kind": "forbidden", "why": "line 1"} if bad else None
reward = 0.0 if bad else len(text) % 97 / 97 + 0.01
score = {"ratio": reward, "lower": reward, "reward": 1.0}
print(json.dumps({"reward": reward, "ratio": reward, "scores": {} if bad else {"embedded": score},
                  "failure": failure, "message": "refused" if bad else None, "gate": None}))
"""


def test_plain():
    import trl_reward
    import verl_reward

    assert trl_reward.crinoid_reward(completions=["fine", [{"content": "fine"}]]) == [4 / 97 + 0.01] * 2
    assert trl_reward.crinoid_reward(completions=["forbidden"]) == [0.0]
    assert verl_reward.compute_score("x", "forbidden", None)["failed"] == "forbidden"
    assert verl_reward.compute_score("x", "fine", None)["score"] > 0


def test_shinka():
    with tempfile.TemporaryDirectory() as folder:
        for text, good in [("fine", True), ("forbidden", False)]:
            program = os.path.join(folder, "p.rs")
            with open(program, "w") as file:
                file.write(text)
            script = os.path.join(HERE, "shinka_evaluate.py")
            subprocess.run(
                [sys.executable, script, "--program_path", program, "--results_dir", folder],
                check=True,
            )
            correct = json.load(open(os.path.join(folder, "correct.json")))
            metrics = json.load(open(os.path.join(folder, "metrics.json")))
            assert correct["correct"] is good and (metrics["combined_score"] > 0) is good


def test_openevolve():
    try:
        import openevolve  # noqa: F401
        from openevolve.config import EvaluatorConfig
        from openevolve.evaluator import Evaluator
    except ImportError as error:
        print(f"skipped openevolve: {error}")
        return
    import asyncio

    config = EvaluatorConfig()
    config.cascade_evaluation = False
    evaluator = Evaluator(config, os.path.join(HERE, "openevolve_evaluator.py"))
    for text, good in [("fine", True), ("forbidden", False)]:
        metrics = asyncio.run(evaluator.evaluate_program(text, f"id-{good}"))
        assert (metrics["combined_score"] > 0) is good, metrics
    print("openevolve: its own Evaluator ran the adapter")


def test_trl():
    try:
        import torch
        from datasets import Dataset
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
        from trl import GRPOConfig, GRPOTrainer
    except Exception as error:  # a half-installed package raises anything
        print(f"skipped trl: {error}")
        return
    from trl_reward import crinoid_reward

    torch.manual_seed(0)
    words = {word: at for at, word in enumerate(["<pad>", "<eos>", "<unk>", *"abcdefgh"])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    shape = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=LlamaForCausalLM(shape),
            reward_funcs=crinoid_reward,
            args=GRPOConfig(
                output_dir=folder, per_device_train_batch_size=4, num_generations=4, max_steps=2,
                max_completion_length=8, use_cpu=True, report_to=[], save_strategy="no",
                logging_steps=1, bf16=False,
            ),
            train_dataset=Dataset.from_dict({"prompt": ["a b c", "d e f"] * 4}),
            processing_class=tokenizer,
        )
        trainer.train()
        rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
        assert len(rewards) == 2 and all(reward > 0 for reward in rewards), rewards
    print(f"trl: two steps of GRPO, rewards {rewards}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        stub = os.path.join(folder, "stub.py")
        with open(stub, "w") as file:
            file.write(STUB)
        os.environ["CRINOID_REWARD"] = f"{sys.executable} {stub}"
        test_plain()
        test_shinka()
        test_openevolve()
        test_trl()
    print("adapters: passed")
