"""Plumbing: what went wrong with a URL, in our words.

fsspec's file systems raise whatever the libraries below them do: some forty kinds of errors, a few of which hide
another one. Here it is decided whether something is missing, denied, broken, or may pass.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator

from charvec.errors import CharvecError, DamagedFile, NotFound, PermissionDenied, ReadWriteError

__all__ = ["SECRET", "USER", "ChangedError", "causes", "judge", "reason", "shown_url", "status_of", "translated"]

USER = re.compile(r"(?<=://)[^/@\s?#]+@")
SECRET = re.compile(
    r"(?<=[?&;])([^=&;#\s]*(?:token|sig|secret|key|pass|pwd|auth|credential|jwt|session|code)[^=&;#\s]*=)[^&;#\s'\")]+",
    re.IGNORECASE,
)


def shown_url(text: str) -> str:
    """A URL, or a text with URLs in it, as it can be shown: user names, passwords and tokens become ``***``."""
    return SECRET.sub(r"\1***", USER.sub("***@", text))


class ChangedError(OSError):
    """The file is not the one that reading began with."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that led to it, latest first."""
    each: BaseException | None = error
    for _ in range(10):
        if each is None:
            return
        yield each
        each = each.__cause__ or each.__context__


def status_of(error: BaseException) -> int | None:
    """The status with which a server answered, None when none did."""
    for each in causes(error):
        answer = getattr(each, "response", None)
        if isinstance(answer, dict):  # botocore
            answer = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            answer = getattr(answer, "status_code", None)
        # aiohttp has a code too, and warns whoever reads it
        for status in (answer, getattr(each, "status", None), getattr(each, "__dict__", {}).get("code")):
            if isinstance(status, int) and 100 <= status < 600:
                return status
    return None


_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError")
_LIBRARIES = ("aiohttp", "aiobotocore", "botocore", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3")
_PASSING = {
    *(errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED),
    *(errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, getattr(errno, "EREMOTEIO", errno.EIO)),
}


def judge(error: BaseException) -> tuple[str, BaseException]:
    """Whether something is missing, denied, broken, or may pass; and which of the errors says so."""
    status = status_of(error)
    chain = list(causes(error))
    if status is not None:
        if status in (404, 410):
            return "missing", error
        if status in (401, 403, 407):
            return "denied", error
        return "passing" if status in (408, 425, 429) or status >= 500 else "broken", chain[-1]
    for each in chain:
        kind = type(each)
        if kind.__name__ in _NO_CREDENTIALS:
            return "denied", each
        unknown = isinstance(each, socket.gaierror) and each.errno == socket.EAI_NONAME
        if unknown or kind.__name__ == "OfflineModeIsEnabled" or isinstance(each, ChangedError):
            return "broken", each
    for each in chain:
        kind = type(each)
        network = kind.__module__.partition(".")[0] in _LIBRARIES and not isinstance(each, ValueError)
        lost = isinstance(each, (ConnectionError, socket.gaierror))
        if network or lost or any("Timeout" in base.__name__ for base in kind.__mro__):
            return "passing", each
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "missing", error
    if isinstance(error, PermissionError):
        return "denied", error
    if isinstance(error, OSError) and error.errno in _PASSING:
        return "passing", error
    return "broken", error


def reason(error: BaseException) -> str:
    """What an error says, in one line without secrets."""
    said = error.strerror if isinstance(error, OSError) else None
    text = said or str(error) or type(error).__name__
    text = " ".join(shown_url(text).split())
    return text if len(text) <= 300 else text[:300] + "..."


_CREDENTIALS = {
    "s3": "give credentials as for the AWS tools; FSSPEC_S3_ANON=true reads public data without any",
    "hf": "check the name; private and gated data need a token in HF_TOKEN, gated data also your consent on their page",
}


def translated(url: str, kind: str, error: BaseException) -> CharvecError:
    """Our error for one of a file system."""
    import zipfile

    shown = shown_url(url)
    if kind == "missing":
        return NotFound("E-NOT-FOUND", f"{shown} does not exist", path=shown, help="check the URL")
    status = status_of(error)
    if kind == "denied":
        remedy = _CREDENTIALS.get(url.partition("://")[0], "check the URL and the credentials it needs")
        how = f" (status {status})" if status else f": {reason(error)}"
        return PermissionDenied("E-PERMISSION", f"{shown}: access denied{how}", path=shown, help=remedy)
    if isinstance(error, zipfile.BadZipFile):
        message = f"{shown}: the zip file is damaged: {reason(error)}"
        return DamagedFile("E-ZIP", message, path=shown, help="download the file again")
    remedy = "check the network and the server, then run the command again"
    if isinstance(error, OSError) and error.errno == errno.ENOTSUP:
        remedy = "download it with another program, its vocabulary beside it, and name it here"
    if type(error).__name__ == "OfflineModeIsEnabled":
        remedy = "HF_HUB_OFFLINE forbids it; unset it"
    return ReadWriteError("E-REMOTE", f"{shown} cannot be read: {reason(error)}", path=shown, help=remedy)
