"""Backbones, FPN, SSH, heads, the RetinaFace network, and the Detector that runs it on pixels."""
