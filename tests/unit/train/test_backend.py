"""The start of TensorFlow, and the name of its device."""

import os
from typing import Any

import pytest
import tensorflow as tf

from train import backend


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The details of the GPUs that TensorFlow sees, set by the test."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: seen if kind == "GPU" else []
    )
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu)
    return seen


def test_it_is_deterministic_exact_and_modest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    backend.start(1)
    assert tf.config.experimental.tensor_float_32_execution_enabled() is False
    # TensorFlow has no public function for this: random numbers then need a seed.
    tf.random.set_seed(None)
    with pytest.raises(RuntimeError, match="determinism"):
        tf.random.uniform([1])
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_a_choice_of_memory_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "false")
    backend.start(1)
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "false"


def test_without_a_gpu_it_is_the_cpu(gpus: list[dict[str, Any]]) -> None:
    assert backend.device() == "CPU"


def test_a_gpu_goes_by_its_own_name(gpus: list[dict[str, Any]]) -> None:
    gpus += [{"device_name": "NVIDIA T4", "compute_capability": (7, 5)}, {"device_name": "other"}]
    assert backend.device() == "NVIDIA T4"


def test_a_gpu_without_a_name_is_still_none_of_the_cpu_s(gpus: list[dict[str, Any]]) -> None:
    gpus.append({})
    assert backend.device() == "GPU"
