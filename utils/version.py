"""The version of this program and of the libraries that it runs on."""

import platform
import subprocess
from pathlib import Path

VERSION = "0.7.0"


def show_versions() -> str:
    """Return the versions of this program, its commit, and the libraries."""
    import cv2
    import torch
    import torchvision

    return (
        f"version {VERSION}{_commit()}, PyTorch {torch.__version__}, torchvision {torchvision.__version__},"
        f" OpenCV {cv2.__version__}, Python {platform.python_version()}"
    )


def _commit() -> str:
    """Return `, commit abc1234`, with a + where files are changed; nothing outside a Git checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        described = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {described}"
