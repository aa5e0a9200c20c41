from pathlib import Path

from setuptools import find_packages, setup

BOOK = [
    "jupytext==1.19.6",
    "nbclient==0.11.0",
    "ipykernel==7.4.0",
    "sphinx==9.0.4",
    "myst-nb==1.4.0",
    "furo==2025.12.19",
    "sphinx-codeautolink==0.20.0",
]

setup(
    name="tinyattn",
    version="0.1.0",
    description="How attention heads learn: every gradient written by hand, on NumPy or CuPy",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    package_dir={
        "": "."
    },  # an editable install is then a plain path, which editors and type checkers follow
    packages=find_packages(include=["tinyattn", "tinyattn.*"]),
    package_data={"tinyattn": ["py.typed", "page/*"]},
    python_requires=">=3.11",
    install_requires=["numpy>=2", "matplotlib", "tqdm"],
    extras_require={
        "gpu-cuda12": ["cupy-cuda12x[ctk]"],
        "gpu-cuda13": ["cupy-cuda13x[ctk]"],
        "cluster": ["distributed==2026.8.0"],
        "book": BOOK,
        "test": [
            "pytest==9.2.0",
            "scipy",
            "mypy==2.4.1",
            "ruff==0.17.6",
            "selenium==4.51.0",
            "pytest-xdist==3.8.0",
            "distributed==2026.8.0",
            *BOOK,
        ],
    },
)
