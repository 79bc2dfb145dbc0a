"""A small labelled dataset of drawn television images, in the layout of TV Face.

It lets the whole program run, train and be scored on a machine that has no dataset. From the outside in:

    files.py      make_sample: folders, lists and labels
    image.py    one image: a shot of people in a scene, graphics, light, blur and noise
    scenes.py     the backgrounds; clutter.py, the round things in them that are not faces
    captions.py   lower thirds, tickers, logos, clocks
    people.py     a person as a layer, made of bodies.py, faces.py and hair.py, as chosen by looks.py
    canvas.py     surfaces to draw on, and curves

Image i of a split depends on (seed, split, i) and on the size, and on nothing else.
"""

from tools.sample.dataset import make_sample

__all__ = ["make_sample"]
