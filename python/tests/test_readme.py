"""The programs of README.md and of the book run, and the stubs know every public name."""

import ast
import re
from pathlib import Path

import crinoid
import pytest

HERE = Path(__file__).parent.parent
FRONT = HERE / "FRONT.md" if (HERE / "FRONT.md").exists() else HERE.parent / "README.md"
BOOK = HERE.parent / "docs" / "book" / "src" / "python.md"
PLACES = [FRONT, HERE / "README.md", *([BOOK] if BOOK.exists() else [])]
PROGRAMS = [
    program
    for place in PLACES
    for program in re.findall(r"```python\n(.*?)```", place.read_text(), re.DOTALL)
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_the_readme_run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {})


def test_there_are_programs():
    assert len(PROGRAMS) == (10 if BOOK.exists() else 8)


def test_the_stubs_name_what_there_is():
    places = [HERE / "__init__.pyi", HERE / "crinoid" / "__init__.pyi"]
    stubs = ast.parse(next(place for place in places if place.exists()).read_text())
    classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
    assert set(classes) == set(crinoid.__all__) - {"__version__", "read"}
    for name in ["Index", "Collection", "Filter", "Retriever", "SearchIter", "Table"]:
        there = {one for one in vars(getattr(crinoid, name)) if not one.startswith("_")}
        told = {one.name for one in classes[name].body if isinstance(one, ast.FunctionDef)}
        assert there == {one for one in told if not one.startswith("_")}, name
