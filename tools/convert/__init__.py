"""From one annotation format to another, and from a heap of images to a dataset.

__main__.py    the command
splitting.py   which image goes to which split
layout.py      the folders of a dataset, with images, annotations and lists where the scripts look for them
wider.py       WIDER FACE as it is downloaded
"""
