"""The report: where detectors fail, as a page for the browser, and the curves as an image."""
