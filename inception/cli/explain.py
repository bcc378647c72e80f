"""``inception explain``: what made the answer, drawn and as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inception.cli.output import (
    DeviceOption,
    EngineOption,
    JsonOption,
    MaxPixelsOption,
    ThreadsOption,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inception.data.images import Picture
    from inception.explanation.answer import Explanation
    from inception.explanation.branches import ModuleShares

METHODS = (
    "cam", "gradcam", "branches", "integrated-gradients", "occlusion", "features", "dream",
)  # fmt: skip
TITLES = {
    "cam": "class activation map",
    "gradcam": "Grad-CAM",
    "integrated-gradients": "integrated gradients",
    "occlusion": "occlusion",
}
CELLS = 28  # to a side: what single pixels speak for is noise to the eye
DREAM_PX = 384  # side of a dream without a picture


def explain(
    model: Annotated[str, typer.Argument(help="As predict takes it.")],
    image: Annotated[str | None, typer.Argument(help="A picture; a dream may go without.")] = None,
    method: Annotated[
        str,
        typer.Option(help=f"One of: {', '.join(METHODS)}.", autocompletion=lambda: list(METHODS)),
    ] = "cam",
    class_name: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="What to explain; the likeliest by default."),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="What speaks for A rather than for B."),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="For gradcam, features and dream; `inception models NAME`.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .png; of branches also an .svg.")
    ] = None,
    engine: EngineOption = "auto",
    json: JsonOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    max_pixels: MaxPixelsOption = None,
) -> None:
    """Shows what in a picture made a model answer as it does."""
    from inception.data.images import read_image
    from inception.errors import InputError, unknown

    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if out is None and json is None:
        raise InputError("nothing to write to: give --out FILE.png, --json FILE or both")
    _check_out(out, method)
    if compare is not None and class_name is not None:
        raise InputError("--class explains one class, --compare two: give one of them")
    classes = list(compare) if compare else [class_name] if class_name else []
    if image is None and method != "dream":
        raise InputError(f"no picture given: inception explain {model} PICTURE")
    picture = None if image is None else read_image(image)
    if method == "dream":
        _dream(model, picture, stage, classes, out)
    elif picture is not None and method == "features":
        _features(model, picture, stage, engine, threads, out, json)
    elif picture is not None and method == "branches":
        _branches(model, picture, classes, out, json)
    elif picture is not None:
        told, names = _explained(model, picture, method, classes, stage, engine, device, threads)
        _write_heat(told, names, picture, method, out, json)


def _check_out(out: Path | None, method: str) -> None:
    from inception.errors import InputError

    suffixes = [".png", ".svg"] if method == "branches" else [".png"]
    if out is not None and out.suffix.lower() not in suffixes:
        raise InputError(f"{method} is drawn as {' or '.join(suffixes)}; got --out {out}")


def _explained(
    model: str,
    picture: Picture,
    method: str,
    classes: Sequence[str],
    stage: str | None,
    engine: str,
    device: str,
    threads: int | None,
) -> tuple[Explanation, tuple[str, ...]]:
    from inception.errors import InputError

    if stage is not None and method != "gradcam":
        raise InputError(f"{method} is of no stage: leave out --stage, or take --method gradcam")
    if method == "cam":
        from inception.explanation.cam import ClassActivation

        fast = ClassActivation(model, engine, device=device, threads=threads)
        if len(classes) == 2:
            return fast.compare(picture, *classes), fast.classes
        return fast.explain(picture, classes or None), fast.classes
    from inception.explanation.gradients import Attributor

    attributor = Attributor(model)
    if method == "gradcam":
        return attributor.grad_cam(picture, classes, stage=stage), attributor.classes
    if method == "occlusion":
        return attributor.occlusion(picture, classes), attributor.classes
    return attributor.integrated_gradients(picture, classes), attributor.classes


def _write_heat(
    told: Explanation,
    names: Sequence[str],
    picture: Picture,
    method: str,
    out: Path | None,
    json: str | None,
) -> None:
    from inception.cli.output import write_json
    from inception.drawing import captioned, coarse, overlay, save_png

    write_json({"method": method, **_answer(told, names), "maps": told.maps.tolist()}, json)
    title, note = _caption(told, names, TITLES[method])
    if out is not None:
        signed = len(told.classes) == 2 or method in ("integrated-gradients", "occlusion")
        heat = coarse(told.maps[0], CELLS)
        drawn = overlay(picture, heat, told.crop, grid=told.grid, signed=signed)
        save_png(captioned(drawn, title, note), out)
    _say(json, f"{title}: {note}", out)


def _branches(
    model: str, picture: Picture, classes: Sequence[str], out: Path | None, json: str | None
) -> None:
    from inception.cli.output import write_json
    from inception.diagram import diagram
    from inception.drawing import draw_branches
    from inception.explanation.gradients import Attributor
    from inception.files import write_text

    attributor = Attributor(model)
    told, modules = attributor.branches(picture, classes)
    parts = {"modules": [module.to_json() for module in modules]}
    write_json({"method": "branches", **_answer(told, attributor.classes), **parts}, json)
    title, note = _caption(told, attributor.classes, "what each branch adds to its module")
    if out is not None and out.suffix.lower() == ".svg":
        shares = {module.module: module.strengths for module in modules}
        write_text(out, diagram(attributor.network.spec, shares=shares, subtitle=title))
    elif out is not None:
        draw_branches({m.module: m.strengths for m in modules}, f"{title}: {note}", out)
    if json != "-":
        _print_branches(modules)
    _say(json, f"{title}: {note}", out)


def _print_branches(modules: Sequence[ModuleShares]) -> None:
    from inception.cli.output import console, table

    rows = []
    for module in modules:
        shares = ", ".join(f"{name} {100 * s:.0f} %" for name, s in module.shares.items())
        rows.append([module.module, shares, f"{module.total:.3f}"])
    console().print(table(["module", "share of each branch", "in all"], rows, left=2))


def _features(
    model: str,
    picture: Picture,
    stage: str | None,
    engine: str,
    threads: int | None,
    out: Path | None,
    json: str | None,
) -> None:
    from inception.cli.output import write_json
    from inception.drawing import captioned, save_png, tiles
    from inception.explanation.features import strongest_channels

    found = strongest_channels(model, picture, stage, engine=engine, threads=threads)
    numbers = {"channels": found.indices.tolist(), "maps": found.maps.tolist()}
    write_json({"method": "features", "stage": found.stage, **numbers}, json)
    note = f"the {len(found.indices)} channels of {found.stage} that answer most"
    if out is not None:
        drawn = tiles(found.shown, found.maps, [str(index) for index in found.indices])
        save_png(captioned(drawn, note), out)
    _say(json, note, out)


def _dream(
    model: str,
    picture: Picture | None,
    stage: str | None,
    classes: Sequence[str],
    out: Path | None,
) -> None:
    from inception.drawing import save_png
    from inception.errors import InputError
    from inception.explanation.answer import class_index
    from inception.explanation.dream import dream, noise
    from inception.explanation.gradients import Attributor

    if out is None:
        raise InputError("a dream is a picture: give --out FILE.png")
    if len(classes) == 2 or (classes and stage):
        raise InputError("a dream is of one --class or of one --stage")
    attributor = Attributor(model)
    wanted = class_index(attributor.classes, classes[0]) if classes else None
    if wanted is None and stage is None:
        stages = list(attributor.network.spec.stages)
        stage = stages[len(stages) // 2]
    start = noise(DREAM_PX) if picture is None else picture
    save_png(dream(attributor.network, start, stage=stage, class_index=wanted), out)
    _say(None, f"a dream of {classes[0] if classes else stage}", out)


def _answer(told: Explanation, names: Sequence[str]) -> dict[str, Any]:
    def one(index: int) -> dict[str, Any]:
        probability, logit = float(told.probabilities[index]), float(told.logits[index])
        return {"label": names[index], "index": index, "probability": probability, "logit": logit}

    biases = {} if told.biases is None else {"biases": told.biases.tolist()}
    places = {"crop": list(told.crop), "grid": list(told.grid)}
    return {"classes": [one(index) for index in told.classes], **biases, **places}


def _caption(told: Explanation, names: Sequence[str], what: str) -> tuple[str, str]:
    def percent(index: int) -> str:
        return f"{names[index]} {100 * told.probabilities[index]:.1f} %"

    first, *second = told.classes
    if second:
        title = f"{names[first]} rather than {names[second[0]]}"
        return title, f"{what}, {percent(first)}, {percent(second[0])}"
    return percent(first), f"{what}, logit {told.logits[first]:.2f}"


def _say(json: str | None, line: str, out: Path | None) -> None:
    if json != "-":
        say(line)
    if out is not None:
        say(f"written: {out}", err=True)
