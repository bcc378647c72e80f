"""The smallest network that trains: one convolution, no norm, no dropout."""

from inception.models.spec import CLASSES, Conv, Flatten, Linear, Pool, Spec
from inception.preprocessing import Preprocessing

TINY = Spec(
    "tiny",
    stages={"conv": Conv(8, kernel=3)},
    classifier={"pool": Pool("average", grid=1), "flatten": Flatten(), "logits": Linear(CLASSES)},
    preprocessing=Preprocessing(size=16),
)
