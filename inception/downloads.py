"""Downloads: resumed, from several mirrors, checked, and there only when whole."""

import glob
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from inception.errors import InputError

BytesProgress = Callable[[int, int | None], None]  # bytes done, and in all where known

TIMEOUT_S = 30.0  # longest silence of a server
BLOCK = 1 << 18  # bytes read at once
MOST_BYTES = 4 << 30  # no public file of weights is larger
MOST_ANSWERS = 100  # that one server may cut short
SLOWEST = 1000  # bytes a second on average, after the first minute
PATIENCE_S = 60.0
LONGEST_REASON = 100  # letters of what a server says
FAILURES = (
    OSError,
    HTTPException,
    ValueError,
    ArithmeticError,
)  # ports, hosts, numbers that are none


@dataclass(frozen=True)
class Checksum:
    """A file's digest as its publisher gives it: whole, or its first digits.

    Attributes:
        algorithm: ``sha256``, ``sha384``, ``sha1`` or ``md5``.
        digits: hexadecimal, lower case; 8 at least.
        seen: the file that keeps it, where nobody published it and an earlier download showed it.
    """

    algorithm: Literal["sha256", "sha384", "sha1", "md5"]
    digits: str
    seen: Path | None = None

    def __str__(self) -> str:
        whole = len(self.digits) == 2 * hashlib.new(self.algorithm).digest_size
        return f"{self.algorithm} {self.digits}" + ("" if whole else "…")

    def of(self, path: Path) -> str:
        """As many digits of the file's digest as were published."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest()[: len(self.digits)]


def no_progress(done: int, total: int | None) -> None:
    """Tells nobody of bytes done, and in all where known."""


def download(
    urls: Sequence[str],
    path: Path,
    *,
    checksum: Checksum | None = None,
    progress: BytesProgress = no_progress,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """The file at ``path``, fetched from the first of ``urls`` that has it; as it is, where it is.

    What arrived lies beside ``path`` under another name until it is whole and its checksum right.
    A cut download goes on where it stopped, now or in a later call, from whichever mirror; without
    a checksum, which would tell a mixture, only now and where the server marks the file's version.
    Two processes may fetch one file: each has an unfinished one of its own, and the last to end
    moves its equal one over the other's.

    Args:
        urls: of equal files, http or https. ``$INCEPTION_MIRROR``, one or several addresses with
            spaces between, replaces them: ``https://a.org/b/c`` is asked for at
            ``MIRROR/a.org/b/c``.
        path: where the file is to lie; folders are made.
        checksum: what a file must have to be kept, one that lies there already included.
        progress: told bytes done, and in all where the server says so.
        timeout_s: longest silence of a server.

    Raises:
        InputError: ``INCEPTION_OFFLINE`` is set, no mirror has the right file, or no place to
            write to; the message says what was asked for and where the file would lie.
    """
    sources = _mirrored(urls)
    if path.exists() and (checksum is None or checksum.of(path) == checksum.digits):
        return path
    if is_offline():
        raise InputError(
            f"{path} is missing or broken, and INCEPTION_OFFLINE forbids to download it; "
            f"lay {sources[0]} there, or unset the variable"
        )
    failures = []
    with _part_of(path, resumable=checksum is not None) as part:
        for url in sources:
            try:
                _fetch_checked(url, part, checksum, progress, timeout_s)
            except _DownloadError as error:
                failures.append(f"{url}: {error}")
                continue
            with _open_part(part, os.O_RDWR) as written:
                os.fsync(written.fileno())
            os.replace(part, path)
            return path
    raise InputError(
        f"cannot download {path.name}: {'; '.join(failures)}. Set INCEPTION_MIRROR to a server "
        f"that has it, or lay the file at {path}"
    )


def fetch(url: str, *, most: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """What lies at an address, at most so many bytes; kept nowhere.

    Raises:
        InputError: ``INCEPTION_OFFLINE`` is set, it cannot be had, or is larger.
    """

    def bounded(done: int, total: int | None) -> None:
        if max(done, total or 0) > most:
            raise InputError(f"larger than {most:,} bytes")

    if is_offline():
        raise InputError("INCEPTION_OFFLINE forbids to download it")
    with TemporaryDirectory() as folder:
        part = Path(folder, "part")
        try:
            _fetch(_mirrored([url])[0], part, bounded, timeout_s, resumable=False)
        except _DownloadError as error:
            raise InputError(f"cannot be downloaded: {error}") from error
        return part.read_bytes()


def is_offline() -> bool:
    """Whether ``$INCEPTION_OFFLINE`` forbids downloads."""
    return os.environ.get("INCEPTION_OFFLINE", "") not in ("", "0")


class _DownloadError(Exception):
    """Why one server did not give the file."""


def _mirrored(urls: Sequence[str]) -> list[str]:
    mirrors = os.environ.get("INCEPTION_MIRROR", "").split()
    sources = [f"{m.rstrip('/')}/{u.split('://', 1)[-1]}" for m in mirrors for u in urls]
    for url in sources or urls:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"only http and https addresses can be downloaded from; got {url}")
    return sources or list(urls)


@contextmanager
def _part_of(path: Path, *, resumable: bool) -> Iterator[Path]:
    """A name beside ``path`` of this call alone, with what an earlier call left unfinished.

    A rename gives what was left to one process only. What is unfinished when the block ends is
    left for the next call where it can be resumed, else removed. What lies there under such a name
    and is no file of ours, a planted link for example, is never written to.
    """
    left = path.with_name(f".{path.name}.part")
    own = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for candidate in [left, *_abandoned(path)]:
            with suppress(FileNotFoundError):  # not there, or another process was faster
                if resumable and _is_ours(candidate):
                    os.replace(candidate, own)
                    break
                if not candidate.is_dir() or candidate.is_symlink():
                    candidate.unlink()
        yield own
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            if resumable and own.stat().st_size:
                os.replace(own, left)
        with suppress(OSError):
            own.unlink()


def _abandoned(path: Path) -> list[Path]:
    """Unfinished files of processes that were killed: a living one gives up before that long."""
    now = time.time()
    parts = path.parent.glob(f".{glob.escape(path.name)}.*.part")
    return [part for part in parts if now - part.lstat().st_mtime > 2 * TIMEOUT_S]


def _is_ours(part: Path) -> bool:
    """Whether it is a plain file of this user under no second name."""
    found = part.lstat()
    user = os.getuid() if hasattr(os, "getuid") else found.st_uid
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == user


def _open_part(part: Path, flags: int) -> BinaryIO:
    """The unfinished file opened, never through a link."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(part, flags, 0o666), "rb+" if flags & os.O_RDWR else "wb")


