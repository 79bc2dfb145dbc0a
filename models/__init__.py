"""Networks: backbones, FPN, SSH, heads, RetinaFace, their registry and weights, and the Detector."""
