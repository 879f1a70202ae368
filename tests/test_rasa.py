"""Rasa Open Source 3.6 accepts the very same project files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RASA = ROOT / ".rasa" / "bin" / "rasa"

pytestmark = [
    pytest.mark.skipif(not RASA.exists(), reason="Rasa's environment is not there; make it with: make rasa-env"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project files, so that Rasa writes nothing into the repository."""
    folder = tmp_path_factory.mktemp("rasa")
    for name in ("config.yml", "domain.yml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "nlu" / "data", folder / "nlu" / "data")
    return folder


def rasa(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Rasa without telemetry, with warnings kept apart from failures."""
    env = os.environ | {"RASA_TELEMETRY_ENABLED": "false", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(RASA), *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=570, check=False)


def test_data_validates(project: Path) -> None:
    """`rasa data validate` finds no mistake in domain, configuration and training data."""
    result = rasa(project, "data", "validate", "--data", "nlu/data", "--config", "config.yml", "--domain", "domain.yml")
    assert result.returncode == 0, result.stdout + result.stderr
    complaints = [
        line
        for line in (result.stdout + result.stderr).splitlines()
        if "UserWarning" in line and "is not used in any story or rule" not in line
    ]
    assert complaints == []


def test_nlu_trains(project: Path) -> None:
    """`rasa train nlu` makes a model of the files."""
    arguments = ("--nlu", "nlu/data", "--config", "config.yml", "--domain", "domain.yml")
    result = rasa(project, "train", "nlu", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert list((project / "models").glob("nlu-*.tar.gz"))
