"""What the pages of reports are made of: every name in them is escaped, and cannot act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from inception.text import shown


def escaped(text: str) -> str:
    """Text as it may stand in a page."""
    return escape(shown(text))


def section(title: str, body: str) -> str:
    """A heading over a body of HTML."""
    return f"<h2>{escaped(title)}</h2>\n{body}"


def plot(name: str) -> str:
    """A plot, by its file's name beside the page."""
    return f'<img class=plot src="{name}" alt="">'


def bullets(lines: Iterable[str]) -> str:
    """Lines as a list."""
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else "<p>None.</p>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text under their columns' names."""
    head = "".join(f"<th>{escaped(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def page_of(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that are HTML already."""
    return PAGE.format(title=escaped(title), body="\n".join(parts))


PAGE = """<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto;
  padding: 0 1rem }}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid #ddd }}
table {{ border-collapse: collapse }}
td, th {{ padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #eee }}
img.plot {{ max-width: min(100%, 36rem); display: block }}
.gallery {{ display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)) }}
figure {{ margin: 0 }} figure img {{ height: 10rem; max-width: 100%; object-fit: contain }}
figcaption {{ font-size: 13px; overflow-wrap: anywhere }} small {{ color: #777 }}
</style>
<h1>{title}</h1>
{body}
</html>
"""
