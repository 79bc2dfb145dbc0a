r"""Export a trained detector to one file for deployment: images in, faces out.

    python export_onnx.py -m weights/mobilenet0.25_Final.pth
    python export_onnx.py -m weights/Resnet50_Final.pth --check my_images/*.jpg
    python export_onnx.py -m weights/Resnet50_Final.pth --format torch

Input: pictures (N, H, W, 3) uint8, BGR as OpenCV reads them, any N and size. Outputs, for all N images together:

    boxes      (M, 4)     float32, x1 y1 x2 y2 in pixels
    scores     (M,)       float32
    landmarks  (M, 5, 2)  float32, x y in pixels; only if the network was trained with landmarks
    picture    (M,)       int64, the image of each face, 0 to N - 1

Normalization, prior boxes, decoding and NMS are part of the file. With --no_nms the outputs are the raw heads:
loc (N, P, 4), conf (N, P, 2) and landm (N, P, 10). The file is compared with PyTorch before it is renamed to its path.

A file of --format torch is loaded with torch.export.load after `import torchvision`, which provides NMS; its images
have at least 33 x 33 pixels.
"""

from utils.openmp import configure_openmp

configure_openmp()  # before PyTorch is imported

import numpy as np

from engine.export.export_cli import main
from tools.sample.image import draw_image
from utils.errors import run

if __name__ == "__main__":
    run(lambda: main(__doc__, draw_default=lambda: draw_image(np.random.default_rng(0), (960, 540))[0]))
