r"""Detect faces in images, videos or a camera: draw or pixelate them, crop them, and list them as JSON.

    python detect.py photo.jpg -m weights/mobilenet0.25_Final.pth
    python detect.py my_images/ "shots/**/*.png" film.mp4 --save_folder detections
    python detect.py film.mp4 --blur_faces --confidence_threshold 0.3
    python detect.py 0                                    # the first camera, until Ctrl-C

Outputs in --save_folder, with the sub-folders and names of the inputs:

    NAME.jpg, NAME.png ...  images with boxes, scores and, if the network was trained with them, landmarks
    detections.jsonl        a line for each image: {"picture", "height", "width", "faces"}
    NAME.mp4, NAME.jsonl    a video without sound, and a line for each frame: {"frame", "time", "faces"}
    NAME.gif.mp4, .jsonl    the same of an animated image; the pages of a TIFF are images, NAME.tif_page001.tif

A face is {"box": [x1, y1, x2, y2], "score", "landmarks": five [x, y]} in pixels of the upright image: an EXIF rotation
is applied. Until they are complete, files are called NAME.part.mp4 and NAME.part.jsonl.

Exit status: 0, 2 for a mistake, 3 if some inputs could not be read, which are named at the end.
"""

from utils.openmp import configure_openmp

configure_openmp()  # before PyTorch is imported

from engine.detect.media_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(lambda: main(__doc__))
