"""The network as it was trained, module by module: what an export is held against."""

import torch

from inception.data.images import Picture
from inception.machine import torch_threads
from inception.models.network import Normalise
from inception.runtime import Floats
from inception.runtime.program import PROBABILITIES, Program
from inception.runtime.torch_graph import ProgramModule
from inception.weights.model_file import Model


class Original:
    """Runs a model's own modules; shares nothing with the programs that exports are made from."""

    name = "torch"

    def __init__(self, model: Model, threads: int | None = None) -> None:
        self._threads = threads
        self._network = model.network.eval()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._normalise = Normalise(model.preprocessing)
        self._temperature = model.info.temperature

    @torch.inference_mode()
    def run(self, pictures: Picture) -> dict[str, Floats]:
        """``probabilities [N, classes]`` of ``uint8 [N, H, W, 3]``."""
        with torch_threads(self._threads):
            logits = self._network(self._normalise(torch.from_numpy(pictures))) / self._temperature
        return {PROBABILITIES: logits.softmax(dim=1).numpy()}


class Unrounded:
    """Runs the program of an export before anything of it is rounded."""

    name = "program"

    def __init__(self, program: Program) -> None:
        self._module = ProgramModule(program).eval()

    @torch.inference_mode()
    def run(self, pictures: Picture) -> dict[str, Floats]:
        """``probabilities [N, classes]`` of ``uint8 [N, H, W, 3]``."""
        (probabilities,) = self._module(torch.from_numpy(pictures))
        return {PROBABILITIES: probabilities.numpy()}
