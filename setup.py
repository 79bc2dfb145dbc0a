"""Build the compiled part of the scorer beside its source: python setup.py build_ext --inplace"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# Without fused multiply-add, which compilers for some processors choose by default: it rounds unlike NumPy.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]
MATCHING = Extension("evaluation._matching", ["evaluation/_matching.pyx"], extra_compile_args=FLAGS)

setup(
    name="tvface-retinaface",
    packages=[],  # run from its folder, not installed
    ext_modules=cythonize([MATCHING]),
)
