"""`strop serve` compared with other servers, over the same ONNX file and the same images.

A server is a row of `servers.SERVERS`: how it is started, and the requests that it takes. `apps/`
has the other servers' code, `load` sends the requests, and `measure` runs the rounds.
"""
