"""Build the compiled parts beside their sources: python setup.py build_ext --inplace"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# Without fused multiply-add, which compilers for some processors choose by default: it rounds unlike NumPy and OpenCV.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]
PACKAGES = ("data", "evaluation", "utils")
KERNELS = [Extension(f"{package}.*", [f"{package}/*.pyx"], extra_compile_args=FLAGS) for package in PACKAGES]

setup(
    name="tvface-retinaface",
    packages=[],  # run from its folder, not installed
    ext_modules=cythonize(KERNELS),
)
