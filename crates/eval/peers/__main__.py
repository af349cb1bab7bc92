"""python3 crates/eval/peers NAME: the system NAME as a subject on stdin and stdout.
python3 crates/eval/peers --list: one JSON object a line for every system, installed or not."""

import importlib
import json
import sys
from importlib import metadata
from pathlib import Path

from subject import serve

NAMES = sorted(file.stem for file in (Path(__file__).parent / "systems").glob("[!_]*.py"))


def describe(name):
    """What `--list` says of one system: whether it is here, and what a comparison tries."""
    try:
        system = importlib.import_module(f"systems.{name}").SYSTEM
        version = system.version()
    except (ImportError, metadata.PackageNotFoundError) as error:
        return {"name": name, "installed": False, "reason": str(error)}
    return {
        "name": name,
        "installed": True,
        "version": version,
        "parameters": system.parameters,
        "configurations": list(system.configurations),
    }


def main(arguments):
    if arguments == ["--list"]:
        for name in NAMES:
            print(json.dumps(describe(name)))
        return 0
    if len(arguments) != 1 or arguments[0] not in NAMES:
        print(f"{__doc__}\nNAME is one of: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    serve(importlib.import_module(f"systems.{arguments[0]}").SYSTEM)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
