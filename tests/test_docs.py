"""The pages are true: what they show runs, what they link to is there, what is made is fresh."""

from __future__ import annotations

import doctest
import importlib
import io
import json
import re
import shlex
import subprocess
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from meterstone.catalogue.source import read_yaml
from meterstone.docs import pages, write

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [body for info, body in FENCE.findall(text) if info.partition(" ")[0] in languages]


def with_blocks(*languages: str) -> pytest.MarkDecorator:
    found = [path for path in PAGES if blocks(path, *languages)]
    return pytest.mark.parametrize("path", found, ids=page_id)


# --- what is shown -------------------------------------------------------------------------------


@with_blocks("python")
def test_python_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page are one program, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    with redirect_stdout(io.StringIO()):
        for block in blocks(path, "python"):
            exec(compile(block, page_id(path), "exec"), names)  # noqa: S102  # our own pages


@with_blocks("yaml")
def test_yaml_is_yaml(path: Path, tmp_path: Path) -> None:
    for block in blocks(path, "yaml"):
        (tmp_path / "block.yaml").write_text(block, encoding="utf-8")
        assert read_yaml(tmp_path / "block.yaml").content == yaml.safe_load(block)


def test_json_is_json() -> None:
    for path in PAGES:
        for block in blocks(path, "json"):
            json.loads(block)


def commands(path: Path) -> list[list[str]]:
    """Commands of ours that a page shows: after ``$`` on a console, or as a line of a script."""
    lines = [
        line.removeprefix("$ ")
        for block in blocks(path, "console")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("$ ")
    ]
    for block in blocks(path, "sh"):
        lines += block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := _words(line))]


def _words(line: str) -> list[str]:
    """The words of a call of ours, up to a pipe; nothing of other programs."""
    found = re.search(r"(?:^|\s|/)(meterstone|\./run)\s+([^|>;&]*)", line)
    return shlex.split(f"{found[1]} {found[2]}", comments=True) if found else []


@pytest.mark.parametrize("path", [p for p in PAGES if commands(p)], ids=page_id)
def test_commands_are_there_with_their_options(path: Path) -> None:
    for command in commands(path):
        if command[0] == "./run":
            assert command[1] in _jobs() | {"--"}, command
        else:
            _check_command(command[1:])


def _jobs() -> set[str]:
    usage = (ROOT / "run").read_text(encoding="utf-8")
    return set(re.findall(r"^    (\w+)\)", usage, re.MULTILINE))


def _check_command(words: list[str]) -> None:
    """Follow the words through the command tree; every option has to be one of the command."""
    command: Any = _command_tree()
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, words
        command = command.commands[words[0]]
        words = words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {option for parameter in command.params for option in parameter.secondary_opts}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, (command.name, word)


def _command_tree() -> Any:
    typer = importlib.import_module("typer")
    return typer.main.get_command(importlib.import_module("meterstone.cli").app)


DOCTESTED = ("catalogue.problems", "catalogue.units", "insight.roi", "publish.openmetrics")


@pytest.mark.parametrize("name", DOCTESTED)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"meterstone.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_no_docstring_example_is_left_untested() -> None:
    source = ROOT / "src" / "meterstone"
    with_examples = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in source.rglob("*.py")
        if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert with_examples == set(DOCTESTED)


# --- what is linked ------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        again = sum(1 for known in found if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", known))
        found.add(f"{anchor}-{again}" if again else anchor)
    return found


def links(path: Path) -> list[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    return [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("path", [p for p in PAGES if links(p)], ids=page_id)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target)
        ):
            broken.append(link)
    assert broken == []


# --- what is generated ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["facts.md", "metrics.md", "schemas/facts.json"])
def test_generated_pages_are_fresh(name: str) -> None:
    on_disk = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert on_disk == pages()[name], "run: python -m meterstone.docs"


def test_the_generator_writes_every_page(tmp_path: Path) -> None:
    written = write(tmp_path / "docs")
    assert [str(path.relative_to(tmp_path / "docs")) for path in written] == list(pages())
    assert all(path.stat().st_size > 10_000 for path in written)


# --- what is nobody's business -------------------------------------------------------------------

SLASH = "/"
MACHINE = re.compile(rf"(?<![\w.{SLASH}-]){SLASH}(?:work|root|home)(?={SLASH}\w)")
REGISTRY = re.compile(
    r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|registry|proxy|mirror|index)[\w.-]*"
)


def tracked() -> list[Path]:
    """Files under version control; without git, all that lie in our folders."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        folders = [ROOT / name for name in ("src", "tests", "docs", "bench", ".ci")]
        found = [path for folder in folders for path in folder.rglob("*")]
    return [path for path in found if path.is_file() and path.suffix != ".pyc"]


def test_no_path_of_a_machine_and_no_registry_is_written_down() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [f"{page_id(path)}: {match[0]}" for match in MACHINE.finditer(text)]
        found += [f"{page_id(path)}: {match[0]}" for match in REGISTRY.finditer(text)]
    assert found == []
