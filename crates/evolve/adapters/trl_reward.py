"""A reward function for TRL's GRPOTrainer: `GRPOTrainer(..., reward_funcs=crinoid_reward)`.

TRL normalises within the group itself (equation 2), so the plain reward is what it gets.
"""

from crinoid_reward import judge


def text_of(completion):
    """A completion as text, whether it is plain or a list of chat messages."""
    if isinstance(completion, str):
        return completion
    return "".join(message.get("content") or "" for message in completion)


def crinoid_reward(prompts=None, completions=(), **_):
    """One float per completion; answers that fail anywhere earn 0."""
    return [float(judge(text_of(completion))["reward"]) for completion in completions]
