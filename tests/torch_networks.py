"""The paper's networks in PyTorch, the oracle of our own: written from the authors' facts.

Layers have the names of the authors' released weights, so that a state dictionary of these is such
a file. Everything here is NCHW, as PyTorch has it. Imported only where torch is installed.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def colour_stage(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def flow_stage(in_channels: int, out_channels: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, size, padding=size // 2),
        nn.LeakyReLU(0.1),
        nn.Conv2d(out_channels, out_channels, size, padding=size // 2),
        nn.LeakyReLU(0.1),
    )


def join(skip: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Pads `up` to the skip's size, half before and the rest after; [skip, up] on channels."""
    missing_rows = skip.shape[2] - up.shape[2]
    missing_columns = skip.shape[3] - up.shape[3]
    left, top = missing_columns // 2, missing_rows // 2
    up = functional.pad(up, (left, missing_columns - left, top, missing_rows - top))
    return torch.cat([skip, up], dim=1)


class ColourUp(nn.Module):
    def __init__(self, below: int, skip: int, out_channels: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(below, below, 2, stride=2)
        self.conv = colour_stage(skip + below, out_channels)

    def forward(self, x, skip):
        return self.conv(join(skip, self.up(x)))


class ColourUNet(nn.Module):
    def __init__(self, in_channels: int = 3, ch: int = 64):
        super().__init__()
        self.inconv = colour_stage(in_channels, ch)
        self.downconv1 = nn.Sequential(nn.AvgPool2d(2), colour_stage(ch, 2 * ch))
        self.downconv2 = nn.Sequential(nn.AvgPool2d(2), colour_stage(2 * ch, 4 * ch))
        self.downconv3 = nn.Sequential(nn.AvgPool2d(2), colour_stage(4 * ch, 8 * ch))
        self.downconv4 = nn.Sequential(nn.AvgPool2d(2), colour_stage(8 * ch, 8 * ch))
        self.upconv1 = ColourUp(8 * ch, 8 * ch, 4 * ch)
        self.upconv2 = ColourUp(4 * ch, 4 * ch, 2 * ch)
        self.upconv3 = ColourUp(2 * ch, 2 * ch, ch)
        self.upconv4 = ColourUp(ch, ch, ch)
        self.outconv = nn.Conv2d(ch, 3, 1)

    def forward(self, x):
        x1 = self.inconv(x)
        x2 = self.downconv1(x1)
        x3 = self.downconv2(x2)
        x4 = self.downconv3(x3)
        x = self.downconv4(x4)
        x = self.upconv1(x, x4)
        x = self.upconv2(x, x3)
        x = self.upconv3(x, x2)
        x = self.upconv4(x, x1)
        return self.outconv(x)


def ccdnet1(unet: ColourUNet, gif: torch.Tensor) -> torch.Tensor:
    return torch.tanh(unet(gif))


def nearest_color(image, palettes, num_colors):
    """f_C by comparing every pixel with every colour at once, in float64; also the two nearest."""
    colors = palettes.double() / 127.5 - 1
    pixels = image.detach().double().permute(0, 2, 3, 1)
    distance = (pixels[..., None, :] - colors[:, None, None]).square().sum(-1)
    for i, number in enumerate(num_colors):
        distance[i, ..., int(number) :] = torch.inf
    two_nearest, indices = distance.topk(2, dim=-1, largest=False)
    chosen = torch.stack(
        [table[index[..., 0]] for table, index in zip(colors, indices, strict=True)]
    )
    return chosen.permute(0, 3, 1, 2).to(image.dtype), indices[..., 0], two_nearest


def ccdnet2_step(second: ColourUNet, image, gif, requantized=None):
    """One application of the second network; `requantized` is f_C(image), or None without it."""
    inputs = [image, gif]
    if requantized is not None:
        inputs += [requantized, gif - requantized]
    return torch.tanh(image + second(torch.cat(inputs, dim=1)))


class FlowUp(nn.Module):
    def __init__(self, below: int, skip: int, out_channels: int):
        super().__init__()
        self.up = nn.UpsamplingBilinear2d(scale_factor=2)
        self.conv = flow_stage(skip + below, out_channels, 3)

    def forward(self, x, skip):
        return self.conv(join(skip, self.up(x)))


class FlowUNet(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, ch: int = 32):
        super().__init__()
        self.inconv = flow_stage(in_channels, ch, 7)
        self.downconv1 = nn.Sequential(nn.AvgPool2d(2), flow_stage(ch, 2 * ch, 5))
        self.downconv2 = nn.Sequential(nn.AvgPool2d(2), flow_stage(2 * ch, 4 * ch, 3))
        self.downconv3 = nn.Sequential(nn.AvgPool2d(2), flow_stage(4 * ch, 8 * ch, 3))
        self.downconv4 = nn.Sequential(nn.AvgPool2d(2), flow_stage(8 * ch, 16 * ch, 3))
        self.downconv5 = nn.Sequential(nn.AvgPool2d(2), flow_stage(16 * ch, 16 * ch, 3))
        self.upconv1 = FlowUp(16 * ch, 16 * ch, 16 * ch)
        self.upconv2 = FlowUp(16 * ch, 8 * ch, 8 * ch)
        self.upconv3 = FlowUp(8 * ch, 4 * ch, 4 * ch)
        self.upconv4 = FlowUp(4 * ch, 2 * ch, 2 * ch)
        self.upconv5 = FlowUp(2 * ch, ch, ch)
        self.outconv = nn.Conv2d(ch, out_channels, 1)

    def forward(self, x):
        x1 = self.inconv(x)
        x2 = self.downconv1(x1)
        x3 = self.downconv2(x2)
        x4 = self.downconv3(x3)
        x5 = self.downconv4(x4)
        x = self.downconv5(x5)
        x = self.upconv1(x, x5)
        x = self.upconv2(x, x4)
        x = self.upconv3(x, x3)
        x = self.upconv4(x, x2)
        x = self.upconv5(x, x1)
        return self.outconv(x)


def backward_warp(image, flow):
    """Samples the image at (x + u, y + v) with `grid_sample`; flow in pixels, channels (u, v)."""
    height, width = image.shape[2:]
    rows = torch.arange(height, device=flow.device)
    columns = torch.arange(width, device=flow.device)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    x = 2 * (x + flow[:, 0]) / max(width - 1, 1) - 1
    y = 2 * (y + flow[:, 1]) / max(height - 1, 1) - 1
    grid = torch.stack([x, y], dim=-1)
    return functional.grid_sample(
        image, grid, mode="bilinear", padding_mode="border", align_corners=True
    )


class SuperSlomo(nn.Module):
    def __init__(self, ch: int = 32):
        super().__init__()
        self.netA = FlowUNet(6, 2, ch)
        self.netB = FlowUNet(16, 5, ch)

    def forward(self, image_0, image_1, t: float, gif_0=None, gif_1=None, max_flow=30.0):
        """The frame at one time; joint mode with `gif_0` and `gif_1`, sequential without."""
        a_0 = image_0 if gif_0 is None else gif_0
        a_1 = image_1 if gif_1 is None else gif_1
        f_01 = torch.tanh(self.netA(torch.cat([a_0, a_1], dim=1)))
        f_10 = torch.tanh(self.netA(torch.cat([a_1, a_0], dim=1)))
        f_t1 = (1 - t) ** 2 * f_01 - t * (1 - t) * f_10
        f_t0 = -t * (1 - t) * f_01 + t**2 * f_10
        warped_0 = backward_warp(image_0, f_t0 * max_flow)
        warped_1 = backward_warp(image_1, f_t1 * max_flow)
        refined = torch.tanh(
            self.netB(torch.cat([image_0, image_1, warped_0, warped_1, f_t0, f_t1], dim=1))
        )
        f_t0, f_t1, visible_0 = refined[:, 0:2], refined[:, 2:4], (refined[:, 4:5] + 1) / 2
        warped_0 = backward_warp(image_0, f_t0 * max_flow)
        warped_1 = backward_warp(image_1, f_t1 * max_flow)
        weight_0, weight_1 = (1 - t) * visible_0, t * (1 - visible_0)
        frame = (weight_0 * warped_0 + weight_1 * warped_1) / (weight_0 + weight_1 + 1e-8)
        return frame, f_01 * max_flow, f_10 * max_flow


def discriminator(ch: int = 64) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(12, ch, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(ch, 2 * ch, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * ch),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * ch, 4 * ch, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4 * ch),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * ch, 8 * ch, 4, stride=1, padding=1, bias=False),
        nn.BatchNorm2d(8 * ch),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8 * ch, 1, 4, stride=1, padding=1),
    )


