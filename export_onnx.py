r"""Write a trained detector as one file for deployment: images in, faces out.

    python export_onnx.py -m weights/mobilenet0.25_Final.pth --network mobile0.25
    python export_onnx.py -m weights/Resnet50_Final.pth --check my_pictures/*.jpg
    python export_onnx.py -m weights/Resnet50_Final.pth --format torch

Input: images (N, H, W, 3) uint8, BGR as OpenCV reads them, of any number and size. Outputs, of all N together:

    boxes      (M, 4)     float32, x1 y1 x2 y2 in pixels
    scores     (M,)       float32
    landmarks  (M, 5, 2)  float32, x y in pixels; only where the network was trained with landmarks
    image    (M,)       int64, the image of each face, 0 to N - 1

The subtraction of the mean, prior boxes, decoding and suppression are inside. With --no_nms the outputs are the heads:
loc (N, P, 4), conf (N, P, 2) and landm (N, P, 10). The file is compared with PyTorch before it gets its name.

With --format torch the file is for torch.export.load, behind an `import torchvision`, which has the suppression; its
images have 33 x 33 pixels or more.
"""

from utils.openmp import configure_openmp

configure_openmp()  # before PyTorch is imported

from engine.export.export_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(lambda: main(__doc__))
