"""The optional C kernel; everything else is in pyproject.toml.

Built where a compiler is; without one the installation goes on and charvec counts with NumPy.
"""

import sys

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "charvec._kernel",
            sources=["charvec/_kernel.c"],
            depends=["setup.py"],
            extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
