"""Scoring of detections: the WIDER FACE protocol, its kernel, prediction files and the report."""
