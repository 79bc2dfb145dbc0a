"""Configurations, annotation formats, the dataset with its augmentation, and the drawn sample."""

from data.config import cfg_mnet, cfg_re50
from data.dataset import detection_collate

__all__ = ["cfg_mnet", "cfg_re50", "detection_collate"]
