"""Pictures of numbers: training curves, confusion matrices, models × crops, early exits; and heat.

Imports matplotlib when it draws curves or writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from inception.data.crops import Box
from inception.data.images import Picture
from inception.files import replacing
from inception.plotting import matplotlib, new_figure, plain, save_figure
from inception.runtime.program import Floats
from inception.text import shown

Doubles = npt.NDArray[np.float64]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOR = ((40, 0, 110), (200, 30, 90), (255, 150, 20), (255, 250, 150))  # heat, from little to much
AGAINST = ((0, 40, 110), (0, 90, 200), (0, 180, 255), (190, 250, 255))
COVERS = 0.75  # how much of the picture the most heat hides
OUTSIDE = 0.45  # brightness of what the network did not see
MOST_CLASSES = 30  # more names and numbers than that cannot be read in a matrix
MOST_LETTERS = 40  # of a name beside an axis


@plain()
def draw_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Losses and accuracies by epoch, side by side, as a PNG."""
    figure = new_figure(10, 4)
    losses, accuracies = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    whole: Any = {"marker": ".", "clip_on": False}  # also a point on the frame
    for name in [n for n in rows[0] if n.startswith("loss_")]:
        label = "training, " + short(name.removeprefix("loss_").replace("_", " "))
        losses.plot(epochs, [row[name] for row in rows], label=label, **whole)
    losses.plot(epochs, [row["val_loss"] for row in rows], "k", label="validation", **whole)
    losses.set(xlabel="epoch", ylabel="loss", ylim=(0, None), title="loss")
    names = {"top1_accuracy": "top-1", "top5_accuracy": "top-5", "region_accuracy": "regions"}
    for column, label in names.items():
        known, values = _column(rows, column)
        if values and (column != "top5_accuracy" or min(values) < 100):
            label = f"validation, {label}, best {max(values):.1f} %"
            accuracies.plot(known, values, label=label, **whole)
    known, values = _column(rows, "train_accuracy")
    if values:
        accuracies.plot(known, values, "--", color="0.5", label="training, top-1", **whole)
    accuracies.set(xlabel="epoch", ylabel="accuracy, %", title="accuracy")
    for axes in (losses, accuracies):
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save_figure(figure, path)


