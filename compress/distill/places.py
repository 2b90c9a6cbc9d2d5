"""Which axis of a layer's outputs counts places: by convention of the modules that give them."""

from __future__ import annotations

from torch import Tensor, nn

_CHANNELS_FIRST = (
    nn.Conv1d,
    nn.ConvTranspose1d,
    nn.BatchNorm1d,
    nn.InstanceNorm1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveAvgPool1d,
    nn.GroupNorm,
)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention, nn.RNNBase)


def gives_channels_first(module: nn.Module) -> bool:
    """Whether outputs of three axes are (batch, channels, time), as one-dimensional convolutions
    give them, and not (batch, tokens, width).

    A block that holds layers of both conventions (a transformer's with a convolution inside) counts
    as one of tokens.
    """
    parts = list(module.modules())
    if any(isinstance(part, _CHANNELS_LAST) for part in parts):
        return False
    return any(isinstance(part, _CHANNELS_FIRST) for part in parts)


def says_nothing(module: nn.Module) -> bool:
    """Whether a module hands on whatever convention it is given: an activation, dropout."""
    known = (*_CHANNELS_FIRST, *_CHANNELS_LAST)
    if isinstance(module, nn.PReLU):
        return True
    weightless = next(module.parameters(), None) is None
    return weightless and not any(isinstance(part, known) for part in module.modules())


def as_tokens(features: Tensor, *, channels_first: bool) -> Tensor:
    """(batch, channels, time) as (batch, time, channels); all others as they are."""
    return features.transpose(1, 2) if channels_first and features.ndim == 3 else features
