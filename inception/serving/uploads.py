"""The pictures in a request's body: one as it is, or the files of a form. Nothing is decoded here.

Forms are taken apart in memory with ``bytes.split``: in the time that a search takes, whatever the
body, and without files on the disk.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from inception.serving.limits import Limits

FORM = "multipart/form-data"
BYTES = "application/octet-stream"
FIELD = "file"
MOST_HEAD = 8192  # bytes of a part's own headers
HOW = f"send the picture itself as {BYTES} or image/*, or files in a form, {FORM}"


@dataclass(frozen=True)
class Upload:
    """An encoded picture and what its sender calls it."""

    name: str
    data: bytes


async def read_uploads(request: Request, limits: Limits) -> list[Upload]:
    """The pictures that a request carries, at least one.

    Raises:
        HTTPException: 408 too slow, 413 too large or too many, 415 of another type, 422 none.
    """
    kind = _content_type(request)
    try:
        async with asyncio.timeout(limits.deadline_s):
            body = await _body(request, limits)
    except TimeoutError:
        slow = f"the upload took more than {limits.deadline_s:g} s"
        raise HTTPException(408, slow, headers={"Connection": "close"}) from None
    uploads = _form(body, kind) if kind.get_content_type() == FORM else [Upload("picture", body)]
    if not body or not uploads:
        raise HTTPException(422, f"there is no picture in the request; {HOW}")
    if len(uploads) > limits.pictures:
        raise HTTPException(413, f"{len(uploads)} pictures; a request takes {limits.pictures}")
    return uploads


def _content_type(request: Request) -> Message:
    message = Message()
    message["Content-Type"] = request.headers.get("content-type", BYTES)
    kind = message.get_content_type()
    if kind not in (FORM, BYTES) and message.get_content_maintype() != "image":
        raise HTTPException(415, f"{request.headers['content-type']}: not a picture; {HOW}")
    return message


def claimed_bytes(request: Request, limits: Limits) -> int:
    """How long the body says it is; the most there may be where it does not say.

    Raises:
        HTTPException: 413, longer than is taken.
    """
    length = request.headers.get("content-length", "")
    claimed = int(length) if length.isdecimal() else limits.body_bytes
    if claimed > limits.body_bytes:
        raise _too_large(limits)
    return claimed


def _too_large(limits: Limits) -> HTTPException:
    return HTTPException(413, f"a request takes {limits.body_bytes / 1e6:g} MB at most")


async def _body(request: Request, limits: Limits) -> bytes:
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.body_bytes:
                raise _too_large(limits)
            chunks.append(chunk)
    except ClientDisconnect:
        raise HTTPException(400, "the request broke off") from None
    return b"".join(chunks)


def _form(body: bytes, kind: Message) -> list[Upload]:
    """The files of a form (RFC 7578), in order."""
    boundary = kind.get_boundary()
    if not boundary:
        raise HTTPException(422, "the form has no boundary")
    line = b"--" + boundary.encode("latin-1", "replace")
    _, *parts = (b"\r\n" + body).split(b"\r\n" + line)
    if not parts or not parts[-1].startswith(b"--"):
        raise HTTPException(422, "the form is cut short")
    return [_part(part) for part in parts[:-1]]


def _part(part: bytes) -> Upload:
    """A part after its boundary line: headers, an empty line, the file."""
    head, gap, data = part.partition(b"\r\n\r\n")
    if not gap or len(head) > MOST_HEAD:
        raise HTTPException(422, "the form has a part without headers")
    lines = head.partition(b"\r\n")[2]
    headers = HeaderParser().parsestr(lines.decode("utf-8", "replace"))  # browsers send bare UTF-8
    field = headers.get_param("name", header="content-disposition")
    name = headers.get_filename()
    if name is None and field != FIELD:
        raise HTTPException(
            422,
            f"the form has a field {field!r}; it takes files, each named {FIELD}, and options go "
            "into the address, as in ?top=3",
        )
    return Upload(name or "picture", data)
