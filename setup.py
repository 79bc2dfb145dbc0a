"""Build the Cython modules beside their sources: python setup.py build_ext --inplace"""

import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

# Some compilers use fused multiply-add by default, which rounds unlike NumPy.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]
PACKAGES = ("evaluation", "utils")
KERNELS = [Extension(f"{package}.*", [f"{package}/*.pyx"], extra_compile_args=FLAGS) for package in PACKAGES]

setup(
    name="tvface-retinaface",
    packages=[],  # run from its folder, not installed
    ext_modules=cythonize(KERNELS),
)
