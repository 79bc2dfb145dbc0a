"""Build the compiled parts of the scorer beside their sources: python setup.py build_ext --inplace"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# Without fused multiply-add, which compilers for some processors choose by default: it rounds unlike NumPy.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]
KERNELS = Extension("evaluation.*", ["evaluation/*.pyx"], extra_compile_args=FLAGS)

setup(
    name="tvface-retinaface",
    packages=[],  # run from its folder, not installed
    ext_modules=cythonize([KERNELS]),
)
