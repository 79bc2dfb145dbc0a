"""A small labelled dataset of drawn television images, in the layout of TV Face, for machines without a dataset.

From the outside in: folder.py writes the dataset; image.py composes an image of scenery.py, people.py (with looks.py,
faces.py and hair.py) and captions.py; canvas.py holds the surfaces, curves and colors.
"""

from tools.sample.folder import make_sample

__all__ = ["make_sample"]
