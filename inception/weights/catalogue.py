"""Public weights: where they lie, how to know them whole, whose they are, what they reached.

Facts only, each from its publisher where nothing else is said: addresses and digests from the
sources of torchvision 0.28, timm 1.0.31, Keras 3 and facenet-pytorch, from Caffe's model zoo,
TensorFlow's own build files and the pages of TF-slim; digests of BVLC's, Oxford's and two of
TF-slim's files from Intel's Open Model Zoo, which also mirrors some. Names such as
``googlenet-1378be20.pth`` carry the first digits of the file's SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from inception.downloads import Checksum
from inception.errors import InputError
from inception.files import cache_folder
from inception.models import MODELS
from inception.preprocessing import Preprocessing
from inception.weights.importers import IMPORTERS


@dataclass(frozen=True)
class Published:
    """A public file of weights.

    Attributes:
        tag: ours; the network, then who published and on what it was trained.
        model: our network.
        dialect: whose names and layout, one of ``importers.DIALECTS``.
        urls: of equal files, best first.
        checksum: as published; ``None`` where nobody published one.
        member: the file in an archive that has the weights.
        labels: the file in an archive that names the classes, a line each from class 0.
        classes: ImageNet's in the usual order, or told by nobody.
        top1: percent right on ImageNet's validation set, one crop, as published.
        top5: likewise, among the five likeliest.
        figures: whose the figures are.
    """

    tag: str
    model: str
    dialect: str
    urls: tuple[str, ...]
    licence: str
    checksum: Checksum | None = None
    member: str = ""
    labels: str = ""
    classes: Literal["imagenet", "own"] = "imagenet"
    top1: float | None = None
    top5: float | None = None
    figures: str = ""

    @property
    def path(self) -> Path:
        """Where the model lies once it was pulled."""
        return cache_folder() / "weights" / f"{self.tag}.safetensors"

    @property
    def original(self) -> Path:
        """Where the publisher's file lies once it was pulled."""
        name = urlsplit(self.urls[0]).path.rsplit("/", 1)[1]
        return self.path.parent / "originals" / self.tag / name

    @property
    def preprocessing(self) -> Preprocessing:
        """How the publisher shows it pictures, by what the importer of the dialect knows."""
        for importer in IMPORTERS:
            if (importer.model, importer.dialect) == (self.model, self.dialect):
                return importer.preprocessing or MODELS[self.model].preprocessing
        raise InputError(f"no importer reads {self.dialect}'s {self.model}")

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        return {
            "tag": self.tag,
            "model": self.model,
            "dialect": self.dialect,
            "urls": list(self.urls),
            "checksum": None if self.checksum is None else str(self.checksum),
            "licence": self.licence,
            "preprocessing": self.preprocessing.to_json(),
            "classes": self.classes,
            "published": {"top1": self.top1, "top5": self.top5, "source": self.figures},
            "pulled": str(self.path) if self.path.exists() else None,
        }


def _torchvision(model: str, file: str, top1: float, top5: float) -> Published:
    digits = file.rsplit("-", 1)[1].split(".")[0]
    return Published(
        f"{model}.tv_in1k",
        model,
        "torchvision",
        (f"https://download.pytorch.org/models/{file}",),
        "BSD-3-Clause",
        Checksum("sha256", digits),
        top1=top1,
        top5=top5,
        figures="torchvision",
    )


def _timm(tag: str, model: str, top1: float, top5: float, *, dialect: str = "timm") -> Published:
    source = tag.split(".")[1]
    return Published(
        f"{model}.{source if dialect == 'gluon' else f'timm_{source}'}",
        model,
        dialect,
        (f"https://huggingface.co/timm/{tag}/resolve/main/model.safetensors",),
        "Apache-2.0",
        top1=top1,
        top5=top5,
        figures="timm",
    )


def _slim(
    model: str,
    archive: str,
    member: str,
    accuracies: tuple[float, float],
    *,
    checksum: Checksum | None = None,
    mirrors: tuple[str, ...] = (),
) -> Published:
    first = f"https://storage.googleapis.com/download.tensorflow.org/models/{archive}"
    second = f"http://download.tensorflow.org/models/{archive}"
    return Published(
        f"{model}.tf_in1k",
        model,
        "slim",
        (first, second, *mirrors),
        "Apache-2.0",
        checksum,
        member=member,
        top1=accuracies[0],
        top5=accuracies[1],
        figures="TF-slim",
    )


