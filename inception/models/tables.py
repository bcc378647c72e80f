"""Every network by name, read when first asked for: a model file brings its own network."""

from inception.models import (
    bn_inception,
    classics,
    googlenet,
    inception_resnet,
    inception_v3,
    inception_v4,
    xception,
)
from inception.models.spec import Spec

MODELS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        googlenet.GOOGLENET,
        googlenet.GOOGLENET_BN,
        googlenet.GOOGLENET_TV,
        googlenet.GOOGLENET_SLIM,
        googlenet.GOOGLENET_5H,
        googlenet.GOOGLENET_PLAIN,
        googlenet.GOOGLENET_NAIVE,
        googlenet.GOOGLENET_SMALL,
        bn_inception.BN_INCEPTION,
        bn_inception.INCEPTION_V2_SLIM,
        inception_v3.INCEPTION_V2_RETHINKING,
        inception_v3.INCEPTION_V3,
        inception_v3.INCEPTION_V3_TV,
        inception_v3.INCEPTION_V3_FID,
        inception_v3.INCEPTION_V3_SMALL,
        inception_v4.INCEPTION_V4,
        inception_v4.INCEPTION_V4_SMALL,
        inception_resnet.INCEPTION_RESNET_V1,
        inception_resnet.INCEPTION_RESNET_V1_FACENET,
        inception_resnet.INCEPTION_RESNET_V2,
        inception_resnet.INCEPTION_RESNET_V2_PAPER,
        inception_resnet.INCEPTION_RESNET_V2_SMALL,
        xception.XCEPTION,
        xception.XCEPTION_TIMM,
        xception.XCEPTION_SMALL,
        classics.LENET5,
        classics.ALEXNET,
        classics.ALEXNET_TV,
        classics.NIN,
        classics.NIN_SMALL,
        classics.VGG16,
        classics.VGG16_BN,
        classics.VGG19,
        classics.VGG19_BN,
    )
}
