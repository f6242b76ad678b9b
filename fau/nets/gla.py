"""GLA-CNN: a six-block CNN with attention over the positions of its last map.

Le Hoai et al., "An Attention-based Method for Multi-label Facial Action Unit Detection" (ABAW 2022). The paper gives
layers and widths; what it leaves open (pooling, attention width, initialisation) is named where it is decided.
"""

from __future__ import annotations

from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.attention import KERAS_NORM_EPS, KERAS_NORM_MOMENTUM, PoolingHead, keras_init
from fau.nets.output import Net, NetOutput


class GLACNN(Net):
    """The six-block CNN, global-local attention and one linear layer.

    Read literally, the paper pools after each of its six blocks, which leaves a 112 px face one single position: the
    softmax over it is 1 and the attention does nothing, although the paper reports that it helps. So the last two
    blocks do not pool by default and the map is 7 x 7, as in GLAMOR-Net, from which the attention comes. The literal
    reading is ``pool="111111"`` with ``allow_1x1``.

    Args:
        num_outputs: Number of labels.
        input_size: Side of the image in pixels; the paper's is 112.
        widths: Output channels of the blocks.
        pool: One character a block, 1 for a 2 x 2 max pooling after it, 0 for none.
        attention: Pool the last map by attention; otherwise by its mean.
        hidden: Hidden width of the attention.
        norm_momentum: Share of the batch-norm statistics that one batch replaces. Keras' 0.01 needs some 300 steps
            before the statistics forget their start; short runs want 0.1.
        allow_1x1: Accept a last map of one position although attention then does nothing.

    Raises:
        FauError: If ``pool`` and ``widths`` do not fit each other, or the image is too small for them.
    """

    def __init__(
        self,
        num_outputs: int,
        input_size: int = 112,
        widths: tuple[int, ...] = (32, 64, 128, 128, 256, 256),
        pool: str = "111100",
        attention: bool = True,
        hidden: int = 128,
        norm_momentum: float = KERAS_NORM_MOMENTUM,
        allow_1x1: bool = False,
    ) -> None:
        super().__init__(num_outputs, input_size)
        if not widths or min(widths) < 1:
            raise FauError(f"widths of GLACNN must be one positive number a block, not {list(widths)}")
        if len(pool) != len(widths) or set(pool) - {"0", "1"}:
            raise FauError(
                f"pool '{pool}' of GLACNN must be {len(widths)} characters 0 or 1, one for each of widths, "
                "and quoted in a YAML file"
            )
        positions_wanted = 2 if attention and not allow_1x1 else 1  # along a side
        self.least_size = positions_wanted << pool.count("1")
        self.pool = pool
        self._check_size(input_size)
        blocks: list[nn.Module] = []
        channels = 3
        for width, pooled in zip(widths, pool, strict=True):
            block: list[nn.Module] = [
                nn.Conv2d(channels, width, 3, padding=1),  # with bias, as in Keras, though batch norm follows
                nn.BatchNorm2d(width, eps=KERAS_NORM_EPS, momentum=norm_momentum),
                nn.ReLU(inplace=True),
            ]
            if pooled == "1":
                block.append(nn.MaxPool2d(2))
            blocks.append(nn.Sequential(*block))
            channels = width
        self.encoder = nn.Sequential(*blocks)
        keras_init(self.encoder)
        self.head = PoolingHead(channels, num_outputs, attention, hidden, norm_momentum)

    def _check_size(self, side: int) -> None:
        if side < self.least_size:
            reason = "; attention needs more than one position (allow_1x1 accepts one)" if self.least_size > 1 else ""
            raise FauError(
                f"GLACNN with pool {self.pool} needs images of {self.least_size} px or more, not {side}{reason}"
            )

    def forward(self, image: Tensor) -> NetOutput:
        """Score a batch (B, 3, H, W) of any size from ``least_size`` on.

        Raises:
            FauError: If the images are smaller than that.
        """
        self._check_size(min(image.shape[-2:]))
        features: Tensor = self.encoder(image)
        output: NetOutput = self.head(features)
        return output
