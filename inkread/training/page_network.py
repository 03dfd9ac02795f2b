"""The page network in torch: a small U-Net that shows where lines are on a page. `page_loop` trains it."""

from torch import Tensor, nn

from inkread.model.page_model import CHANNELS, DEPTHS, FEATURES, KERNELS, OUTPUTS, SHAPE_FEATURES


class Block(nn.Sequential):
    """Convolution, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, size: int = 3) -> None:
        convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class PageNetwork(nn.Module):
    """Grey page (B, 1, H, W), 0 to 1, to (B, 3, H / 4, W / 4); H and W are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (1, *CHANNELS)
        self.down = nn.ModuleList(Block(i, o, 2, size) for i, o, size in zip(inputs, CHANNELS, KERNELS, strict=False))
        self.same = nn.ModuleList(
            nn.Sequential(*(Block(c, c) for _ in range(depth))) for c, depth in zip(CHANNELS, DEPTHS, strict=True)
        )
        # Back from 1/32 to 1/4: fewer channels, twice as large, plus those of the way down.
        self.narrow = nn.ModuleList(Block(CHANNELS[i], CHANNELS[i - 1], size=1) for i in (4, 3, 2))
        self.merge = nn.ModuleList(Block(CHANNELS[i - 1], CHANNELS[i - 1]) for i in (4, 3, 2))
        self.head = nn.Conv2d(CHANNELS[1], OUTPUTS, 1)
        self.line = nn.Linear(FEATURES + SHAPE_FEATURES, 1)  # `line_filter` finds its weights; until then it keeps all
        nn.init.zeros_(self.line.weight)
        nn.init.ones_(self.line.bias)

    def forward(self, page: Tensor) -> Tensor:
        x = page - 0.5
        levels = []
        for down, same, depth in zip(self.down, self.same, DEPTHS, strict=True):
            x = down(x)
            x = x + same(x) if depth else x
            levels.append(x)
        for narrow, merge, level in zip(self.narrow, self.merge, levels[3:0:-1], strict=True):
            x = nn.functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest") + level
            x = merge(x)
        maps: Tensor = self.head(x)  # (B, 3, H / 4, W / 4)
        return maps
