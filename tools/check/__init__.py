"""Checks of a dataset's images and labels.

check_cli.py        the command
dataset_splits.py   finds and reads annotations, lists and images
image_checks.py     decodes all images; copies.py compares them
label_checks.py     checks all labels
findings.py         turns the results into findings; findings_report.py prints them
summary.py          counts and distributions; priors.py matches prior boxes with faces
fixed_copies.py     --fix
"""
