"""How python-gitlab's requests reach the one configured host: whom they trust, and how long they wait.

The library follows redirects, and its token's header goes along to any host; it waits for ever by default,
keeps cookies, and its errors have lost the answer's headers. This backend does none of that.
"""

from __future__ import annotations

import ssl
import time
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from gitlab._backends import DefaultBackend, DefaultResponse
from requests.adapters import HTTPAdapter

from app.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

CONNECT_S, TOTAL_S = 10.0, 30.0
LONGEST_ANSWER = 32 << 20


class TooLongError(requests.RequestException):
    """An answer is larger than anything that GitLab has reason to send."""


class UnsuccessfulError(Exception):
    """A whole answer that is no success, before the library makes an error of its own from it."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Wire(DefaultBackend):
    """One session with one host."""

    def __init__(self, ca_file: Path | None, url: str) -> None:
        super().__init__()
        self._client.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if url.startswith("https://"):
            self._client.mount("https://", _Trusting(_trust(ca_file)))

    def http_request(self, method: str, url: str, *args: Any, **more: Any) -> DefaultResponse:  # noqa: ANN401
        """Send one request and read its answer to the end.

        Raises UnsuccessfulError, or requests.RequestException where nothing whole came.
        """
        deadline = time.monotonic() + TOTAL_S
        more |= {"timeout": (CONNECT_S, TOTAL_S), "stream": True, "allow_redirects": False}
        answer = super().http_request(method, url, *args, **more)
        with answer.response as response:
            body = bytearray()
            for part in response.iter_content(1 << 16):
                body += part
                if len(body) > LONGEST_ANSWER:
                    raise TooLongError(f"more than {LONGEST_ANSWER >> 20} MiB")
                if time.monotonic() > deadline:
                    raise requests.Timeout
            response._content = bytes(body)  # noqa: SLF001 - where `content` looks for what was read
        if not 200 <= response.status_code < 300:
            raise UnsuccessfulError(response)
        return answer


class _Trusting(HTTPAdapter):
    """TLS as this host, or the forge's own authority, has it; not as the library's own list has it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def build_connection_pool_key_attributes(
        self,
        request: Any,  # noqa: ANN401 - the library's
        verify: Any,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._context, "cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 - the library's
        """Do nothing: the context says it all, and this would add the library's own list."""


@lru_cache(maxsize=16)
def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"ca_file {ca_file} cannot be used: {error}") from error
