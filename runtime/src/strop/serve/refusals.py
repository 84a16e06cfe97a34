"""Refusals of requests, by their HTTP status."""

from __future__ import annotations

from strop.errors import InputError, StropError


class RequestError(StropError):
    """A request cannot be answered; `status` is its HTTP status."""

    kind = "request"
    status = 400


class OtherHost(RequestError):
    """The request is for a server of another name."""


class Unauthorized(RequestError):
    """The request lacks the server's token."""

    status = 401


class Forbidden(RequestError):
    """The server was started without this."""

    status = 403


class NotFound(RequestError):
    """There is no such model, version or path."""

    status = 404


class TooLarge(RequestError):
    """The body is longer than the server takes."""

    status = 413


class NotTaken(RequestError):
    """The body has an encoding that the server does not take."""

    status = 415


class Busy(RequestError):
    """The server has all the work that it admits, or is stopping; send the request again later."""

    status = 503
    retry_after_s = 1


def status_of(error: StropError) -> int:
    """Return the HTTP status of an error: 500 for all that is not the request's fault."""
    if isinstance(error, RequestError):
        return error.status
    return 400 if isinstance(error, InputError) else 500