def _fetch_checked(
    url: str, part: Path, checksum: Checksum | None, progress: BytesProgress, timeout_s: float
) -> None:
    """Brings ``part`` to the whole file, or removes it where its checksum is wrong."""
    begun = part.exists()
    _fetch(url, part, progress, timeout_s, resumable=checksum is not None)
    found = checksum.of(part) if checksum else ""
    if checksum is None or found == checksum.digits:
        return
    part.unlink()
    if begun:  # what was left may have been of another file
        _fetch_checked(url, part, checksum, progress, timeout_s)
        return
    source = (
        f"seen before (remove {checksum.seen} to take another)" if checksum.seen else "published"
    )
    raise _DownloadError(
        f"wrong checksum, so the file was removed: {checksum} was {source}, {found} arrived"
    )


@dataclass
class _Source:
    """An address, and the version of the file that was found there, where the server tells one."""

    url: str
    version: str = ""


def _fetch(
    url: str, part: Path, progress: BytesProgress, timeout_s: float, *, resumable: bool
) -> None:
    """Brings ``part`` to its whole length, asking again as long as something new arrives."""
    source = _Source(url)
    for answers in range(1, MOST_ANSWERS + 1):
        begin = part.stat().st_size if part.exists() and (resumable or source.version) else 0
        try:
            _fetch_once(source, part, begin, progress, timeout_s, checked=resumable)
            return
        except _DownloadError:
            grown = part.exists() and part.stat().st_size > begin
            if not (grown and (resumable or source.version)) or answers == MOST_ANSWERS:
                raise


