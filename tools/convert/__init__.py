"""Conversion between annotation formats, and from images with one annotation to a dataset with splits.

convert_cli.py      the command; its options are in convert_flags.py
splitting.py        which image goes to which split
dataset_folder.py   writes a dataset with its images, annotations and lists
wider.py            WIDER FACE as downloaded
"""
