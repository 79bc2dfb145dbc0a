"""The report: an HTML page that shows the errors of detectors, and the precision-recall curves as an image."""
