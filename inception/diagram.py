"""A network drawn from its table as SVG: branches side by side, shapes and cost on hover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape

from inception.errors import unknown
from inception.models.cost import LayerCost, trace
from inception.models.shapes import Position, Shape, end, pair
from inception.models.spec import (
    Branches,
    Conv,
    Dropout,
    Flatten,
    Layer,
    Layers,
    Linear,
    LocalResponseNorm,
    Pool,
    Residual,
    Spec,
    concrete,
)

WIDTH, HEIGHT = 98, 26  # of a layer's box
CHARACTER = 6  # mean width in a label
ACROSS, DOWN = 12, 16  # between boxes
MARGIN = 24
PADDING = 12  # inside a module's frame
STYLE = """
svg { --ink: #1d2433; --faint: #6b7385; --line: #98a1b3; --frame: #eef1f6; --edge: #d8deea;
  --conv: #dbe8fe; --wide: #b9d3fd; --pool: #fde3cf; --norm: #e6e0f7; --linear: #d3f0dc;
  --other: #e9ecf2; --for: #e4572e; --against: #2e86e4; background: #fff;
  font: 11px ui-sans-serif, system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
@media (prefers-color-scheme: dark) { svg { --ink: #e8ecf4; --faint: #9aa5ba; --line: #66718a;
  --frame: #1c2330; --edge: #2c3547; --conv: #23407a; --wide: #2c54a5; --pool: #70411f;
  --norm: #463a75; --linear: #1f5a38; --other: #333c4d; background: #12161f } }
text { fill: var(--ink); text-anchor: middle; dominant-baseline: central }
.name { text-anchor: start; font-weight: 600 } .faint { fill: var(--faint) }
.title { text-anchor: start; font-size: 16px; font-weight: 600 }
path { fill: none; stroke: var(--line); stroke-width: 1.3 }
.share { font-size: 9.5px } .join { fill: var(--line) }
.frame { fill: var(--frame); stroke: var(--edge) }
.conv { fill: var(--conv) } .wide { fill: var(--wide) } .pool { fill: var(--pool) }
.norm { fill: var(--norm) } .linear { fill: var(--linear) } .other { fill: var(--other) }
.for { fill: var(--for) } .against { fill: var(--against) }
g.box:hover rect { stroke: var(--ink); stroke-width: 1.5 }
"""


@dataclass(frozen=True)
class Drawn:
    """A part laid out: its size, and its elements as if its upper left corner were at 0, 0.

    Attributes:
        centre: where the line comes in at the top and leaves at the bottom.
    """

    width: float
    height: float
    centre: float
    body: str


def diagram(
    spec: Spec,
    *,
    shares: Mapping[str, Mapping[str, float]] | None = None,
    subtitle: str = "",
) -> str:
    """The network as an SVG picture, for light and dark pages; it needs nothing else.

    Args:
        spec: any network.
        shares: by a module's path what each branch says for an answer, below 0 against it, from
            -1 to 1: branches are shaded by it. Without, a page may shade
            ``rect.shade[data-module][data-branch]``.
        subtitle: stands after the network's name.
    """
    pen = _Pen(spec, shares or {})
    columns = _columns([part for _, part in pen.stages()])
    height = max(sum(part.height + DOWN for part in column) for column in columns) - DOWN
    x, leave = float(MARGIN), (0.0, 0.0)
    body: list[str] = []
    top = MARGIN + 34.0
    for column in columns:
        centre, y = x + max(part.centre for part in column), top
        for part in column:
            enter = (centre, y)
            if body:
                gap = x - 1.5 * ACROSS
                body.append(_line(*leave, *enter) if y > top else _around(*leave, *enter, gap))
            body.append(_moved(part.body, centre - part.centre, y))
            y += part.height
            leave = (centre, y)
            y += DOWN
        x = centre + max(part.width - part.centre for part in column) + 3 * ACROSS
    size = f"{x - 3 * ACROSS + MARGIN:g} {top + height + MARGIN:g}"
    named = ": ".join(text for text in (spec.name, subtitle) if text)
    title = f'<text class="title" x="{MARGIN}" y="{MARGIN + 8}">{escape(named)}</text>'
    return _svg(size, f"{spec.name}, drawn layer by layer", "\n".join([title, *body]))


def stage_diagram(spec: Spec, stage: str) -> str:
    """One stage as an SVG picture; nothing but its frame hides the page it stands on.

    Raises:
        InputError: the network has no such stage.
    """
    drawn = {name: part for name, part in _Pen(spec, {}).stages() if name}
    if stage not in drawn:
        raise unknown("stage", stage, drawn)
    part = drawn[stage]
    edge = 1  # half of the frame's line lies outside it
    body = _moved(part.body, edge, edge)
    size = f"{part.width + 2 * edge:g} {part.height + 2 * edge:g}"
    style = f"{STYLE}svg {{ background: transparent }}\n"
    return _svg(size, f"{stage} of {spec.name}, layer by layer", body, style=style)


def _svg(size: str, told: str, body: str, *, style: str = STYLE) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" '
        f'aria-label="{escape(told)}"><style>{style}</style>\n{body}\n</svg>\n'
    )


def _columns(parts: list[Drawn]) -> list[list[Drawn]]:
    """The stages in as many columns of like height as make the picture broader than high."""
    wide = max(part.width for part in parts) + 3 * ACROSS
    total = sum(part.height + DOWN for part in parts)
    count = max(1, round((1.6 * total / wide) ** 0.5))
    columns: list[list[Drawn]] = [[]]
    filled = 0.0
    for part in parts:
        if columns[-1] and filled + part.height / 2 > total * len(columns) / count:
            columns.append([])
        columns[-1].append(part)
        filled += part.height + DOWN
    return columns


class _Pen:
    """Draws parts of one network."""

    def __init__(self, spec: Spec, shares: Mapping[str, Mapping[str, float]]) -> None:
        self.spec, self.shares = spec, shares

    def stages(self) -> Iterator[tuple[str, Drawn]]:
        """The picture, nameless; every stage in its frame, heads beside it; the classifier."""
        size = self.spec.image_size
        at = Position(Shape(self.spec.in_channels, size, size))
        yield "", _box("other", "picture", f"{_shape(at)} picture")
        for name, layers in {**self.spec.stages, "classifier": self.spec.classifier}.items():
            layers = concrete(layers, self.spec.num_classes)
            after = end(layers, at)
            part = self._framed(name, layers, at)
            if name in self.spec.aux:
                part = _beside(part, self._head(name, after))
            yield name, part
            at = after

    def _framed(self, name: str, layers: Layers, at: Position) -> Drawn:
        inner, head, after = self.part(layers, at, name), 18, end(layers, at)
        beside = max(7.4 * len(name), 7.2 * len(_shape(after))) + ACROSS  # of the line: no crossing
        left = PADDING + max(beside - inner.centre, 0)
        right = PADDING + max(beside - (inner.width - inner.centre), 0)
        width, height = left + inner.width + right, inner.height + head + 2 * PADDING
        body = (
            f'<rect class="frame" width="{width:g}" height="{height:g}" rx="10"/>'
            f'<text class="name" x="{PADDING}" y="15">{escape(name)}</text>'
            f'<text class="faint" style="text-anchor:end" x="{width - PADDING:g}" y="15">'
            f"{_shape(after)}</text>"
            + _line(left + inner.centre, 0, left + inner.centre, head + PADDING)
            + _line(left + inner.centre, height - PADDING, left + inner.centre, height)
            + _moved(inner.body, left, head + PADDING)
        )
        return Drawn(width, height, left + inner.centre, body)

    def _head(self, stage: str, at: Position) -> Drawn:
        layers = concrete(self.spec.aux[stage], self.spec.num_classes)
        rows = list(trace(layers, at))
        weights, adds = sum(r.parameters for r in rows), sum(r.multiply_adds for r in rows)
        told = [f"auxiliary head after {stage}, for training", *(r.name for r in rows)]
        return _box("linear", "auxiliary head", "\n".join(told) + f"\n{_cost(weights, adds)}")

    def part(self, layers: Layers, at: Position, name: str) -> Drawn:
        """Any layers, from where their input stands."""
        if isinstance(layers, Mapping):
            parts = []
            for inner_name, inner in layers.items():
                parts.append(self.part(inner, at, f"{name}.{inner_name}"))
                at = end(inner, at)
            return _column(parts)
        if isinstance(layers, Branches):
            return self._branches(layers, at, name)
        if isinstance(layers, Residual):
            sides = [
                self.part(layers.body, at, f"{name}.body"),
                self.part(layers.shortcut, at, f"{name}.shortcut"),
            ]
            scale = "" if layers.scale == 1 else f", the branch times {layers.scale:g}"
            foot = _box("other", "+", f"added{scale}\n{_shape(end(layers, at))}", 26)
            return _column([_row(sides, joined=True), foot], gap=0)
        (row,) = trace(layers, at, name)
        return _box(_kind(layers), _label(layers, row), _told(row))

    def _branches(self, layers: Branches, at: Position, name: str) -> Drawn:
        sides = []
        for branch, inner in layers.branches.items():
            side = self.part(inner, at, f"{name}.{branch}")
            if side.width == 0:
                side = replace(side, width=WIDTH / 2, centre=WIDTH / 4)
            sides.append((self._percent(name, branch, side), self._shade(name, branch)))
        row = _row([side for side, _ in sides], [shade for _, shade in sides])
        told = f"concatenated\n{_shape(end(layers, at))}"
        bar = (
            f'<g class="box"><title>{told}</title>'
            f'<rect class="join" width="{row.width:g}" height="7" rx="3.5"/></g>'
        )
        return _column([row, Drawn(row.width, 7, row.centre, bar)], gap=0)

    def _shade(self, module: str, branch: str) -> str:
        """What stands behind a branch; the row it is in fills in the place."""
        share = self.shares.get(module, {}).get(branch, 0.0)
        kind = "for" if share >= 0 else "against"
        told = f"<title>{escape(branch)}: {100 * share:+.1f} %</title>" if share else ""
        return (
            f'<rect class="shade {kind}" data-module="{escape(module)}" '
            f'data-branch="{escape(branch)}" fill-opacity="{min(abs(share), 1):.3f}" rx="6" '
            f"{{place}}>{told}</rect>"
        )

    def _percent(self, module: str, branch: str, side: Drawn) -> Drawn:
        """The branch with its share written at its foot, where shares are given."""
        share = self.shares.get(module, {}).get(branch)
        if share is None:
            return side
        place = f'x="{side.centre:g}" y="{side.height + 8:g}"'
        text = f'<text class="share" {place}>{round(100 * share)} %</text>'
        return replace(side, height=side.height + 14, body=side.body + text)


def _column(parts: list[Drawn], *, gap: float = DOWN) -> Drawn:
    """Parts below each other on one line."""
    if not parts:
        return Drawn(0, 0, 0, "")
    left = max(part.centre for part in parts)
    width = left + max(part.width - part.centre for part in parts)
    body, y = [], 0.0
    for number, part in enumerate(parts):
        if number and gap:
            body.append(_line(left, y, left, y + gap))
            y += gap
        body.append(_moved(part.body, left - part.centre, y))
        y += part.height
    return Drawn(width, y, left, "".join(body))


def _row(sides: list[Drawn], shades: list[str] | None = None, *, joined: bool = False) -> Drawn:
    """Parts side by side, from where the line divides; ``joined`` to one point again."""
    tall = max(side.height for side in sides)
    width = sum(side.width for side in sides) + ACROSS * (len(sides) - 1)
    behind, body, x, centre = [], [], 0.0, width / 2
    for number, side in enumerate(sides):
        if shades:
            place = f'x="{x - 4:g}" y="{DOWN - 5:g}" width="{side.width + 8:g}"'
            behind.append(shades[number].format(place=f'{place} height="{tall + 10:g}"'))
        middle, bottom = x + side.centre, tall + DOWN
        body.append(_curve(centre, 0, middle, DOWN) + _moved(side.body, x, DOWN))
        body.append(_line(middle, DOWN + side.height, middle, bottom + (0 if joined else DOWN)))
        if joined:
            body.append(_curve(middle, bottom, centre, bottom + DOWN))
        x += side.width + ACROSS
    return Drawn(width, tall + 2 * DOWN, centre, "".join(behind + body))


def _beside(part: Drawn, head: Drawn) -> Drawn:
    """A head to the right of the stage on which it hangs."""
    x, y = part.width + 2 * ACROSS, part.height - head.height - PADDING
    line = _line(part.width, y + head.height / 2, x, y + head.height / 2)
    return replace(part, width=x + head.width, body=part.body + line + _moved(head.body, x, y))


def _box(kind: str, label: str, told: str, width: float = WIDTH) -> Drawn:
    fit = f' textLength="{width - 8:g}" lengthAdjust="spacingAndGlyphs"'
    squeezed = fit if CHARACTER * len(label) > width else ""
    body = (
        f'<g class="box"><title>{escape(told)}</title>'
        f'<rect class="{kind}" width="{width:g}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{width / 2:g}" y="{HEIGHT / 2:g}"{squeezed}>{escape(label)}</text></g>'
    )
    return Drawn(width, HEIGHT, width / 2, body)


def _moved(body: str, x: float, y: float) -> str:
    return f'<g transform="translate({x:g} {y:g})">{body}</g>' if body else ""


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (y1 + y2) / 2
    return f'<path d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"/>'


def _around(x1: float, y1: float, x2: float, y2: float, gap: float) -> str:
    """From the foot of a column through the gap to the head of the next one."""
    r = 8
    return (
        f'<path d="M{x1:g} {y1:g}q0 {r} {r} {r}H{gap - r:g}q{r} 0 {r} {-r}V{y2 - r:g}'
        f'q0 {-r} {r} {-r}H{x2 - r:g}q{r} 0 {r} {r}V{y2:g}"/>'
    )


def _kind(layer: Layer) -> str:
    match layer:
        case Conv():
            return "conv" if pair(layer.kernel) == (1, 1) else "wide"
        case Pool():
            return "pool"
        case LocalResponseNorm():
            return "norm"
        case Linear():
            return "linear"
    return "other"


def _label(layer: Layer, row: LayerCost) -> str:
    match layer:
        case Conv():
            what = "depthwise" if layer.multiplier else str(row.end.shape.channels)
            return f"{_kernel(layer)} · {what}"
        case Pool(kind=kind, kernel=None, grid=grid):
            return f"global {kind}" if grid == 1 else f"{kind} to {grid}×{grid}"
        case Pool(kind=kind):
            return f"{kind.replace('average', 'avg')} {_kernel(layer)}"
        case LocalResponseNorm():
            return "LRN"
        case Linear():
            return f"linear · {row.end.shape.channels}"
        case Dropout(probability=probability):
            return f"dropout {probability:g}"
        case Flatten():
            return "flatten"
    return str(getattr(layer, "kind", row.kind))


def _kernel(layer: Conv | Pool) -> str:
    (height, width), (down, across) = pair(layer.kernel or 1), pair(layer.stride)
    steps = f"{down}" if down == across else f"{down}×{across}"
    return f"{height}×{width}" + ("" if steps == "1" else f" /{steps}")


def _told(row: LayerCost) -> str:
    return f"{row.name}\n{_shape(row.end)}\n{_cost(row.parameters, row.multiply_adds)}"


def _cost(parameters: int, multiply_adds: int) -> str:
    if not parameters and not multiply_adds:
        return "no parameters"
    return f"{parameters:,} parameters, {multiply_adds:,} multiply-adds"


def _shape(at: Position) -> str:
    channels, height, width = at.shape
    return f"{height}×{width}×{channels}"