def _column(rows: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    """Epochs and percentages of a column that rows of an older program lack."""
    known = [row for row in rows if name in row]
    return [row["epoch"] for row in known], [100 * row[name] for row in known]


@plain()
def draw_confusion(counts: npt.NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """A confusion matrix, rows true and columns predicted, shares of the row too, as a PNG."""
    side = 3 + 0.45 * min(len(classes), MOST_CLASSES)
    figure = new_figure(side, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    right, images = int(counts.trace()), int(counts.sum())
    told = f"{100 * right / max(images, 1):.1f} % right: {right:,} of {images:,} pictures"
    axes.set(xlabel="predicted", ylabel="true, and how many pictures", title=told)
    if len(classes) <= MOST_CLASSES:
        _write_counts(axes, counts, shares, classes)
    save_figure(figure, path)


@plain()
def draw_grid(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Top-1 error against crops, one line a number of models, as a PNG.

    Args:
        rows: with ``models``, ``crops`` and ``top1_error``, from 0 to 1.
        path: of the picture.
    """
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for number in dict.fromkeys(row["models"] for row in rows):
        line = [row for row in rows if row["models"] == number]
        crops, errors = [r["crops"] for r in line], [100 * r["top1_error"] for r in line]
        axes.plot(crops, errors, marker="o", label=f"{number} model{'s' * (number > 1)}")
    ticks = sorted({row["crops"] for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="crops of each picture", ylabel="top-1 error, %")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, path)


@plain()
def draw_exits(rows: Sequence[dict[str, Any]], full: float, path: Path) -> None:
    """Top-1 against multiply-adds of a network that stops early, a dot a confidence, as a PNG.

    Args:
        rows: with ``confidence``, ``top1_accuracy`` and ``share_of_full``.
        full: top-1 of the full network, from 0 to 1.
        path: of the picture.
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    spent = [100 * row["share_of_full"] for row in rows]
    right = [100 * row["top1_accuracy"] for row in rows]
    axes.axhline(100 * full, color="0.6", linestyle="--", label="full network")
    axes.plot(spent, right, marker="o", label="the first head surer than the number answers")
    written: list[tuple[float, float]] = []
    for x, y, row in zip(spent, right, rows, strict=True):
        if all(abs(x - a) > 3.5 or abs(y - b) > 0.4 for a, b in written):  # else unreadable
            text = f"{row['confidence']:g}"
            axes.annotate(text, (x, y), (0, -13), textcoords="offset points", ha="center")
            written.append((x, y))
    axes.set(xlabel="multiply-adds, % of the full network's", ylabel="top-1 accuracy, %")
    axes.margins(x=0.08, y=0.15)
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    save_figure(figure, path)


@plain()
def draw_reliability(
    confidence: Sequence[float], accuracy: Sequence[float], images: Sequence[int], path: Path
) -> None:
    """How often the model is right against how sure it is, dots by number of pictures, a PNG."""
    figure = new_figure(5, 5)
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color="0.6", linestyle="--", label="as sure as right")
    sizes = 20 + 400 * np.sqrt(np.asarray(images) / max(images))
    sure, right = 100 * np.asarray(confidence), 100 * np.asarray(accuracy)
    axes.plot(sure, right, color="C0", alpha=0.4)
    axes.scatter(sure, right, s=sizes, color="C0", alpha=0.7, label="the model")
    axes.set(xlabel="confidence, %", ylabel="right, %", title=f"{sum(images):,} pictures")
    axes.set(xlim=(-4, 104), ylim=(-4, 104))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, markerscale=0.4, loc="upper left")
    save_figure(figure, path)


@plain()
def draw_binary(roc: Sequence[Doubles], precision_recall: Sequence[Doubles], path: Path) -> None:
    """The ROC and the precision-recall curve of two classes side by side, as a PNG.

    Args:
        roc: false alarms and found positives, shares.
        precision_recall: recall and precision, shares.
        path: of the picture.
    """
    figure = new_figure(8, 4.2)
    left, right = figure.subplots(1, 2)
    left.plot(*(100 * each for each in roc), color="C0")
    left.plot([0, 100], [0, 100], color="0.6", linestyle="--", label="by chance")
    left.set(xlabel="false alarms, %", ylabel="found, %", title="ROC")
    left.legend(frameon=False, loc="lower right")
    right.step(*(100 * each for each in precision_recall), color="C0", where="pre")
    right.set(xlabel="found (recall), %", ylabel="right among them (precision), %")
    right.set_title("precision and recall")
    for axes in (left, right):
        axes.set(xlim=(-2, 102), ylim=(-2, 102))
        axes.grid(alpha=0.3)
    save_figure(figure, path)


@plain()
def draw_speeds(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Pictures a second of each model, engine and precision, bars by batch size, as a PNG.

    Args:
        rows: as ``inception benchmark --json`` writes them.
        path: of the picture.
    """
    keys = ("name", "engine", "precision")
    kinds = list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))
    batches = list(dict.fromkeys(row["batch"] for row in rows))
    figure = new_figure(8, 1.2 + 0.3 * len(kinds) * len(batches))
    axes = figure.subplots()
    height = 0.8 / len(batches)
    for number, batch in enumerate(batches):
        line = {
            tuple(r[k] for k in keys): r["images_per_second"] for r in rows if r["batch"] == batch
        }
        places = [kinds.index(kind) + (number + 0.5) * height - 0.4 for kind in line]
        bars = axes.barh(places, list(line.values()), height * 0.9, label=f"batch {batch}")
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
    axes.set_yticks(range(len(kinds)), [" · ".join(map(short, kind)) for kind in kinds])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="pictures a second, ready in memory")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False)
    save_figure(figure, path)


def overlay(
    picture: Picture, heat: Floats, crop: Box, *, grid: Box | None = None, signed: bool = False
) -> Picture:
    """The picture under the heat of a map, dark outside the crop that the network saw.

    Args:
        picture: ``uint8 [H, W, 3]``; the result has its size.
        heat: ``[h, w]``; its largest value is the hottest, 0 and less is bare.
        crop: in the picture's pixels.
        grid: where the map lies, the crop by default.
        signed: values below 0 are drawn too, in cold colours, on the same scale.
    """
    left, top, right, bottom = (round(edge) for edge in crop)
    size = (max(bottom - top, 1), max(right - left, 1))
    most = float(np.abs(heat).max() if signed else heat.max())
    share = heat_over(crop, heat, size, grid=grid) / (most if most > 0 else 1)
    drawn = picture.astype(np.float32) * OUTSIDE
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    drawn[rows, columns] = _heated(picture[rows, columns].astype(np.float32), share, FOR)
    if signed:
        drawn[rows, columns] = _heated(drawn[rows, columns], -share, AGAINST)
    return _outlined(np.rint(drawn).astype(np.uint8), (left, top, right - 1, bottom - 1))


def heat_over(crop: Box, heat: Floats, size: tuple[int, int], *, grid: Box | None = None) -> Floats:
    """A map ``[h, w]`` over a crop, smoothly brought to ``size``, height and width.

    Args:
        crop: in the picture's pixels.
        heat: the map.
        size: of the result.
        grid: where the map lies, the crop by default; beyond it its edge goes on.
    """
    grid = grid or crop
    height, width = heat.shape
    across, down = (grid.right - grid.left) / width, (grid.bottom - grid.top) / height
    edge = 1 + int(max(  # cells of the crop that the grid leaves bare
        (grid.left - crop.left) / across, (crop.right - grid.right) / across,
        (grid.top - crop.top) / down, (crop.bottom - grid.bottom) / down, 0,
    ))  # fmt: skip
    box = (
        edge + (crop.left - grid.left) / across,
        edge + (crop.top - grid.top) / down,
        edge + (crop.right - grid.left) / across,
        edge + (crop.bottom - grid.top) / down,
    )
    wider = Image.fromarray(np.pad(heat.astype(np.float32), edge, mode="edge"))
    return np.asarray(wider.resize(size[::-1], Image.Resampling.BICUBIC, box=box))


def _heated(picture: Floats, share: Floats, colours: Sequence[tuple[int, int, int]]) -> Floats:
    share = np.clip(share, 0, 1)
    stops = np.linspace(0, 1, len(colours))
    heat = np.stack([np.interp(share, stops, c) for c in np.transpose(colours)], axis=-1)
    cover = (COVERS * share**0.75)[..., None]
    mixed: Floats = (picture * (1 - cover) + heat * cover).astype(np.float32)
    return mixed


def _outlined(picture: Picture, edges: tuple[int, int, int, int]) -> Picture:
    image = Image.fromarray(picture)
    if edges != (0, 0, image.width - 1, image.height - 1):
        width = max(1, round(min(image.size) / 160))
        ImageDraw.Draw(image).rectangle(edges, outline="white", width=width)
    return np.asarray(image)


def coarse(heat: Floats, side: int) -> Floats:
    """A map averaged to at most ``side`` cells a side."""
    if max(heat.shape) <= side:
        return heat
    return np.asarray(Image.fromarray(heat).resize((side, side), Image.Resampling.BOX))


def tiles(shown: Picture, maps: Floats, names: Sequence[str]) -> Picture:
    """Maps as tiles with their names, in rows of eight, the crop they are of first.

    Args:
        shown: ``uint8 [H, H, 3]``.
        maps: ``[N, h, w]``, each drawn on its own scale.
        names: of the maps.
    """
    size, gap, across = 112, 4, 8
    crop = Image.fromarray(shown).resize((size, size), Image.Resampling.BICUBIC)
    pictures = [crop]
    black = np.zeros((size, size, 3), np.uint8)
    for heat in maps:
        whole = Box(0, 0, size, size)
        pictures.append(Image.fromarray(overlay(black, heat, whole)))
    rows = -(-len(pictures) // across)
    sheet = Image.new("RGB", (across * (size + gap) - gap, rows * (size + gap) - gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, name) in enumerate(zip(pictures, ["", *names], strict=True)):
        x, y = number % across * (size + gap), number // across * (size + gap)
        sheet.paste(picture, (x, y))
        draw.text((x + 4, y + size - 16), name, "white", stroke_width=1, stroke_fill="black")
    return np.asarray(sheet)


def draw_branches(modules: Mapping[str, Mapping[str, float]], title: str, path: Path) -> None:
    """Each module's shares as a bar, its branches one after the other, below 0 to the left."""
    figure = new_figure(9, 1.2 + 0.32 * len(modules))
    axes = figure.subplots()
    names = list(dict.fromkeys(name for shares in modules.values() for name in shares))
    for number, name in enumerate(names):
        starts, widths, rows = [], [], []
        for row, shares in enumerate(modules.values()):
            if name in shares:
                before = list(shares)[: list(shares).index(name)]
                alike = [shares[b] for b in before if (shares[b] < 0) == (shares[name] < 0)]
                starts.append(100 * sum(alike))
                widths.append(100 * shares[name])
                rows.append(row)
        axes.barh(rows, widths, 0.75, starts, label=name, color=f"C{number % 10}")
    axes.set_yticks(range(len(modules)), list(modules))
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(
        xlabel="for (right) and against the answer, % of all that the module's branches say",
        title=title,
    )
    axes.grid(alpha=0.3, axis="x")
    figure.legend(frameon=False, loc="outside lower center", ncols=6)
    save_figure(figure, path)


def captioned(picture: Picture, *lines: str) -> Picture:
    """The picture at its own size under lines of text; wider only where the text needs it."""
    size = int(np.clip(picture.shape[1] / 40, 11, 64))
    font = text_font(size)
    margin, step = size // 2, round(1.4 * size)
    wide = max(picture.shape[1], *(2 * margin + round(font.getlength(line)) for line in lines))
    head = margin + step * len(lines)
    image = Image.new("RGB", (wide, head + picture.shape[0]), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        colour = "black" if number == 0 else "#555"
        draw.text((margin, margin // 2 + number * step), line, colour, font)
    image.paste(Image.fromarray(picture), ((wide - picture.shape[1]) // 2, head))
    return np.asarray(image)


def text_font(size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's font: it has most of the alphabets that names of classes are written in."""
    return ImageFont.truetype(f"{matplotlib().get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def save_png(picture: Picture, path: Path) -> None:
    """Writes a picture as a PNG, in one step."""
    with replacing(path) as beside:
        Image.fromarray(picture).save(beside, "PNG")


def _write_counts(
    axes: Axes, counts: npt.NDArray[np.int64], shares: Doubles, classes: Sequence[str]
) -> None:
    places, names = range(len(classes)), [short(name) for name in classes]
    axes.set_xticks(places, names, rotation=45, ha="right")
    images = counts.sum(axis=1)
    axes.set_yticks(places, [f"{name} ({n:,})" for name, n in zip(names, images, strict=True)])
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        share = f"{100 * shares[row, column]:.0f} %"
        for number, side in ((str(counts[row, column]), "bottom"), (share, "top")):
            axes.text(column, row, number, ha="center", va=side, color=colour, fontsize=7)


def short(name: str) -> str:
    """A name from outside, on one line and not so long that nothing else has room."""
    line = shown(name)
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 1] + "…"