def discriminator_input(gif, image):
    """`concat[gif, image, pad(diff_xy(image))]`, 12 channels."""
    along_x = image[:, :, 1:, 1:] - image[:, :, 1:, :-1]
    along_y = image[:, :, 1:, 1:] - image[:, :, :-1, 1:]
    gradient = functional.pad(torch.cat([along_x, along_y], dim=1), (1, 0, 1, 0))
    return torch.cat([gif, image, gradient], dim=1)


def randomize(network: nn.Module, seed: int) -> nn.Module:
    """Random weights, and random statistics of BatchNorm, large enough that every layer matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = layer.weight[0].numel()
                if isinstance(layer, nn.ConvTranspose2d):
                    fan_in = layer.weight.shape[0]
                layer.weight.normal_(0, (1.6 / fan_in) ** 0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.1, generator=generator)
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.7, 1.3, generator=generator)
                layer.bias.normal_(0, 0.2, generator=generator)
                layer.running_mean.normal_(0, 0.2, generator=generator)
                layer.running_var.uniform_(0.6, 1.6, generator=generator)
    return network.eval()


def to_nchw(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(image), -1, 1)))


def to_nhwc(image: torch.Tensor) -> np.ndarray:
    return np.moveaxis(image.detach().numpy(), 1, -1)


def save(path, generator=None, discriminator=None, legacy: bool = False, **other):
    """Writes networks (or state dictionaries) as the authors' training does; returns the path."""
    networks = {"model_netG": generator, "model_netD": discriminator}
    checkpoint = {
        name: network.state_dict() if isinstance(network, nn.Module) else network
        for name, network in networks.items()
        if network is not None
    }
    torch.save(checkpoint | other, path, _use_new_zipfile_serialization=not legacy)
    return path


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    """The network's state dictionary with gradients in place of parameters."""
    return network.state_dict() | {
        name: parameter.grad for name, parameter in network.named_parameters()
    }
