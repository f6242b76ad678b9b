"""ME-GraphAU, both stages: action units as the nodes of a graph, its edges learned from the face.

Luo et al. (IJCAI 2022). Followed is the authors' released code, where it and the paper differ too. Its probabilities
are cosines, not sigmoids; the parts are in ``megraphau_parts`` and ``megraphau_edges``, the import of the authors'
checkpoints in ``megraphau_weights``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from fau.errors import FauError
from fau.nets.backbone import Trunk
from fau.nets.megraphau_edges import EdgeFeatures, GatedLayer
from fau.nets.megraphau_parts import CosineClassifier, LinearBlock, Metric, SimilarityGraph
from fau.nets.megraphau_weights import load_weights
from fau.nets.output import Net, NetOutput, ProbabilityOutput

EDGE_CLASSES = 4  # neither AU, only the second, only the first, both: 2 y_i + y_j


@dataclass(frozen=True)
class _Published:
    """A trunk of the paper: timm's name with the weights that the authors start from, and their drop path rate."""

    name: str
    drop_path: float = 0.0


# ImageNet-1k weights throughout; timm's default Swin-B would be of ImageNet-22k.
TRUNKS = {
    "resnet18": _Published("resnet18.tv_in1k"),
    "resnet50": _Published("resnet50.tv_in1k"),
    "resnet101": _Published("resnet101.tv_in1k"),
    "swin_tiny": _Published("swin_tiny_patch4_window7_224.ms_in1k", 0.2),
    "swin_small": _Published("swin_small_patch4_window7_224.ms_in1k", 0.3),
    "swin_base": _Published("swin_base_patch4_window7_224.ms_in1k", 0.5),
}


Layout = Literal["megraphau", "opengraphau"]
# OpenGraphAU's nodes with a left and a right: AU 1, 2, 4, 6, 10, 12 and 14, by their place among its 27.
SIDED = (0, 1, 2, 4, 7, 8, 11)


@dataclass
class GraphOutput(ProbabilityOutput):
    """The result of ME-GraphAU.

    Attributes:
        edge_logits: (B, N * N, 4), of the classes of the ordered pairs of AUs (stage 2), else None.
    """

    edge_logits: Tensor | None = None


