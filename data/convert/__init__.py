"""From one annotation format to another, and from a heap of pictures to a dataset.

__main__.py    the command
splitting.py   which picture goes to which split
layout.py      the folders of a dataset, with pictures, annotations and lists where the scripts look for them
wider.py       WIDER FACE as it is downloaded
"""
