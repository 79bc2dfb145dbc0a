"""Configurations, annotation formats, and the dataset with its augmentation."""

from data.config import cfg_mnet, cfg_re50

__all__ = ["cfg_mnet", "cfg_re50", "detection_collate"]


def __getattr__(name: str):
    """Import `detection_collate` on demand: it needs PyTorch, which scoring does not."""
    if name == "detection_collate":
        from data.dataset import detection_collate

        return detection_collate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
