"""Values and gradients of 46 losses, recorded from their equations.

They were computed in float64 from literal transcriptions of the equations,
most of which equal the authors' code. The names are those of the papers.
"""

import numpy as np
import pytest
from sheet import X2, X3, M, S, assert_measured, c, cy, fine, yA, yB

from supcon_tf import (
    AlignmentUniformityLoss,
    BalancedSupConLoss,
    CACRLoss,
    ConRLoss,
    CrossViewLoss,
    DecoupledLoss,
    HardNegativeLoss,
    HierarchicalSupConLoss,
    MultiViewLoss,
    SINCERELoss,
    SoftSupConLoss,
    SpreadLoss,
    SupConLoss,
    similarities,
)
from supcon_tf.losses.pairs import tiles

PREDICTIONS = np.array([20.5, 24, 35, 30, 22, 26, 30, 21.5]).reshape(4, 2)
MIXED = np.array([[0.7, 0, 2], [1, 1, 0], [0.6, 2, 3], [1, 3, 1]])
VIEW_1 = X2[:, 1]
# Cities as images: Paris, Brussels, Berlin, Amsterdam.
CITIES = np.array(
    [
        [2.3522, 48.8566],
        [4.3517, 50.8503],
        [13.4050, 52.5200],
        [4.9041, 52.3676],
    ]
)

