"""Losses."""

from layers.modules.multibox_loss import Matches, MultiBoxLoss

__all__ = ["Matches", "MultiBoxLoss"]
