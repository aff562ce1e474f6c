"""Random matrices for changes of basis, float64."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def permutation(order: Tensor) -> Tensor:
    """The matrix P of a permutation, (Px)_i = x_order[i]."""
    return torch.eye(len(order), dtype=torch.float64)[order]


def orthogonal(size: int, random: Generator) -> Tensor:
    """A Haar-random orthogonal matrix: QR of a Gaussian one, signs fixed (arXiv math-ph/0609050, section 5)."""
    q, r = torch.linalg.qr(torch.randn(size, size, generator=random, dtype=torch.float64))
    return q * r.diagonal().sign()


def mean_keeping(size: int, random: Generator) -> Tensor:
    """A random orthogonal matrix that fixes the vector of ones, hence commutes with taking the mean away."""
    gaussian = torch.randn(size, size, generator=random, dtype=torch.float64)
    gaussian[:, 0] = 1
    basis = torch.linalg.qr(gaussian).Q
    return basis @ torch.block_diag(torch.ones(1, 1, dtype=torch.float64), orthogonal(size - 1, random)) @ basis.T


def factors(size: int, random: Generator) -> Tensor:
    """Random scales between a half and two, log-uniform."""
    return 2 ** (2 * torch.rand(size, generator=random, dtype=torch.float64) - 1)


def signs(size: int, random: Generator) -> Tensor:
    """Random signs."""
    return 2 * torch.randint(2, (size,), generator=random).double() - 1


def invertible(size: int, random: Generator) -> Tensor:
    """A random matrix of singular values between a half and two."""
    return orthogonal(size, random) @ factors(size, random).diag() @ orthogonal(size, random)


def rotary(size: int, random: Generator) -> Tensor:
    """A rotation and a scale for each frequency pair (i, i + size/2): all that commutes with rotary positions."""
    angle = 2 * torch.pi * torch.rand(size // 2, generator=random, dtype=torch.float64)
    scale = factors(size // 2, random)
    cos, sin = (scale * angle.cos()).diag(), (scale * angle.sin()).diag()
    return torch.cat((torch.cat((cos, -sin), dim=1), torch.cat((sin, cos), dim=1)))
