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


def test_shinka_scheduler():
    try:
        from shinka.launch import JobScheduler, LocalJobConfig
    except ImportError as error:
        print(f"skipped shinka: {error}")
        return
    config = LocalJobConfig(eval_program_path=os.path.join(HERE, "shinka_evaluate.py"))
    scheduler = JobScheduler(job_type="local", config=config)
    for text, good in [("fine", True), ("forbidden", False)]:
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "main.rs")
            with open(program, "w") as file:
                file.write(text)
            results, _ = scheduler.run(program, folder)
            assert results["correct"]["correct"] is good, results
            assert (results["metrics"]["combined_score"] > 0) is good, results
    print("shinka: its own scheduler ran the adapter")


def tiny_tokenizer():
    """Eleven words, so that nothing has to be downloaded."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: at for at, word in enumerate(["<pad>", "<eos>", "<unk>", *"abcdefgh"])}
    inner = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def test_verl():
    try:
        import torch
        from omegaconf import OmegaConf
        from verl import DataProto
        from verl.trainer.ppo.reward import get_custom_reward_fn
        from verl.workers.reward_manager.naive import NaiveRewardManager
    except Exception as error:  # a half-installed package raises anything
        print(f"skipped verl: {type(error).__name__}: {error}")
        return
    import numpy

    named = {"path": os.path.join(HERE, "verl_reward.py"), "name": "compute_score"}
    score = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": named}}))
    manager = NaiveRewardManager(tiny_tokenizer(), num_examine=0, compute_score=score)
    prompts = torch.tensor([[3, 4, 5]] * 2)
    responses = torch.tensor([[6, 7, 8, 1], [6, 7, 0, 0]])
    mask = torch.tensor([[1] * 7, [1, 1, 1, 1, 1, 0, 0]])
    data = DataProto.from_dict(
        tensors={"prompts": prompts, "responses": responses, "attention_mask": mask},
        non_tensors={
            "data_source": numpy.array(["crinoid"] * 2, dtype=object),
            "reward_model": numpy.array([{"ground_truth": ""}] * 2, dtype=object),
        },
    )
    reward = manager(data, return_dict=True)["reward_tensor"]
    # One score per answer, at its last token.
    assert (reward > 0).tolist() == [[False] * 3 + [True], [False, True, False, False]], reward
    print(f"verl: its own reward manager ran the adapter, {reward.sum(dim=1).tolist()}")


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
        from transformers import LlamaConfig, LlamaForCausalLM
        from trl import GRPOConfig, GRPOTrainer
    except Exception as error:  # a half-installed package raises anything
        print(f"skipped trl: {error}")
        return
    from trl_reward import crinoid_reward

    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
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
        test_shinka_scheduler()
        test_openevolve()
        test_verl()
        test_trl()
    print("adapters: passed")
