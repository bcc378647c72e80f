"""Importers of public weights: which publisher's form of which of our networks can be read."""

from inception.errors import InputError, unknown
from inception.models import MODELS
from inception.weights.importers import caffe, inception5h, keras, slim, timm, torchvision
from inception.weights.importers.importer import Importer
from inception.weights.importers.own import own_names

DIALECTS: dict[str, str] = {
    "torchvision": "torchvision's .pth or .safetensors",
    "timm": "timm's .safetensors or .pth",
    "gluon": "timm's port of MXNet's Inception-v3",
    "cadene": "the .pth of pretrained-models.pytorch",
    "facenet": "facenet-pytorch's .pt",
    "fid": "pytorch-fid's .pth",
    "caffe": "a .caffemodel",
    "slim": "a checkpoint of TF-slim's (.ckpt, or .index and .data)",
    "inception5h": "Google's tensorflow_inception_graph.pb",
    "keras": "Keras' .h5, .weights.h5 or .keras",
    "inception": "our own names, in a .pth or a .safetensors without its description",
}
IMPORTERS: tuple[Importer, ...] = (
    *torchvision.IMPORTERS,
    *timm.IMPORTERS,
    *caffe.IMPORTERS,
    *slim.IMPORTERS,
    *inception5h.IMPORTERS,
    *keras.IMPORTERS,
)


def importers_for(model: str, dialect: str | None = None) -> list[Importer]:
    """The importers that give this network, all dialects or one.

    Raises:
        InputError: there is none; the message names what there is.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise unknown("dialect", dialect, DIALECTS)
    if model not in MODELS:
        raise unknown("model", model, MODELS)
    of_model = [importer for importer in IMPORTERS if importer.model == model]
    of_model.append(own_names(model))
    found = [importer for importer in of_model if dialect in (None, importer.dialect)]
    if not found:
        there = ", ".join(dict.fromkeys(importer.dialect for importer in of_model))
        raise InputError(f"no {dialect} weights are known for {model}; there are: {there}")
    return found
