"""Credentials as docker's config has them, and the tokens that a registry asks for.

`docker login` writes the config, config.json in DOCKER_CONFIG or ~/.docker. A password is sent to
the registry that it is for, and to that registry's own token service, nowhere else: a registry
names its token service (the realm) itself, and could name anybody's.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from strop.bundle.files import read_file
from strop.bundle.records import decode
from strop.errors import BundleError, RegistryError, printable

_MAX_CONFIG_BYTES = 2**20
_HELPER_S = 30.0  # to give a password; some ask their user
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DOCKER_HUB = "https://index.docker.io/v1/"  # its name in docker's config
_DOCKER_HUB_REALM = "auth.docker.io"
_CHALLENGE = re.compile(r"(?i)\b(bearer|basic)\s")
_PORTS = {"https": 443, "http": 80}
_PARAMETER = re.compile(r'([A-Za-z_]+)="([^"]*)"')

Ask = Callable[[str, Mapping[str, str]], bytes]  # a URL and headers -> the answer of a realm


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port that a URL leads to, with the port that is usual.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


class Credentials:
    """The answers to a registry that asks who we are.

    Args:
        registry: host and port, as in a reference.
        repository: the repository that is used.
    """

    def __init__(self, registry: str, repository: str) -> None:
        self._registry = registry
        self._repository = repository

    def answer(self, challenge: str, ask: Ask) -> str:
        """Return the header `Authorization` that a registry asks for.

        Args:
            challenge: its header `WWW-Authenticate` (RFC 9110, section 11.6.1).
            ask: gets the answer of a token service.

        Raises:
            RegistryError: there are no credentials for it, docker's config cannot be read, or the
                token service is somebody else's.
        """
        scheme = _CHALLENGE.search(f"{challenge} ")
        basic = self._basic(self._registry)
        if scheme and scheme[1].lower() == "bearer":
            return f"Bearer {self._token(dict(_PARAMETER.findall(challenge)), basic, ask)}"
        if not basic:
            raise self.refusal(f"{self._registry} asks for credentials")
        return f"Basic {basic}"

    def refusal(self, problem: str, reason: str = "") -> RegistryError:
        """Return the error of a registry that refuses who we are, and says why."""
        said = f": {reason}" if reason else ""
        return RegistryError(
            f"{problem} for {self._repository}{said}", f"docker login {self._registry}"
        )

    def _token(self, parameters: Mapping[str, str], basic: str, ask: Ask) -> str:
        """Get a token from the service that the registry names (the distribution spec's)."""
        realm = parameters.get("realm", "")
        try:
            scheme, host, port = origin(realm)
        except ValueError:
            scheme, host, port = "", "", None
        if not host:
            raise RegistryError(f"{self._registry} names no token service that can be asked")
        headers = {}
        if basic and not self._is_its_own(scheme, host, port):
            key = host if port == _PORTS.get(scheme) else f"{host}:{port}"
            basic = self._basic(key)
            if not basic:
                raise RegistryError(
                    f"{self._registry} wants its password sent to {printable(key)}",
                    f"if that is right, docker login {printable(key)}",
                )
        if basic:
            headers["Authorization"] = f"Basic {basic}"
        asked = {
            "service": parameters.get("service", ""),
            "scope": parameters.get("scope", f"repository:{self._repository}:pull"),
        }
        query = urlencode({name: value for name, value in asked.items() if value})
        found = _object(
            ask(f"{realm}{'&' if '?' in realm else '?'}{query}", headers), f"the token of {host}"
        )
        token = found.get("token") or found.get("access_token")
        if type(token) is not str or not token.isascii() or not token.isprintable():
            raise RegistryError(f"{printable(host)} gives no token")
        return token

    def _is_its_own(self, scheme: str, host: str, port: int | None) -> bool:
        """Tell whether a token service is the registry's.

        That is its host and port, or HTTPS at its usual port on its host or one above it: other
        ports may be other people's.
        """
        usual = (scheme, port) == ("https", _PORTS["https"])
        if self._registry == "docker.io":
            return usual and host == _DOCKER_HUB_REALM
        _, own, own_port = origin(f"{scheme}://{self._registry}")
        if host == own:
            return usual or port == own_port
        return usual and "." in host and own.endswith(f".{host}")

    def _basic(self, registry: str) -> str:
        """Return user and password for a registry, in Base64; "" if docker's config has none."""
        place = _config_place()
        if not place:
            return ""
        try:
            content, _ = read_file(place, _MAX_CONFIG_BYTES)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise RegistryError(
                f"cannot read docker's config {place}: {error.strerror or error}"
            ) from None
        config = _object(content, place)
        key = _DOCKER_HUB if registry == "docker.io" else registry
        helper = _entry(config, "credHelpers").get(key) or config.get("credsStore")
        if helper:
            found = _from_helper(str(helper), key)
            if found:
                return found
        auths = _entry(config, "auths")
        entry = auths.get(key) or auths.get(f"https://{key}") or {}
        if not isinstance(entry, dict):
            raise RegistryError(f"{place}: the entry of {key} is not an object")
        if entry.get("identitytoken"):
            raise RegistryError(
                f"{place} has an identity token for {key}, which strop does not send",
                f"docker login {key} with a password or an access token",
            )
        auth = str(entry.get("auth") or "")
        try:
            is_pair = b":" in base64.b64decode(auth, validate=True)
        except (binascii.Error, ValueError):
            is_pair = False
        if auth and not is_pair:
            raise RegistryError(f"{place}: the entry of {key} is damaged", f"docker login {key}")
        return auth


def _config_place() -> str:
    folder = os.environ.get("DOCKER_CONFIG", "")
    home = os.environ.get("HOME", "")
    return f"{folder}/config.json" if folder else f"{home}/.docker/config.json" if home else ""


def _from_helper(name: str, key: str) -> str:
    """Ask a credential helper; "" if it has nothing.

    The protocol is docker-credential-helpers': `get`, with the registry on stdin.
    """
    program = f"docker-credential-{name}"
    if not _HELPER.fullmatch(name):
        raise RegistryError(f"docker's config names a credential helper {name[:100]!r}")
    try:
        done = subprocess.run(
            [program, "get"],
            input=key.encode(),
            capture_output=True,
            timeout=_HELPER_S,
            check=False,
        )
    except FileNotFoundError:
        raise RegistryError(
            f"docker's config names {program}, which is not installed", f"install {program}"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(f"{program} gives no answer: {type(error).__name__}") from None
    if done.returncode:
        return ""  # it has none, or cannot say: the registry will tell whether one is needed
    found = _object(done.stdout, f"the answer of {program}")
    user, secret = found.get("Username"), found.get("Secret")
    if type(user) is not str or type(secret) is not str or user == "<token>":
        raise RegistryError(f"{program} has no password for {key}", f"docker login {key}")
    return base64.b64encode(f"{user}:{secret}".encode()).decode("ascii")


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = decode(content, what)
    except BundleError as error:
        raise RegistryError(error.problem) from None
    if not isinstance(found, dict):
        raise RegistryError(f"{what} is not an object")
    return found


def _entry(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
