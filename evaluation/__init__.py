"""Evaluation of detections: the WIDER FACE protocol, prediction files, metrics and the report."""
