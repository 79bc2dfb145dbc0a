"""README.md and docs/: links, files, functions and flags that they mention exist."""

import ast
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from data.annotations import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "weights" / "README.md",
    *sorted(ROOT.glob("*_dataset_evaluate/groundtruths/README.md")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
# A path of a Python file of the repository, and a name in it: engine/train/optim.py:Phase.factor
PLACE = re.compile(r"(?<![\w/.*}-])((?:[\w]+/)*\w+\.(?:py|pyx|html))(?::([\w.]*\w))?")
COMMAND = re.compile(r"(?:python|torchrun)\s.*")
RUN_ALL = """
import contextlib, io, json, runpy, sys
sys.path.insert(0, "")
helps = {}
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        (runpy.run_path if script.endswith(".py") else runpy.run_module)(script, run_name="__main__")
    helps[script] = printed.getvalue()
print(json.dumps(helps))
"""
ROOT_FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def without_blocks(page: Path) -> str:
    return BLOCK.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> list[tuple[str, list[str]]]:
    """Return (script or module, words after it) of all Python commands in the pages."""
    found = []
    for page in PAGES:
        blocks = [block.replace("\\\n", " ") for kind, block in BLOCK.findall(text_of(page)) if not kind]
        lines = [line for block in blocks for line in block.splitlines()]
        lines += [code.replace("\n", " ") for code in INLINE.findall(without_blocks(page))]
        for line in lines:
            match = COMMAND.search(line)
            words = shlex.split(match[0], comments=True) if match else []
            for place, word in enumerate(words):
                is_tool = word.startswith("tools.") and words[place - 1] == "-m"
                if is_tool or (word.endswith(".py") and word != "setup.py" and (ROOT / word).is_file()):
                    found.append((word, words[place + 1 :]))
                    break
    return found


def helps_of(scripts: list[str]) -> dict[str, str]:
    """Return what each script or module prints for --help; one process runs all, for it imports PyTorch once."""
    output = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *scripts], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return json.loads(output)


def test_readme_is_short():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 220


@pages
def test_links_resolve(page):
    for target in LINK.findall(without_blocks(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(linked), f"{target}: no such heading"


@pages
def test_files_and_functions_exist(page):
    for path, name in PLACE.findall(" ".join(INLINE.findall(without_blocks(page)))):
        file = ROOT / path
        if "/" in path and path.split("/")[0] in ROOT_FOLDERS:
            assert file.is_file(), f"{path}: no such file"
        if name:
            assert file.is_file(), f"{path}:{name}: no such file"
            assert set(name.split(".")) <= defined_names(file), f"{path}:{name}: no such function, class or constant"


@cache
def defined_names(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_tests_that_the_pages_name_exist():
    defined = {name for file in (ROOT / "tests").rglob("test_*.py") for name in defined_names(file)}
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", text_of(page)):
            assert name in defined, f"{page.name}: {name}: no such test"


def test_every_row_of_the_exports_names_a_test_and_a_format():
    """Rows of formats that are refused have a dash in place of the format."""
    section = text_of(ROOT / "docs" / "data.md").split("## Exports of labelling tools")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    for row in ([cell.strip() for cell in line] for line in lines[2:]):
        assert len(row) == 6 and re.search(r"`test_\w+`", row[5]), row
        assert set(re.findall(r"`(\w+)`", row[2])) <= FORMATS.keys() and (row[2] == "-" or "`" in row[2]), row


def test_every_flag_of_every_command_exists():
    called = commands()
    assert {"train.py", "val_tvface.py", "detect.py", "tools.check"} <= {script for script, _ in called}
    helps = helps_of(sorted({script for script, _ in called}))
    for script in helps:
        if script.startswith("benchmarks/") and "train.py" in helps[script]:  # passes further flags on to train.py
            helps[script] += helps["train.py"]
    for script, words in called:
        for flag in (word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)):
            assert re.search(rf"(?<![\w-]){flag}(?![\w-])", helps[script]), f"{script}: has no flag {flag}"


@pages
def test_python_snippets_compile(page):
    for kind, block in BLOCK.findall(text_of(page)):
        if kind == "python":
            compile(block, str(page), "exec")
