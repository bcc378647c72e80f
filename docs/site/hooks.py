"""What mkdocs is told beyond its settings: pages that are made, links that lead elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import inception

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md")  # pages that lie beside the README
SECTIONS = {
    "Begin": ["tutorial.md", "from-others.md"],
    "Guides": ["data.md", "training.md", "evaluation.md", "prediction.md"],  # and all the others
    "Reference": ["reference.md", "models.md", "departures.md"],
    "Measured": ["results.md", "claims.md"],
    "The project": ["architecture.md", *OUTSIDE],
}
MADE = ("tutorial.md", "reference.md", *OUTSIDE)
LINK = re.compile(
    r"""(?P<label>\[[^][]*\])\((?P<target>[^)\s]+)\)|(?P<name>src|srcset|href)="(?P<value>[^"]+)\""""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Every page has a place; one that no section names is a guide."""
    sections = {name: list(pages) for name, pages in SECTIONS.items()}
    named = {page for pages in sections.values() for page in pages}
    sections["Guides"] += sorted({page.name for page in DOCS.glob("*.md")} - named)
    config.nav = [{"inception": "index.md"}, *({name: pages} for name, pages in sections.items())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made of something else."""
    made = {
        "index.md": (ROOT / "README.md").read_text("utf-8"),
        "tutorial.md": notebook((DOCS / "tutorial.ipynb").read_text("utf-8")),
        "reference.md": reference(),
        **{name: (ROOT / name).read_text("utf-8") for name in OUTSIDE},
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are among the pages; those to code, which is no page, become its name."""
    at = ROOT if page.file.src_uri in ("index.md", *OUTSIDE) else DOCS

    def led(match: re.Match[str]) -> str:
        target = match["target"] or match["value"]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        place = page_of((at / path).resolve())
        if files.get_file_from_path(place) is None:
            return (match["label"] or "[]")[1:-1]
        place += f"#{anchor}" if anchor else ""
        return f"{match['label']}({place})" if match["label"] else f'{match["name"]}="{place}"'

    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in parts)


def page_of(path: Path) -> str:
    """Where a file of the repository stands among the pages."""
    if path == ROOT / "README.md":
        return "index.md"
    return path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT).as_posix()


def reference() -> str:
    """The public names, each by its docstring."""
    places = {f"{inception._PLACES[name]}.{name}" for name in inception.__all__ if name[0] != "_"}
    places |= {"inception.models.network.InceptionNet", "inception.preprocessing.Preprocessing"}
    entries = "\n\n".join(
        f"::: {place}" for place in sorted(places, key=lambda p: p.rsplit(".")[-1])
    )
    return f"# Python, name by name\n\n{entries}\n"


def notebook(text: str) -> str:
    """A notebook as a page: its cells, and beneath each what it printed and drew."""
    return "\n\n".join(part for cell in json.loads(text)["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source]
    shown = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).replace("\n", "")
            shown.append(
                f'<img alt="{cell["metadata"]["alt"]}" src="data:image/png;base64,{picture}">'
            )
        else:
            said = "".join(output.get("text", data.get("text/plain", "")))
            shown.append(f"```text\n{said.rstrip()}\n```")
    return shown
