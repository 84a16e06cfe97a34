"""The server of `strop serve`: the Open Inference Protocol (v2) over HTTP; docs/serving.md.

It needs the extra `[serve]`. From the outside in: `server` listens, `connection` guards each
connection, `app` has the routes, `endpoints` answer, `admission` limits, `repository` has the
models.
"""