class _MEGraphAU(Net):
    """What both stages share: trunk, projection, features of each AU (AFG), classifier."""

    stage: int

    def __init__(
        self,
        num_outputs: int,
        trunk: str,
        pretrained: bool | str,
        input_size: int | None,
        width: int | None,
        layout: Layout,
        options: dict[str, Any] | None,
    ) -> None:
        published = TRUNKS.get(trunk)
        drop_path = {"drop_path_rate": published.drop_path} if published and published.drop_path else {}
        name = published.name if published else trunk
        made = Trunk(name, pretrained, input_size, drop_path | (options or {}))
        super().__init__(num_outputs, made.input_size)
        self.mean, self.std = made.mean, made.std
        self.trunk = made
        channels = width if width is not None else made.channels // (2 if made.transformer else 4)
        if channels < 2 or channels % 2:
            raise FauError(f"{type(self).__name__} needs a width that is even and 2 or more, not {channels}")
        self.channels = channels
        sided = SIDED if layout == "opengraphau" else ()
        self.nodes = num_outputs - 2 * len(sided)
        if sided and self.nodes <= max(sided):
            raise FauError(
                f"layout opengraphau has {2 * len(sided)} outputs of sides beside those of its nodes, 41 in all, "
                f"and not {num_outputs}; take the layout megraphau"
            )
        self.project = LinearBlock(made.channels, channels)
        self.features = LinearBlock(channels, channels, blocks=self.nodes)
        self.classify = CosineClassifier(channels, self.nodes, sided)

    def _load(self, weights: str | None) -> None:
        self.weights = weights
        if weights is not None:
            load_weights(self, weights, self.stage)

    def _tokens(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the face's tokens (B, D, C) and each AU's (B, D, N, C)."""
        tokens: Tensor = self.project(self.trunk(image).flatten(2).transpose(1, 2))
        features: Tensor = self.features(tokens)
        return tokens, features.view(*tokens.shape[:2], self.nodes, self.channels)


class MEGraphAUStage1(_MEGraphAU):
    """Stage 1 (ANFL): each AU's features, and one layer over the graph of AUs that the image makes alike.

    Args:
        num_outputs: AUs.
        trunk: ``resnet18``, ``resnet50``, ``resnet101``, ``swin_tiny``, ``swin_small`` or ``swin_base`` as published
            (ImageNet-1k weights, drop path of the authors), or any timm model.
        pretrained: False for a random trunk, True for timm's weights from the hub, or the path of a weight file.
        input_size: Side of the image in pixels; None takes the trunk's own, 224 for the published.
        neighbours: Links of each AU; the authors take 4 for BP4D and 3 for DISFA.
        metric: Likeness of AUs: ``dots``, ``cosine`` or ``l1``.
        width: Working width C; None takes a quarter of the trunk's, of a transformer's half.
        layout: ``megraphau``, one node an output; or ``opengraphau``, 27 nodes and for seven of them outputs of the
            left and the right side: 41 outputs.
        weights: Checkpoint of this stage to start from, of the authors or of a run of ours: a file, or the run's
            folder. Loading is strict.
        options: More arguments for ``timm.create_model``, such as ``drop_path_rate``.

    Raises:
        FauError: If the trunk is unknown or weights do not fit.
    """

    stage = 1

    def __init__(
        self,
        num_outputs: int,
        trunk: str = "resnet50",
        pretrained: bool | str = False,
        input_size: int | None = None,
        neighbours: int = 4,
        metric: Metric = "dots",
        width: int | None = None,
        layout: Layout = "megraphau",
        weights: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_outputs, trunk, pretrained, input_size, width, layout, options)
        if neighbours < 1:
            raise FauError(f"{type(self).__name__} needs neighbours of 1 or more, not {neighbours}")
        self.graph = SimilarityGraph(self.channels, self.nodes, neighbours, metric)
        self._load(weights)

    def forward(self, image: Tensor) -> NetOutput:
        """Score a batch (B, 3, H, W)."""
        _, features = self._tokens(image)
        return GraphOutput.of(self.classify(self.graph(features.mean(dim=1))))


class MEGraphAUStage2(_MEGraphAU):
    """Stage 2 (MEFL): features of every ordered pair of AUs, and two gated graph layers over nodes and edges.

    Args:
        num_outputs: AUs.
        trunk: As in stage 1.
        pretrained: As in stage 1.
        input_size: As in stage 1.
        width: As in stage 1.
        layout: As in stage 1; ``opengraphau`` gives no edge logits, and its layers put the ReLU inside the sum.
        weights: As in stage 1, of this stage. What starts from a run of stage 1 is the training module.
        options: As in stage 1.

    Raises:
        FauError: If the trunk is unknown or weights do not fit.
    """

    stage = 2

    def __init__(
        self,
        num_outputs: int,
        trunk: str = "resnet50",
        pretrained: bool | str = False,
        input_size: int | None = None,
        width: int | None = None,
        layout: Layout = "megraphau",
        weights: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_outputs, trunk, pretrained, input_size, width, layout, options)
        opengraph = layout == "opengraphau"
        self.edges = EdgeFeatures(self.channels, self.nodes)
        self.layers = nn.ModuleList(GatedLayer(self.channels, self.nodes, inner_relu=opengraph) for _ in range(2))
        self.classify_edges = None if opengraph else nn.Linear(self.channels, EDGE_CLASSES)
        if self.classify_edges is not None:
            nn.init.xavier_uniform_(self.classify_edges.weight)
        self._load(weights)

    def forward(self, image: Tensor) -> NetOutput:
        """Score a batch (B, 3, H, W) and the pairs of its AUs."""
        tokens, features = self._tokens(image)
        nodes, edges = features.mean(dim=1), self.edges(features, tokens)
        for layer in self.layers:
            nodes, edges = layer(nodes, edges)
        edge_logits = None if self.classify_edges is None else self.classify_edges(edges)
        return GraphOutput.of(self.classify(nodes), edge_logits=edge_logits)