def _keras(model: str, md5: str, top1: float, top5: float) -> Published:
    store = "https://storage.googleapis.com/tensorflow/keras-applications"
    return Published(
        f"{model}.keras_in1k",
        model,
        "keras",
        (f"{store}/{model}/{model}_weights_tf_dim_ordering_tf_kernels.h5",),
        "Apache-2.0",
        Checksum("md5", md5),
        top1=top1,
        top5=top5,
        figures="Keras",
    )


def _cadene(model: str, file: str, licence: str, top1: float, top5: float) -> Published:
    digits = file.rsplit("-", 1)[1].split(".")[0]
    releases = "https://github.com/rwightman/pytorch-image-models/releases/download"
    mirrors = () if model == "bn_inception" else (f"{releases}/v0.1-cadene/{file}",)
    return Published(
        f"{model}.cadene_in1k",
        model,
        "cadene",
        (f"http://data.lip6.fr/cadene/pretrainedmodels/{file}", *mirrors),
        licence,
        Checksum("sha256", digits),
        top1=top1,
        top5=top5,
        figures="pretrained-models.pytorch",
    )


INTEL = "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1"
OXFORD = "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe"
FACENET = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9"

CATALOGUE: dict[str, Published] = {
    entry.tag: entry
    for entry in (
        Published(
            "googlenet.bvlc_in1k",
            "googlenet",
            "caffe",
            (
                "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
                f"{INTEL}/googlenet-v1/bvlc_googlenet.caffemodel",
            ),
            "unrestricted (BVLC)",
            Checksum("sha256", "6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad"),
            top1=68.7,
            top5=88.9,
            figures="BVLC",
        ),
        _torchvision("googlenet_tv", "googlenet-1378be20.pth", 69.778, 89.530),
        _slim(
            "googlenet_slim",
            "inception_v1_2016_08_28.tar.gz",
            "inception_v1.ckpt",
            (69.8, 89.6),
            checksum=Checksum(
                "sha256", "7a620c430fcaba8f8f716241f5148c4c47c035cce4e49ef02cfbe6cd1adf96a6"
            ),
        ),
        Published(
            "googlenet_5h.google_in1k",
            "googlenet_5h",
            "inception5h",
            (
                "https://storage.googleapis.com/download.tensorflow.org/models/inception5h.zip",
                "http://download.tensorflow.org/models/inception5h.zip",
            ),
            "Apache-2.0",
            Checksum("sha256", "d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364"),
            member="tensorflow_inception_graph.pb",
            labels="imagenet_comp_graph_label_strings.txt",
            classes="own",
        ),
        _cadene(
            "bn_inception",
            "bn_inception-52deb4733.pth",
            "not stated",
            73.524,
            91.562,
        ),
        _slim(
            "inception_v2_slim",
            "inception_v2_2016_08_28.tar.gz",
            "inception_v2.ckpt",
            (73.9, 91.8),
            checksum=Checksum(
                "sha384",
                "c0b2efbae8fc5e237ae67637dca3f311d4b4f7da576b56067e83d95c398a2fcc"
                "d50baff9cc0de64335f4d7b78e1adb07",
            ),
            mirrors=(f"{INTEL}/googlenet-v2-tf/inception_v2_2016_08_28.tar.gz",),
        ),
        _slim("inception_v3", "inception_v3_2016_08_28.tar.gz", "inception_v3.ckpt", (78.0, 93.9)),
        _keras("inception_v3", "9a0d58056eeedaa3f26cb7ebd46da564", 77.9, 93.7),
        _torchvision("inception_v3_tv", "inception_v3_google-0cc3c7bd.pth", 77.294, 93.450),
        _timm("inception_v3.tv_in1k", "inception_v3_tv", 77.472, 93.468),
        _timm("inception_v3.tf_in1k", "inception_v3_tv", 77.866, 93.644),
        _timm("inception_v3.tf_adv_in1k", "inception_v3_tv", 77.598, 93.726),
        _timm("inception_v3.gluon_in1k", "inception_v3_tv", 78.806, 94.372, dialect="gluon"),
        Published(
            "inception_v3_fid.google_in1k",
            "inception_v3_fid",
            "fid",
            (
                "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
                "pt_inception-2015-12-05-6726825d.pth",
            ),
            "Apache-2.0",
            Checksum("sha256", "6726825d"),
            classes="own",
        ),
        _slim("inception_v4", "inception_v4_2016_09_09.tar.gz", "inception_v4.ckpt", (80.2, 95.2)),
        _timm("inception_v4.tf_in1k", "inception_v4", 80.144, 94.982),
        _cadene("inception_v4", "inceptionv4-8e4777a0.pth", "Apache-2.0", 80.062, 94.926),
        *(
            Published(
                f"inception_resnet_v1_facenet.{name}",
                "inception_resnet_v1_facenet",
                "facenet",
                (f"{FACENET}/{file}",),
                "MIT",
                classes="own",
                figures=f"{accuracy} % on LFW",
            )
            for name, file, accuracy in (
                ("vggface2", "20180402-114759-vggface2.pt", "99.65"),
                ("casia", "20180408-102900-casia-webface.pt", "99.05"),
            )
        ),
        _slim(
            "inception_resnet_v2",
            "inception_resnet_v2_2016_08_30.tar.gz",
            "inception_resnet_v2_2016_08_30.ckpt",
            (80.4, 95.3),
        ),
        _keras("inception_resnet_v2", "e693bd0210a403b3192acc6073ad2e96", 80.3, 95.3),
        _timm("inception_resnet_v2.tf_in1k", "inception_resnet_v2", 80.434, 95.312),
        _timm("inception_resnet_v2.tf_ens_adv_in1k", "inception_resnet_v2", 79.998, 94.940),
        _cadene(
            "inception_resnet_v2", "inceptionresnetv2-520b38e4.pth", "Apache-2.0", 80.170, 95.234
        ),
        _keras("xception", "0a58e3b7378bc2990ea3b43d5981f1f6", 79.0, 94.5),
        Published(
            "xception_timm.timm_tf_in1k",
            "xception_timm",
            "timm",
            (
                "https://github.com/rwightman/pytorch-image-models/releases/download/"
                "v0.1-cadene/xception-43020ad28.pth",
                "http://data.lip6.fr/cadene/pretrainedmodels/xception-43020ad28.pth",
            ),
            "Apache-2.0",
            Checksum("sha256", "43020ad28"),
            top1=79.058,
            top5=94.396,
            figures="timm",
        ),
        Published(
            "alexnet.bvlc_in1k",
            "alexnet",
            "caffe",
            (
                "http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
                f"{INTEL}/alexnet/bvlc_alexnet.caffemodel",
            ),
            "unrestricted (BVLC)",
            Checksum("sha256", "4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0"),
            top1=57.1,
            top5=80.2,
            figures="BVLC",
        ),
        _torchvision("alexnet_tv", "alexnet-owt-7be5be79.pth", 56.522, 79.066),
        Published(
            "nin.lin_in1k",
            "nin",
            "caffe",
            ("https://www.dropbox.com/s/0cidxafrb2wuwxw/nin_imagenet.caffemodel?dl=1",),
            "non-commercial",
            Checksum("sha1", "8e89c8fcd46e02780e16c867a5308e7bb7af0803"),
            top1=59.36,
            figures="Caffe model zoo",
        ),
        Published(
            "vgg16.oxford_in1k",
            "vgg16",
            "caffe",
            (f"{OXFORD}/VGG_ILSVRC_16_layers.caffemodel",),
            "CC BY 4.0",
            Checksum("sha256", "a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197"),
        ),
        _torchvision("vgg16", "vgg16-397923af.pth", 71.592, 90.382),
        _torchvision("vgg16_bn", "vgg16_bn-6c64b313.pth", 73.360, 91.516),
        Published(
            "vgg19.oxford_in1k",
            "vgg19",
            "caffe",
            (f"{OXFORD}/VGG_ILSVRC_19_layers.caffemodel",),
            "CC BY 4.0",
            Checksum(
                "sha384",
                "86b83739d448a81ddc927922d4d7581e06113478106b59480097b02cc63ff51c"
                "9da7c3cd8a865b08946d07d0281d5b2e",
            ),
        ),
        _torchvision("vgg19", "vgg19-dcbb9e9d.pth", 72.376, 90.876),
        _torchvision("vgg19_bn", "vgg19_bn-c79401a0.pth", 74.218, 91.842),
    )
}


def find_published(tag: str) -> Published:
    """The catalogue's entry of that tag.

    Raises:
        InputError: there is none; the message offers the nearest.
    """
    if tag not in CATALOGUE:
        close = get_close_matches(tag, CATALOGUE, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "`inception weights list` has all"
        raise InputError(f"no public weights named {tag!r}; {hint}")
    return CATALOGUE[tag]


def pulled(tag: str) -> Path:
    """The model's file of a tag that was pulled.

    Raises:
        InputError: no such tag, or it is not here yet.
    """
    path = find_published(tag).path
    if not path.exists():
        raise InputError(f"{tag} is not here yet: inception weights pull {tag}")
    return path
