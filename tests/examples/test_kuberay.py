"""kuberay.yaml: KubeRay's fields, a command that strop-export takes, and resources that add up."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from strop_export.evaluation import command
from tests.environments import ROOT
from tests.examples.conftest import EXAMPLES
from tests.examples.dockerfile import read
from tools import scale_page

JOB, VOLUME = yaml.safe_load_all((EXAMPLES / "kuberay.yaml").read_text("utf-8"))
CLUSTER = JOB["spec"]["rayClusterSpec"]
HEAD = CLUSTER["headGroupSpec"]
(WORKERS,) = CLUSTER["workerGroupSpecs"]
DOCKERFILE = read(EXAMPLES / "evaluate.Dockerfile")
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")
GIB = 1 << 30
WORKER_BYTES = GIB  # of one worker at most, as the page says

# https://ray-project.github.io/kuberay/reference/api/ (ray.io/v1): those that an example may use.
FIELDS = {
    "RayJobSpec": "entrypoint backoffLimit activeDeadlineSeconds shutdownAfterJobFinishes "
    "ttlSecondsAfterFinished submissionMode submitterConfig runtimeEnvYAML entrypointNumCpus "
    "rayClusterSpec",
    "RayClusterSpec": "rayVersion enableInTreeAutoscaling autoscalerOptions headGroupSpec "
    "workerGroupSpecs gcsFaultToleranceOptions",
    "AutoscalerOptions": "resources image imagePullPolicy securityContext idleTimeoutSeconds "
    "upscalingMode version env envFrom volumeMounts",
    "HeadGroupSpec": "template headService enableIngress rayStartParams serviceType",
    "WorkerGroupSpec": "groupName replicas minReplicas maxReplicas idleTimeoutSeconds "
    "rayStartParams template scaleStrategy numOfHosts",
}


def parsed() -> Any:
    """The entrypoint, as strop-export reads it."""
    program, name, *arguments = shlex.split(JOB["spec"]["entrypoint"])
    assert (program, name) == ("strop-export", "evaluate")
    return command.parser().parse_args(arguments)


def container(group: Any) -> Any:
    (found,) = group["template"]["spec"]["containers"]
    return found


def amount(text: str) -> int:
    """Bytes of a quantity such as 16Gi, or CPUs."""
    return int(text[:-2]) * GIB if text.endswith("Gi") else int(text)


def versions(name: str) -> set[str]:
    """The release of Ray that a lock has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("ascii")
    return set(re.findall(r"^ray(?:\[\w+\])?==(\S+)", text, re.M))


def test_it_has_only_fields_of_kuberay() -> None:
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    specs = {
        "RayJobSpec": JOB["spec"],
        "RayClusterSpec": CLUSTER,
        "AutoscalerOptions": CLUSTER["autoscalerOptions"],
        "HeadGroupSpec": HEAD,
        "WorkerGroupSpec": WORKERS,
    }
    for name, spec in specs.items():
        assert spec.keys() <= set(FIELDS[name].split()), name
    for group in (HEAD, WORKERS):  # strings, or Kubernetes refuses them
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_workers_are_as_many_as_the_cpus_of_all_pods() -> None:
    cpus = amount(container(WORKERS)["resources"]["limits"]["cpu"])
    assert parsed().workers == WORKERS["maxReplicas"] * cpus == scale_page.WORKERS
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert 0 <= WORKERS["minReplicas"] <= WORKERS["replicas"] <= WORKERS["maxReplicas"]
    assert HEAD["rayStartParams"]["num-cpus"] == "0"


def test_a_pod_has_memory_for_its_workers() -> None:
    resources = container(WORKERS)["resources"]
    assert resources["requests"] == resources["limits"]
    store = int(WORKERS["rayStartParams"]["object-store-memory"])
    cpus, memory = amount(resources["limits"]["cpu"]), amount(resources["limits"]["memory"])
    assert cpus * WORKER_BYTES + store <= memory


def test_results_are_on_a_volume_that_outlives_the_cluster() -> None:
    (mount,) = container(HEAD)["volumeMounts"]
    (volume,) = HEAD["template"]["spec"]["volumes"]
    assert PurePosixPath(mount["mountPath"]) in PurePosixPath(parsed().out).parents
    assert mount["name"] == volume["name"]
    assert (VOLUME["kind"], VOLUME["metadata"]["name"]) == (
        "PersistentVolumeClaim",
        volume["persistentVolumeClaim"]["claimName"],
    )


def test_the_image_is_the_one_of_the_dockerfile() -> None:
    base = next(it.words[0] for it in DOCKERFILE if it.name == "FROM")
    version = CLUSTER["rayVersion"]
    assert base == f"rayproject/ray:{version}-py311-cpu"
    assert versions("evaluate") == versions("dev") == {version}
    assert container(HEAD)["image"] == container(WORKERS)["image"]
    assert f"-t {container(HEAD)['image']} ." in PAGE
    targets = [it.words[-1] for it in DOCKERFILE if it.name == "COPY"]
    assert str(parsed().bundle) in targets


def test_the_page_says_the_same_numbers() -> None:
    rows = dict(re.findall(r"^\| (`.*?`(?:, `.*?`)*).*? \| (.*?) \|$", PAGE, re.M))
    for name in strings():
        assert any(name in row for row in rows), name
    cpus = container(WORKERS)["resources"]["limits"]["cpu"]
    said = rows[f"`--workers {parsed().workers}`"]
    assert f"{WORKERS['maxReplicas']} pods of {cpus} CPUs" in said


def strings() -> Iterator[str]:
    """What the page's table must have."""
    yield f"--workers {parsed().workers}"
    yield from (f"{name}: {WORKERS[name]}" for name in ("minReplicas", "maxReplicas"))
    yield f"memory: {container(WORKERS)['resources']['limits']['memory']}"
    yield f"backoffLimit: {JOB['spec']['backoffLimit']}"
