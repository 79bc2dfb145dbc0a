"""Configurations, annotation formats and conversion, the dataset with its augmentation, and the drawn sample."""

from data.config import cfg_mnet, cfg_re50

__all__ = ["cfg_mnet", "cfg_re50", "detection_collate"]


def __getattr__(name: str):
    """Import `detection_collate` when it is asked for: it needs PyTorch, which scoring and drawing do without."""
    if name == "detection_collate":
        from data.dataset import detection_collate

        return detection_collate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
