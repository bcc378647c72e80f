"""Networks of the family with a sixteenth of the channels: the same tables, in little time."""

from dataclasses import replace

from inception.models.cost import cost, smallest_size
from inception.models.spec import Conv, Layer, Linear, Spec, map_spec

CLASSES = 5
SHARE = 16


def thin(spec: Spec, *, least_grid: int = 2) -> Spec:
    """The same network, thin, for the smallest pictures that leave its last grid such sides."""

    def change(layer: Layer) -> Layer:
        if isinstance(layer, Conv | Linear) and isinstance(layer.width, int):
            return replace(layer, width=max(1, layer.width // SHARE))
        return layer

    def sides(size: int) -> list[int]:
        return [stage.end.shape.height for stage in cost(spec, size).stages]

    spec = replace(map_spec(spec, change), num_classes=CLASSES)
    last = max(number for number, side in enumerate(sides(spec.image_size)) if side > 1)
    size = smallest_size(spec)
    while sides(size)[last] < least_grid:
        size += 4
    return replace(spec, preprocessing=replace(spec.preprocessing, size=size))
