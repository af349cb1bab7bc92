"""One candidate judged by `cargo xtask reward`: what all adapters call.

Settings come from the environment:
  CRINOID_ROOT     root of the Crinoid workspace (default: three folders up from this file)
  CRINOID_MODULE   graph, search or refine (default: search)
  CRINOID_DATA     data sets to reward, separated by commas (default: embedded)
  CRINOID_REWARD   another command in the place of `cargo xtask reward`
  CRINOID_SECONDS  patience per candidate (default: 1800)

Judgements are made one at a time (a lock file), because they are timings.
"""

import fcntl
import json
import os
import shlex
import subprocess
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def judge(text, suffix=".md"):
    """The verdict on `text`: an answer with the three sections (.md), or a source file (.rs).

    Always a dict with `reward`, `ratio`, `scores`, `failure`, `message`; whatever goes wrong with
    the candidate is a reward of 0. Raises RuntimeError when the laboratory itself fails.
    """
    root = os.environ.get("CRINOID_ROOT", ROOT)
    command = shlex.split(os.environ.get("CRINOID_REWARD", "cargo xtask reward"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "candidate" + suffix)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        command += ["--module", os.environ.get("CRINOID_MODULE", "search"), "--candidate", path]
        command += ["--data", os.environ.get("CRINOID_DATA", "embedded"), "--json"]
        with open(os.path.join(tempfile.gettempdir(), "crinoid-reward.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run(
                command,
                cwd=root,
                capture_output=True,
                text=True,
                timeout=float(os.environ.get("CRINOID_SECONDS", "1800")),
            )
    if done.returncode != 0:
        raise RuntimeError(f"the laboratory failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
