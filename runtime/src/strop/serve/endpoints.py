"""The answers of the server, one method a route."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from strop.errors import InputError
from strop.model.model import Model
from strop.serve import bodies, inference
from strop.serve.admission import Admission
from strop.serve.batching import Arrays, Batcher
from strop.serve.counting import Counting
from strop.serve.limits import Limits
from strop.serve.metrics import Metrics
from strop.serve.refusals import Busy, Forbidden, NotFound, TooLarge
from strop.serve.repository import Counts, Repository, Served
from strop.serve.tensors import DATATYPES, described
from strop.versions import __version__

_LONG_BYTES = 2**16  # more are read or written on a thread
_BINARY = "application/octet-stream"
_PICTURE_S = float("inf")  # decoding takes milliseconds


class Endpoints:
    """The answers of the server: about its models, and from them."""

    def __init__(
        self,
        repository: Repository,
        admission: Admission,
        metrics: Metrics,
        limits: Limits,
        *,
        may_load: bool,
        counting: Counting | None = None,
    ) -> None:
        self._repository = repository
        self._admission = admission
        self._metrics = metrics
        self._limits = limits
        self._may_load = may_load
        self._counting = counting
        self._batchers: dict[str, Batcher] = {}
        self.stopping = False

    async def live(self, request: Request) -> Response:
        """Answer that the process runs."""
        return Response(status_code=200)

    async def ready(self, request: Request) -> Response:
        """Answer whether all models are loaded and requests are taken."""
        if self.stopping or any(served is None for _, served in self._repository):
            raise Busy("the server is stopping" if self.stopping else "a model is not loaded")
        return Response(status_code=200)

    async def server(self, request: Request) -> Response:
        """Describe the server."""
        extensions = ["binary_tensor_data", "statistics", "model_configuration"]
        if self._may_load:
            extensions.append("model_repository")
        return JSONResponse({"name": "strop", "version": __version__, "extensions": extensions})

    async def model(self, request: Request) -> Response:
        """Describe a model: its inputs and outputs."""
        model = self._served(request).model
        return JSONResponse(
            {
                "name": model.name,
                "versions": [str(model.version)],
                "platform": f"strop_{model.engine}",
                "inputs": [described(spec) for spec in model.inputs],
                "outputs": [described(spec) for spec in model.outputs],
            }
        )

    async def model_ready(self, request: Request) -> Response:
        """Answer whether a model is loaded."""
        self._served(request)
        return Response(status_code=200)

    async def config(self, request: Request) -> Response:
        """Describe a model as Triton's configuration does."""
        model = self._served(request).model

        def tensors(specs: Any) -> list[dict[str, Any]]:
            return [
                {
                    "name": spec.name,
                    "data_type": f"TYPE_{DATATYPES[spec.dtype]}",
                    "dims": described(spec)["shape"][1:],
                }
                for spec in specs
            ]

        return JSONResponse(
            {
                "name": model.name,
                "platform": f"strop_{model.engine}",
                "backend": model.engine,
                "max_batch_size": self._limits.body_bytes,
                "version_policy": {"latest": {"num_versions": 1}},
                "input": tensors(model.inputs),
                "output": tensors(model.outputs),
            }
        )

    async def statistics(self, request: Request) -> Response:
        """Count what the versions of a model answered, or of all models."""
        name = request.path_params.get("name")
        chosen = [self._served(request)] if name else [s for _, s in self._repository if s]
        versions = [
            _statistics(served.name, version, counts)
            for served in chosen
            for version, counts in list(served.counts.items())
        ]
        return JSONResponse({"model_stats": versions})

    async def counts(self, request: Request) -> Response:
        """Return what a model has counted, for `strop drift`."""
        name = self._served(request).name
        if self._counting is None:
            raise NotFound(
                "the models do not count here", "start it with strop serve --count-every"
            )
        return Response(self._counting.of(name).to_json(), media_type="application/json")

    async def index(self, request: Request) -> Response:
        """List the models of the repository."""
        only_ready = (await self._asked(request)).get("ready") is True
        rows = []
        for name, served in self._repository:
            if served is not None:
                reason = "" if served.error is None else str(served.error)
                version = str(served.model.version)
                rows.append({"name": name, "version": version, "state": "READY", "reason": reason})
            elif not only_ready:
                rows.append({"name": name, "state": "UNAVAILABLE", "reason": "unloaded"})
        return JSONResponse(rows)

    async def load(self, request: Request) -> Response:
        """Load a model of the repository."""
        name = self._require_loading(request)
        asked = await self._asked(request)
        if asked.get("parameters"):
            raise InputError("a model is loaded as its bundle is", "send no `parameters`")
        await self._admission.run(partial(self._repository.load, name), float("inf"))
        self._batchers.pop(name, None)  # it keeps the old one open
        return JSONResponse({})

    async def unload(self, request: Request) -> Response:
        """Unload a model of the repository."""
        name = self._require_loading(request)
        self._repository.unload(name)
        self._batchers.pop(name, None)
        return JSONResponse({})

    async def infer(self, request: Request) -> Response:
        """Run a model on the tensors of the request."""
        served = self._served(request)
        model = served.model
        length = bodies.header_length(request, inference.HEADER_LENGTH)
        body = await bodies.read(request, self._limits.body_bytes, self._admission)
        try:
            if (len(body) if length is None else length) > self._limits.json_bytes:
                raise TooLarge(
                    f"the JSON has more than {self._limits.json_bytes} bytes",
                    "send the tensors as binary data",
                )
            parse = partial(inference.parse, body, length, model.inputs, model.outputs)
            asked = await self._admission.run(parse, _worth_s(len(body)))
            size = inference.require_room(asked, model.outputs, self._limits.body_bytes)
            arrays = await self._run(served, model, asked.inputs)
            write = partial(
                inference.answer, asked, model.name, model.version, arrays, model.outputs
            )
            answer = await self._admission.run(write, _worth_s(size))
        finally:
            self._admission.release(len(body))
        if answer.header_length is None:
            return Response(answer.body, media_type="application/json")
        headers = {inference.HEADER_LENGTH: str(answer.header_length)}
        return Response(answer.body, headers=headers, media_type=_BINARY)

    async def classify(self, request: Request) -> Response:
        """Name what is in a picture: the body is the picture's file."""
        name = request.path_params.get("name")
        if name is None:
            loaded = [served for _, served in self._repository if served]
            if len(loaded) != 1:
                raise NotFound(
                    f"this server has {len(loaded)} models", "say which: POST /classify/<model>"
                )
            served = loaded[0]
        else:
            served = self._repository.get(name)
        model = served.model
        body = await bodies.read(request, self._limits.body_bytes, self._admission)
        try:
            said = await self._admission.run(partial(served.classify, model, body), _PICTURE_S)
        finally:
            self._admission.release(len(body))
        return JSONResponse({"model": model.name, "version": str(model.version), **said.to_dict()})

    async def metrics(self, request: Request) -> Response:
        """Return the figures for Prometheus."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _run(self, served: Served, model: Model, inputs: Arrays) -> Arrays:
        """Run a model, with the samples of other requests if that pays."""
        if not served.joins:
            run = partial(served.run, model, inputs)
            return await self._admission.run(run, served.expected_s(len(inputs[0])))
        batcher = self._batchers.get(served.name)
        if batcher is None or batcher.served is not served:  # it was loaded again
            batcher = self._batchers[served.name] = Batcher(self._admission, served)
        return await batcher.run(model, inputs)

    def _served(self, request: Request) -> Served:
        params = request.path_params
        return self._repository.get(params["name"], params.get("version"))

    async def _asked(self, request: Request) -> dict[str, Any]:
        """Read the JSON object of a request, which may be empty."""
        body = await bodies.read(request, self._limits.json_bytes, self._admission)
        try:
            return inference.parse_object(body) if body.strip() else {}
        finally:
            self._admission.release(len(body))

    def _require_loading(self, request: Request) -> str:
        if not self._may_load:
            raise Forbidden(
                "loading is not enabled here", "start it with strop serve --repository-api"
            )
        name: str = request.path_params["name"]
        return name


def _worth_s(size: int) -> float:
    """Return about how long it takes to read or write so many bytes, for `Admission.run`."""
    return 0 if size < _LONG_BYTES else float("inf")


def _statistics(name: str, version: int, counts: Counts) -> dict[str, Any]:
    """Write the counts of a version as Triton's statistics do; nanoseconds."""
    unknown = {"count": 0, "ns": 0}
    return {
        "name": name,
        "version": str(version),
        "last_inference": counts.last_ms,
        "inference_count": counts.samples,
        "execution_count": counts.calls,
        "inference_stats": {
            "success": {"count": counts.requests, "ns": counts.answered_ns},
            "fail": {"count": counts.failed, "ns": counts.failed_ns},
            "queue": unknown,
            "compute_input": unknown,
            "compute_infer": {"count": counts.calls, "ns": counts.called_ns},
            "compute_output": unknown,
        },
        "batch_stats": [],
    }