# number of the sheet: loss, labels, inputs, value, gradient at [0][0], norm
VALUES = {
    "1 SupCon": (
        SupConLoss(0.5),
        yA,
        X2,
        1.898204014,
        (-0.0557099, -0.0231515, 0.0510065),
        0.2075724,
    ),
    "2 SupCon, t = 0.1": (
        SupConLoss(0.1),
        yA,
        X2,
        4.252126501,
        (-0.1772273, -0.0906248, 0.1792385),
        1.1938818,
    ),
    "3 L_in": (
        SupConLoss(0.5, summation="inside"),
        yA,
        X2,
        1.658379133,
        (-0.0534866, -0.0127873, 0.0395306),
        0.1604790,
    ),
    "4 NT-Xent": (
        SupConLoss(0.5),
        None,
        X2,
        1.157463273,
        (-0.0474794, 0.0303464, -0.0066067),
        0.2370695,
    ),
    "5 NT-Xent, three views": (
        SupConLoss(0.5),
        None,
        X3,
        1.696069204,
        (-0.0033996, 0.0284950, -0.0267952),
        0.1899086,
    ),
    "6 SINCERE": (
        SINCERELoss(0.5),
        yA,
        X2,
        1.380091072,
        (-0.0911525, -0.0312935, 0.0768697),
        0.2860251,
    ),
    "7 SINCERE, yB": (
        SINCERELoss(0.5),
        yB,
        X2,
        0.841648820,
        (0.0281661, -0.0450526, 0.0309695),
        0.2839700,
    ),
    "8 epsilon-SupInfoNCE": (
        SINCERELoss(0.5, margin=0.25),
        yA,
        X2,
        1.308976101,
        (-0.0974337, -0.0330823, 0.0817992),
        0.3026412,
    ),
    "9 supervised DCL": (
        DecoupledLoss(0.5),
        yA,
        X2,
        0.982295648,
        (-0.1327441, -0.0432562, 0.1096283),
        0.4004826,
    ),
    "10 DCL": (
        DecoupledLoss(0.5),
        None,
        X2,
        0.749630414,
        (-0.0668876, 0.0378485, -0.0044047),
        0.3476312,
    ),
    "11 DCLW": (
        DecoupledLoss(0.5, sigma=0.5),
        None,
        X2,
        0.758368306,
        (-0.0606099, 0.0334541, -0.0031492),
        0.3588323,
    ),
    "12 DCLW, constant weights": (
        DecoupledLoss(0.5, sigma=0.5, weights_have_gradient=False),
        None,
        X2,
        0.758368306,
        (-0.0636514, 0.0355832, -0.0037575),
        0.3525992,
    ),
    "13 HCL": (
        HardNegativeLoss(0.5),
        None,
        X2,
        1.266448565,
        (-0.0959390, 0.0649368, -0.0169673),
        0.3132533,
    ),
    "14 HCL, beta 0.5": (
        HardNegativeLoss(0.5, hardness=0.5, class_prior=0),
        None,
        X2,
        1.271640922,
        (-0.0602420, 0.0430411, -0.0129200),
        0.2484941,
    ),
    "15 supervised HCL": (
        HardNegativeLoss(0.5, class_prior=0),
        yA,
        X2,
        1.538696051,
        (-0.1552369, -0.0018073, 0.0794257),
        0.3428013,
    ),
    "16 debiased": (
        HardNegativeLoss(0.5, hardness=0),
        None,
        X2,
        0.998180364,
        (-0.0593045, 0.0354144, -0.0057622),
        0.3034454,
    ),
    "17 debiased, two positives": (
        HardNegativeLoss(0.5, hardness=0),
        None,
        X3,
        1.283131463,
        (-0.0140222, 0.0423254, -0.0353143),
        0.2971138,
    ),
    "18 debiased, cut off": (
        HardNegativeLoss(0.5, hardness=0, class_prior=0.9),
        None,
        X2,
        0.136002137,
        (-0.0074493, 0.0052145, -0.0014899),
        0.0312935,
    ),
    "19 MV-InfoNCE": (
        MultiViewLoss("infonce", 0.5),
        None,
        X2,
        1.177799811,
        (-0.0470732, 0.0292631, -0.0057265),
        0.2532458,
    ),
    "20 MV-InfoNCE, three views": (
        MultiViewLoss("infonce", 0.5),
        None,
        X3,
        1.002684363,
        (-0.0105019, 0.0275834, -0.0223325),
        0.1874135,
    ),
    "21 DHEL": (
        MultiViewLoss("dhel", 0.5),
        None,
        X2,
        1.814132408,
        (-0.0412728, 0.0380960, -0.0174596),
        0.5601700,
    ),
    "22 MV-DHEL, three views": (
        MultiViewLoss("dhel", 0.5),
        None,
        X3,
        1.902917256,
        (0.0038145, 0.0346277, -0.0365350),
        0.6452808,
    ),
    "23 CACR": (
        CACRLoss(),
        None,
        X3,
        -0.671866323,
        (0.0059697, 0.0525326, -0.0555175),
        0.3636448,
    ),
    "24 CACR, constant weights": (
        CACRLoss(weights_have_gradient=False),
        None,
        X3,
        -0.671866323,
        (-0.0013263, 0.0401963, -0.0395331),
        0.3203975,
    ),
    "26 MultiSupCon": (
        SoftSupConLoss(similarities.Jaccard(0.3), 0.5, positives_mean="count"),
        M,
        X2,
        1.022705623,
        (-0.0062018, 0.0022722, 0.0008287),
        0.0681046,
    ),
    "27 Jaccard over the sum": (
        SoftSupConLoss(similarities.Jaccard(0.3), 0.5),
        M,
        X2,
        1.780674552,
        (-0.0103255, 0.0045912, 0.0005716),
        0.1158109,
    ),
    "28 GenSCL": (
        SoftSupConLoss(similarities.Cosine(), 0.5),
        S,
        X2,
        2.015798630,
        (-0.0037182, -0.0030509, 0.0049101),
        0.1147597,
    ),
    "29 GenSCL over contrasts": (
        SoftSupConLoss(similarities.Cosine(), 0.5, positives_mean="contrasts"),
        S,
        X2,
        1.313555964,
        (-0.0028888, -0.0020957, 0.0035401),
        0.0690598,
    ),
    "30 dot": (
        SoftSupConLoss(similarities.Dot(), 0.5),
        S,
        X2,
        1.997462811,
        (-0.0089963, -0.0032802, 0.0077784),
        0.1105989,
    ),
    "31 Gaussian kernel": (
        SoftSupConLoss(similarities.GaussianKernel(5), 0.5),
        c,
        X2,
        1.896555076,
        (-0.0371914, -0.0202391, 0.0388348),
        0.1425032,
    ),
    "32 Laplace kernel": (
        SoftSupConLoss(similarities.LaplaceKernel(5), 0.5),
        c,
        X2,
        1.805889292,
        (-0.0345117, -0.0113376, 0.0285935),
        0.1112033,
    ),
    "33 shared levels": (
        SoftSupConLoss(similarities.SharedLevels(), 0.5),
        np.stack([yA, fine], 1),
        X2,
        1.870426236,
        (-0.0536523, -0.0097770, 0.0366032),
        0.2030394,
    ),
    "34 mean of levels": (
        HierarchicalSupConLoss(None, 0.5),
        np.stack([yA, fine], 1),
        X2,
        1.842648458,
        (-0.0515947, 0.0035974, 0.0221999),
        0.2064500,
    ),
    "35 class averages": (
        BalancedSupConLoss(0.5),
        yB,
        X2,
        0.504958391,
        (0.0182049, -0.0257644, 0.0166620),
        0.1805264,
    ),
    "37 SupReMix's weights": (
        SoftSupConLoss(
            similarities.Within(0),
            0.5,
            contrast_weights=similarities.Distance(),
        ),
        cy,
        X2,
        3.032261203,
        (0.1052607, -0.0412937, -0.0113366),
        0.3928139,
    ),
    "42 ConR": (
        ConRLoss(5, 0.5),
        np.concatenate([c[:, None], PREDICTIONS], 1),
        X2,
        1.340833287,
        (-0.0360391, -0.0091270, 0.0271465),
        0.1544942,
    ),
    "45 spread": (
        SpreadLoss(),
        yA,
        X2,
        0.604957953,
        (-0.0284456, 0.0022770, 0.0119458),
        0.1138313,
    ),
    "46 alignment and uniformity": (
        AlignmentUniformityLoss(),
        None,
        X2,
        -1.796086119,
        (-0.1898688, 0.0752450, 0.0196894),
        0.5842043,
    ),
    "48 CLIP": (
        CrossViewLoss(None, 0.5),
        None,
        X2,
        0.748794435,
        (-0.0369060, 0.0185394, -0.0000864),
        0.1853726,
    ),
    "49 CWCL": (
        CrossViewLoss(similarities.AffineCosine(), 0.5, anchors="first"),
        VIEW_1,
        X2,
        1.476454703,
        (0.0048611, 0.0156582, -0.0180888),
        0.0672947,
    ),
    "50 MixCo": (
        CrossViewLoss(similarities.Mixed(), 0.5, positives_mean="one"),
        MIXED,
        X2,
        0.969019233,
        (-0.0485227, 0.0044226, 0.0198388),
        0.1602901,
    ),
    "5.29 MixCo one way": (
        CrossViewLoss(
            similarities.Mixed(), 0.5, positives_mean="one", anchors="first"
        ),
        MIXED,
        X2,
        0.997408114,
        None,
        None,
    ),
    "5.28 CLIP one way": (
        CrossViewLoss(None, 0.5, anchors="first"),
        None,
        X2,
        0.752963670,
        None,
        None,
    ),
    "5.14 places": (
        SoftSupConLoss(similarities.Haversine(200), 0.5),
        CITIES,
        X2,
        1.768242188,
        None,
        None,
    ),
    "5.15 HMC": (
        HierarchicalSupConLoss([2**0.5 / 3, 2 / 3], 0.5),
        np.stack([yA, fine], 1),
        X2,
        2.086217222,
        None,
        None,
    ),
    "5.12 MultiSupCon, c = 0.6": (
        SoftSupConLoss(similarities.Jaccard(0.6), 0.5, positives_mean="count"),
        M,
        X2,
        1.157463273,
        None,
        None,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(VALUES))
@pytest.mark.parametrize(
    ("implementation", "tile_size"), [("dense", 896), ("tiled", 3)]
)
def test_loss_has_the_recorded_value_and_gradient(
    monkeypatch, case, implementation, tile_size
):
    monkeypatch.setattr(tiles, "TILE_SIZE", tile_size)
    loss, labels, x, value, slopes, norm = VALUES[case]
    config = loss.get_config()
    config |= {"implementation": implementation, "dtype": "float64"}
    loss = type(loss).from_config(config)
    assert_measured(lambda z: loss(labels, z), x, value, slopes, norm)