def _fetch_once(
    source: _Source,
    part: Path,
    begin: int,
    progress: BytesProgress,
    timeout_s: float,
    *,
    checked: bool,
) -> None:
    with _open(source, begin, timeout_s) as response:
        version = response.headers.get("ETag", "")
        source.version = "" if version.startswith("W/") else version  # weak: not byte for byte
        done = _first_byte(response, begin)
        total = _total(response, done)
        if total is None and not checked and not response.chunked:
            raise _DownloadError("the server does not say how long the file is")
        # a new file of this name is made, and one that was taken up is opened, through no link
        how = os.O_APPEND if done else os.O_TRUNC
        with _open_part(part, os.O_WRONLY | os.O_CREAT | how) as file:
            for block in _blocks(response):
                file.write(block)
                done += len(block)
                progress(done, total)
                if done > min(MOST_BYTES, total or MOST_BYTES):
                    raise _DownloadError(f"it sends more than {total or MOST_BYTES:,} bytes")
    if total is not None and done < total:
        raise _DownloadError(f"the connection was cut after {done:,} of {total:,} bytes")
    if not done:
        raise _DownloadError("an empty file")


def _first_byte(response: HTTPResponse, begin: int) -> int:
    """Where in the file the answer begins: at ``begin``, as asked for, or at 0."""
    if response.status == HTTPStatus.OK:
        return 0
    part = response.headers.get("Content-Range", "")
    if response.status == HTTPStatus.PARTIAL_CONTENT and begin:
        if part.startswith(f"bytes {begin}-"):
            return begin
        raise _DownloadError(f"another part of the file than was asked for ({_short(part)})")
    raise _DownloadError(f"HTTP status {response.status}, which brings no whole file")


def _total(response: HTTPResponse, done: int) -> int | None:
    """Length of the whole file, where the server tells it; it must tell one length only."""
    told = {length.strip() for length in response.headers.get_all("Content-Length", [])}
    if not told or response.chunked:
        return None
    length = told.pop()
    if told or not re.fullmatch("[0-9]{1,15}", length):
        raise _DownloadError(f"its Content-Length is no number ({_short(length)})")
    total = done + int(length)
    if total > MOST_BYTES:
        raise _DownloadError(f"it claims {total:,} bytes, more than {MOST_BYTES:,}")
    return total


def _open(source: _Source, begin: int, timeout_s: float) -> HTTPResponse:
    """The server's answer, from byte ``begin`` on where it can and the file is still the same."""
    headers = {"User-Agent": "inception", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
        if source.version:
            headers["If-Range"] = source.version
    try:
        request = Request(source.url, headers=headers)
        answer: HTTPResponse = _opener().open(request, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begin:
            return _open(source, 0, timeout_s)  # the file is no longer than what we have
        reason = f"HTTP status {error.code} {_short(str(error.reason))}".strip()
        raise _DownloadError(reason) from error
    except FAILURES as error:
        raise _DownloadError(_reason(error)) from error
    return answer


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """What arrives, as it arrives, unless that takes for ever."""
    begun, arrived = time.monotonic(), 0
    try:
        while block := response.read1(BLOCK):
            yield block
            arrived += len(block)
            passed = time.monotonic() - begun
            if passed > PATIENCE_S and arrived < SLOWEST * passed:
                raise _DownloadError(f"too slow: {arrived:,} bytes in {passed:.0f} s")
    except FAILURES as error:
        raise _DownloadError(_reason(error)) from error


def _opener() -> OpenerDirector:
    """Opens http and https only, redirects included; urllib's own would also take file and ftp."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPRedirectHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "the server did not answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return _short(str(cause)) or type(cause).__name__


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
