"""Losses."""

from layers.modules.multibox_loss import MultiBoxLoss, PriorMatches

__all__ = ["MultiBoxLoss", "PriorMatches"]
