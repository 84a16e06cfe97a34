"""Classify pictures and pixels over HTTP with Flask.

Install: pip install "$(echo ./strop-*.whl)[litert,images]" flask gunicorn
Start:   gunicorn --preload --threads 4 'flask_app:make_app("mnist-mlp-cpu.strop")'
         (to try it: flask --app 'flask_app:make_app("mnist-mlp-cpu.strop")' run)
Try:     curl -F picture=@seven.png http://127.0.0.1:8000/picture
         curl --json '{"pixels": [[0, 255, ...], ...]}' http://127.0.0.1:8000/pixels

Any number of threads may share the model, and so may worker processes: with `--preload` it is
opened once, and each worker has it after the fork.
"""

from typing import Any

import numpy as np
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

import strop


def make_app(bundle: str) -> Flask:
    """Open the model, which the program holds until it ends, and make the application."""
    model = strop.load(bundle)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 2**22  # bytes of a request

    @app.post("/picture")
    def picture() -> Any:
        """Name what is in an uploaded picture."""
        return model.classify(request.files["picture"].stream).to_dict()

    @app.post("/pixels")
    def pixels() -> Any:
        """Name what is in the pixels of a JSON request."""
        try:
            array = np.array(request.get_json()["pixels"])
        except (LookupError, TypeError, ValueError, RecursionError):
            array = np.array(None)
        if array.dtype.kind != "i" or array.min() < 0 or array.max() > 255:
            raise strop.InputError(
                "the request holds no equal rows of whole numbers from 0 to 255",
                'send {"pixels": [[0, 255, ...], ...]}',
            )
        return model.classify(array.astype(np.uint8)).to_dict()

    @app.errorhandler(strop.StropError)
    def refuse(error: strop.StropError) -> tuple[Response, int]:
        """Answer 400 for an input that the model does not take, and 500 for a fault of ours."""
        return jsonify(error=str(error)), 400 if isinstance(error, strop.InputError) else 500

    @app.errorhandler(HTTPException)
    def say(error: HTTPException) -> tuple[Response, int]:
        """Answer Flask's own refusals as JSON too."""
        return jsonify(error=error.description), error.code or 500

    return app
