"""What the documents say is true: commands parse, imports exist, links lead somewhere."""

import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

import inception
from inception.cli import app
from inception.models import MODELS
from inception.models.cost import cost

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text("utf-8")
PIPES = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


def blocks(text: str, *languages: str) -> list[str]:
    """Fenced code blocks in these languages."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in found if language in languages]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> list[list[str]]:
    """Words after ``inception`` of every call of it, in code blocks and in running text."""
    fenced = "\n".join(blocks(text, "", "sh", "bash", "console")).replace("\\\n", " ")
    inline = re.findall(r"`(inception [^`]+)`", without_blocks(text))
    lines = []
    for line in [*fenced.splitlines(), *inline]:
        if "inception " not in line:
            continue
        lexer = shlex.shlex(" ".join(line.split()), posix=True, punctuation_chars=True)
        lexer.commenters, lexer.whitespace_split = "#", True
        command: list[str] = []
        for word in [*lexer, "|"]:
            if word not in PIPES:
                command.append(word)
                continue
            words = command[1:] if command[:1] == ["$"] else command
            if words and Path(words[0]).name == "inception":
                lines.append(words[1:])
            command = []
    return lines


COMMANDS = sorted(
    {(page.name, *words) for page in PAGES for words in command_lines(page.read_text("utf-8"))}
)


def parse(command: Any, words: list[str]) -> None:
    """Goes down to the command the words name and lets it parse the rest, without running it."""
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words))


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_every_command_in_the_documents_parses(line: tuple[str, ...]) -> None:
    page, *words = line
    try:
        parse(typer.main.get_command(app), words)
    except typer.Exit:  # --help and its like
        pass
    except TyperException as error:
        pytest.fail(f"{page}: inception {shlex.join(words)}: {error.format_message()}")


def test_the_readme_shows_the_main_commands() -> None:
    shown = {words[1] for words in COMMANDS if words[0] == "README.md"}
    assert {"data", "train", "evaluate", "predict", "export", "models", "compare"} <= shown


@pytest.mark.parametrize(
    "words", [["ship", "runs/a"], ["train", "pets", "--epoch-count", "3"], ["data", "mend", "a"]]
)
def test_a_command_or_option_that_is_none_is_found(words: list[str]) -> None:
    with pytest.raises((AssertionError, TyperException), match=r"no command|No such option"):
        parse(typer.main.get_command(app), words)


PYTHON = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(blocks(page.read_text("utf-8"), "python"), 1)
]


@pytest.mark.parametrize("code", PYTHON)
def test_python_in_the_documents_compiles_and_its_imports_exist(code: str) -> None:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inception"):
            module = importlib.import_module(node.module or "")
            assert [a.name for a in node.names if not hasattr(module, a.name)] == []


@pytest.mark.parametrize(
    "code", blocks((ROOT / "docs/from-others.md").read_text("utf-8"), "python")
)
def test_what_the_guides_from_other_libraries_assert_holds(code: str) -> None:
    exec(compile(code, "from-others.md", "exec"), {})


def test_code_quoted_in_the_readme_is_in_the_file_it_names() -> None:
    quoted = [block for block in blocks(README, "python") if block.startswith("# inception/")]
    assert quoted
    for block in quoted:
        first, *lines = block.splitlines()
        source = (ROOT / first.removeprefix("# ")).read_text("utf-8").splitlines()
        assert [line for line in lines if line not in source] == []


def test_departures_are_those_of_the_specs() -> None:
    text = (ROOT / "docs" / "departures.md").read_text("utf-8")
    written = {}
    for section in text.split("\n## ")[1:]:
        name, *lines = section.splitlines()
        written[name] = tuple(line[2:] for line in lines if line.startswith("- "))
    assert written == {name: spec.departures for name, spec in MODELS.items()}


def test_parameters_in_the_readme_are_those_of_the_tables() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+ \| [\d,–]+) \|", README, re.MULTILINE))
    assert {"googlenet", "googlenet_bn", "googlenet_tv", "googlenet_small"} <= set(rows)
    for name, counts in rows.items():
        c = cost(MODELS[name])
        with_heads = f"{c.parameters_with_aux:,}" if c.aux else "–"
        assert counts == f"{c.parameters:,} | {with_heads}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_to_files(page: Path) -> None:
    text = without_blocks(page.read_text("utf-8"))
    targets = re.findall(r"""\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)\"""", text)
    files = [t.split("#")[0] for pair in targets for t in pair if not re.match(r"[a-z]+:|#|$", t)]
    assert [f for f in files if not (page.parent / f).exists()] == []


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.split("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    }
    assert {page.name for page in PAGES if page.resolve() not in linked} <= {"README.md"}


def test_every_picture_says_what_it_shows() -> None:
    for page in PAGES:
        text = without_blocks(page.read_text("utf-8"))
        shown = re.findall(r"!\[([^]]*)\]\(|<img\b([^>]*)>", text)
        told = [
            alt or " ".join(re.findall(r'alt="([^"]*)"', attributes)) for alt, attributes in shown
        ]
        assert [words for words in told if len(words) < 20] == []


def test_changelog_and_citation_have_the_package_s_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert released[0] == inception.__version__
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [inception.__version__]


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named: set[str] = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        code = [*blocks(text, "sh", "bash"), *re.findall(r"`([^`\n]+)`", without_blocks(text))]
        calls = "\n".join(code)
        named |= set(re.findall(r"^(?:\w+=\S+ )*make ([a-z]+)", calls, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
