"""Classify pictures and pixels over HTTP with FastAPI.

Install: pip install "$(echo ./strop-*.whl)[litert,images]" fastapi python-multipart uvicorn
Start:   BUNDLE=mnist-mlp-cpu.strop uvicorn fastapi_app:app
Try:     curl -F picture=@seven.png http://127.0.0.1:8000/picture
         curl --json '{"pixels": [[0, 255, ...], ...]}' http://127.0.0.1:8000/pixels

`picture` is a plain `def`: FastAPI runs it in a thread, because decoding a picture takes
milliseconds, in which the event loop could answer nobody. `pixels` is `async def` and calls the
model directly: a prediction of this model takes microseconds, less than the way to a thread and
back. Make it a plain `def` too if `strop bench BUNDLE` shows more than half a millisecond.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, FailFast, Field

import strop

LONGEST = 2**22  # bytes of a request

# FailFast: otherwise the answer to a million wrong pixels has a million errors.
Row = Annotated[list[Annotated[int, Field(ge=0, le=255)]], FailFast()]


class Sample(BaseModel):
    """One grey picture, row by row."""

    pixels: Annotated[list[Row], FailFast()]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, strop.Model]]:
    """Open the model before the first request, and close it after the last."""
    with strop.load(os.environ["BUNDLE"]) as model:
        yield {"model": model}


app = FastAPI(lifespan=lifespan)


@app.post("/picture")
def picture(picture: UploadFile, request: Request) -> Any:
    """Name what is in an uploaded picture."""
    return request.state.model.classify(picture.file).to_dict()


@app.post("/pixels")
async def pixels(sample: Sample, request: Request) -> Any:
    """Name what is in the pixels of a JSON request."""
    try:
        array = np.array(sample.pixels, np.uint8)
    except ValueError:
        raise strop.InputError("the rows of pixels differ in length", "send equal rows") from None
    return request.state.model.classify(array).to_dict()


@app.exception_handler(strop.StropError)
async def refuse(request: Request, error: strop.StropError) -> Response:
    """Answer 400 for an input that the model does not take, and 500 for a fault of ours."""
    status = 400 if isinstance(error, strop.InputError) else 500
    return JSONResponse({"error": str(error)}, status)


@app.exception_handler(RequestValidationError)
async def explain(request: Request, error: RequestValidationError) -> Response:
    """Say where a request is wrong, without its content: NaN is not JSON, and it may be long."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return JSONResponse({"error": f"{place}: {first['msg']}"}, 422)


@app.middleware("http")
async def limit(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse a long body before any of it is read; FastAPI itself has no limit."""
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not (length.isdecimal() and int(length[:20]) <= LONGEST):
        return JSONResponse({"error": f"send Content-Length, of {LONGEST} bytes at most"}, 413)
    return await answer(request)
