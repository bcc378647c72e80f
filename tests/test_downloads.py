"""Downloads against a server of our own: cut, wrong, slow, missing, moved, offline."""

import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from misbehaving_server import CONTENT, FILE, Server, serving

from inception import downloads
from inception.downloads import Checksum, download
from inception.errors import InputError

RIGHT = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights.bin"


def names(place: Path) -> list[str]:
    return sorted(p.name for p in place.parent.iterdir())


def test_a_file_is_fetched_once_and_then_taken_as_it_lies(server: Server, place: Path) -> None:
    for _ in range(2):
        assert download([server.url()], place, checksum=RIGHT) == place
    assert place.read_bytes() == CONTENT
    assert len(server.asked) == 1 and names(place) == ["weights.bin"]


def test_a_cut_download_goes_on_where_it_stopped(server: Server, place: Path) -> None:
    server.cuts = [300_000, 100_000]
    download([server.url()], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", "bytes=300000-", "bytes=400000-"]
    assert names(place) == ["weights.bin"]


def test_what_is_cut_for_good_is_left_for_a_later_call(server: Server, place: Path) -> None:
    server.cuts = [300_000, 0]
    with pytest.raises(InputError, match=r"was cut after 300,000 of 700,000 bytes"):
        download([server.url()], place, checksum=RIGHT)
    assert names(place) == [".weights.bin.part"] and not place.exists()
    download([server.url()], place, checksum=RIGHT)
    assert server.asked[-1][1] == "bytes=300000-"
    assert place.read_bytes() == CONTENT and names(place) == ["weights.bin"]


@pytest.mark.parametrize("version", ["", 'W/"weak"'])
def test_without_a_checksum_or_version_a_cut_download_begins_anew(
    server: Server, place: Path, version: str
) -> None:
    server.version, server.cuts = version, [300_000]
    with pytest.raises(InputError, match="was cut after"):
        download([server.url()], place)
    assert names(place) == []
    download([server.url()], place)
    assert place.read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", ""]


def test_without_a_checksum_the_server_s_version_lets_it_go_on(server: Server, place: Path) -> None:
    server.version, server.cuts = '"one"', [300_000, 100_000]
    download([server.url()], place)
    assert place.read_bytes() == CONTENT and names(place) == ["weights.bin"]
    assert [wanted for _, wanted in server.asked] == ["", "bytes=300000-", "bytes=400000-"]


def test_a_file_that_changes_on_the_way_is_fetched_whole(server: Server, place: Path) -> None:
    def change() -> None:
        server.version, server.content = '"two"', CONTENT[::-1]

    server.version, server.cuts = '"one"', [300_000]
    download([server.url()], place, progress=lambda *_: change())
    assert place.read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_is_asked_for_the_whole(server: Server, place: Path) -> None:
    server.ranges, server.cuts = False, [300_000, 0]
    with pytest.raises(InputError, match="was cut"):
        download([server.url()], place, checksum=RIGHT)
    download([server.url()], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT + b"more", b"of another file"])
def test_what_was_left_of_another_file_does_no_harm(
    server: Server, place: Path, left: bytes
) -> None:
    place.parent.mkdir()
    place.with_name(".weights.bin.part").write_bytes(left)
    download([server.url()], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT and names(place) == ["weights.bin"]


def test_a_wrong_checksum_is_refused_and_the_file_removed(server: Server, place: Path) -> None:
    server.content = CONTENT[::-1]
    found = hashlib.sha256(CONTENT[::-1]).hexdigest()
    with pytest.raises(InputError) as refusal:
        download([server.url()], place, checksum=RIGHT)
    assert names(place) == []
    text = str(refusal.value)
    assert all(s in text for s in (server.url(), RIGHT.digits, found, str(place), "removed"))


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("digits", [8, None])
def test_a_checksum_may_be_whole_or_its_first_digits(
    server: Server, place: Path, algorithm: str, digits: int | None
) -> None:
    whole = hashlib.new(algorithm, CONTENT).hexdigest()
    checksum = Checksum(algorithm, whole[:digits])  # type: ignore[arg-type]
    assert str(checksum).endswith("…") == bool(digits)
    download([server.url()], place, checksum=checksum)
    place.write_bytes(b"broken later")
    download([server.url()], place, checksum=checksum)
    assert place.read_bytes() == CONTENT and len(server.asked) == 2


@pytest.mark.parametrize("first", ["missing", "wrong", "cut", "dead"])
def test_the_second_mirror_is_used_where_the_first_fails(
    server: Server, place: Path, first: str
) -> None:
    with serving() as other:
        other.content = CONTENT[1:] if first == "wrong" else CONTENT
        other.cuts = [250_000, 0] if first == "cut" else []
        url = other.url("/none.bin" if first == "missing" else FILE)
        if first == "dead":
            other.server_close()
        download([url, server.url()], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT and names(place) == ["weights.bin"]
    assert server.asked == [(FILE, "bytes=250000-" if first == "cut" else "")]


def test_every_mirror_s_failure_is_told(server: Server, place: Path) -> None:
    urls = [server.url("/none.bin"), server.url("/neither.bin")]
    with pytest.raises(InputError) as refusal:
        download(urls, place, checksum=RIGHT)
    expected = [f"{url}: HTTP status 404 Not Found" for url in urls]
    assert all(line in str(refusal.value) for line in [*expected, str(place), "INCEPTION_MIRROR"])
    assert "\n" not in str(refusal.value) and names(place) == []


def test_a_silent_server_is_given_up(place: Path) -> None:
    with Server() as silent, pytest.raises(InputError, match="did not answer in time"):
        download([silent.url()], place, checksum=RIGHT, timeout_s=0.05)


def test_a_mirror_of_one_s_own_replaces_the_servers(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCEPTION_MIRROR", f"{server.url('/no')} {server.url('/yes/')}")
    with serving() as other:
        other.content = b"not asked"
        server.content = CONTENT
        download(["https://example.org/models/weights.bin"], place, checksum=RIGHT)
    asked = [path for path, _ in server.asked]
    assert asked == ["/no/example.org/models/weights.bin"] and other.asked == []


def test_offline_nothing_is_asked_for_and_the_place_is_named(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCEPTION_OFFLINE", "1")
    with pytest.raises(InputError) as refusal:
        download([server.url()], place, checksum=RIGHT)
    assert str(place) in str(refusal.value) and server.url() in str(refusal.value)
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    assert download([server.url()], place, checksum=RIGHT) == place
    assert server.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a", "weights.bin"])
def test_other_addresses_than_the_web_s_are_refused(place: Path, url: str) -> None:
    with pytest.raises(InputError, match="only http and https"):
        download([url], place)


def test_a_redirect_is_followed_on_the_web_only(server: Server, place: Path) -> None:
    download([server.url("/moved.bin")], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT
    place.unlink()
    with pytest.raises(InputError, match=re.escape("file:///etc/passwd")):
        download([server.url("/to-a-file")], place)
    assert names(place) == []


def test_no_partial_file_ever_lies_under_the_name(server: Server, place: Path) -> None:
    seen: list[bool] = []
    server.cuts = [200_000]
    server.sending = lambda: seen.append(place.exists())
    download(
        [server.url()],
        place,
        checksum=RIGHT,
        progress=lambda done, total: seen.append(place.exists() or done > (total or 0)),
    )
    assert len(seen) > 3 and not any(seen)


def test_progress_tells_bytes_done_and_in_all(server: Server, place: Path) -> None:
    told: list[tuple[int, int | None]] = []
    server.cuts = [300_000]
    download([server.url()], place, checksum=RIGHT, progress=lambda *a: told.append(a))
    assert told[-1] == (700_000, 700_000) and {total for _, total in told} == {700_000}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_two_at_once_both_get_the_whole_file(server: Server, place: Path) -> None:
    both_ask = threading.Barrier(2, timeout=10)
    server.sending = both_ask.wait  # type: ignore[assignment]
    place.parent.mkdir()
    place.with_name(".weights.bin.part").write_bytes(CONTENT[:1000])
    got: list[bytes] = []

    def fetch() -> None:
        got.append(download([server.url()], place, checksum=RIGHT).read_bytes())

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [CONTENT, CONTENT] and names(place) == ["weights.bin"]
    assert sorted(wanted for _, wanted in server.asked) == ["", "bytes=1000-"]


def test_an_interrupt_leaves_what_arrived(server: Server, place: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download([server.url()], place, checksum=RIGHT, progress=interrupt)
    assert names(place) == [".weights.bin.part"]
    download([server.url()], place, checksum=RIGHT)
    assert place.read_bytes() == CONTENT and server.asked[-1][1].startswith("bytes=")


@pytest.mark.parametrize(("age_s", "wanted"), [(3600, "bytes=1000-"), (0, "")])
def test_what_a_killed_process_left_is_taken_up_but_not_a_living_one_s(
    server: Server, place: Path, age_s: int, wanted: str
) -> None:
    part = place.with_name(".weights.bin.0a1b2c3d.part")
    place.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    os.utime(part, (time.time() - age_s,) * 2)
    download([server.url()], place, checksum=RIGHT)
    assert server.asked == [(FILE, wanted)] and part.exists() == (wanted == "")
    assert place.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot write"):
        download([server.url()], tmp_path / "file" / "weights.bin")


def answer(status: str, *headers: str, body: bytes = CONTENT) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""])
    return head.encode("latin-1") + body


def chunks(*sizes: str, body: bytes = b"x" * 10) -> bytes:
    data = b"".join(size.encode() + b"\r\n" + body + b"\r\n" for size in sizes)
    return answer("200 OK", "Transfer-Encoding: chunked", body=data)


LENGTH = f"Content-Length: {len(CONTENT)}"
WRONG = {  # answers that bring no whole file, and what is told of them
    "204": (answer("204 No Content", body=b""), "HTTP status 204"),
    "202": (answer("202 Accepted", LENGTH), "HTTP status 202"),
    "unasked 206": (
        answer("206 Partial Content", "Content-Range: bytes 0-9/700000", "Content-Length: 10"),
        "HTTP status 206",
    ),
    "short": (answer("200 OK", LENGTH, body=CONTENT[:-1]), "was cut after 699,999 of 700,000"),
    "no length": (answer("200 OK"), "does not say how long"),
    "empty": (answer("200 OK", "Content-Length: 0", body=b""), "an empty file"),
    "two lengths": (answer("200 OK", LENGTH, "Content-Length: 5"), "Content-Length is no number"),
    "huge": (answer("200 OK", "Content-Length: 999999999999"), "it claims 999,999,999,999 bytes"),
    "cut chunk": (chunks("a", "ff"), "IncompleteRead"),
    "no last chunk": (chunks("a"), "IncompleteRead"),
    "bad chunk": (chunks("a", "zz", "0"), "IncompleteRead"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
    "no answer": (b"\r\n", "."),
    "long reason": (answer("500 " + 9999 * "x"), "HTTP status 500 x{100}…"),
    "long header": (answer("200 OK", "X: " + 70_000 * "x"), "."),
    "many headers": (answer("200 OK", *200 * ["X: y"]), "."),
    "endless redirect": (answer("302 Found", "Location: /weights.bin", body=b""), "302"),
} | {
    f"length {text[:9]}": (answer("200 OK", f"Content-Length: {text}"), "Length is no number")
    for text in ("abc", "-5", "1e3", "\xb2", "0x10", "", "9" * 5000)
} | {
    f"to {place[:12]}": (answer("302 Found", f"Location: {place}", body=b""), ".")
    for place in ("http://[::1", "http://a:b/", "http://127.0.0.1:99999999/", "http://" + "a" * 99)
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("checksum", [None, RIGHT], ids=["unchecked", "checked"])
def test_a_wrong_answer_is_told_and_the_next_mirror_asked(
    kind: str, checksum: Checksum | None, server: Server, place: Path
) -> None:
    raw, told = WRONG[kind]
    with serving() as wrong:
        wrong.raw = raw
        try:
            download([wrong.url()], place, checksum=checksum)
            assert checksum and place.read_bytes() == CONTENT  # whole by its checksum
            place.unlink()
        except InputError as error:
            assert re.search(told, str(error)) and "\n" not in str(error)
        assert checksum or names(place) == []
        download([wrong.url(), server.url()], place, checksum=checksum)
    assert place.read_bytes() == CONTENT and names(place) == ["weights.bin"]
    wrong.raw = b""


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[::1", "http://a b/", "http://127.0.0.1:99999999/", "http://127.0.0.1:x/",
     "http://" + "a" * 70 + ".org/", "http://\x00/", "http://127.0.0.1:1/\n"],
)  # fmt: skip
def test_an_address_that_is_none_is_told_and_the_next_asked(
    url: str, server: Server, place: Path
) -> None:
    with pytest.raises(InputError, match="cannot download"):
        download([url], place)
    assert download([url, server.url()], place).read_bytes() == CONTENT


def test_a_server_that_gives_a_byte_an_answer_is_given_up(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_ANSWERS", 5)
    server.cuts = 1000 * [1]
    with pytest.raises(InputError, match=r"cut after 5 of 700,000 bytes"):
        download([server.url()], place, checksum=RIGHT)
    assert len(server.asked) == 5


def test_a_server_that_drips_is_given_up(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.0)
    monkeypatch.setattr(downloads, "SLOWEST", 1 << 60)
    with pytest.raises(InputError, match=r"too slow: [\d,]+ bytes in 0 s"):
        download([server.url()], place)
    assert names(place) == []


def test_a_server_that_never_ends_is_given_up(
    server: Server, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MOST_BYTES", 300_000)
    server.raw = chunks(*10 * ["186a0"], body=bytes(100_000))
    with pytest.raises(InputError, match="it sends more than 300,000 bytes"):
        download([server.url()], place)
    assert names(place) == []


@pytest.mark.parametrize("name", [".weights.bin.part", ".weights.bin.0a1b2c3d.part"])
@pytest.mark.parametrize("kind", ["link", "second name", "dangling", "folder", "pipe"])
def test_what_was_planted_under_our_names_is_never_written_to(
    kind: str, name: str, server: Server, place: Path
) -> None:
    mine, planted = place.parent / "mine.txt", place.with_name(name)
    place.parent.mkdir()
    mine.write_text("precious")
    if kind == "folder":
        planted.mkdir()
    elif kind == "pipe":
        os.mkfifo(planted)
    elif kind == "second name":
        os.link(mine, planted)
    else:
        planted.symlink_to(mine if kind == "link" else place.parent / "new.txt")
    os.utime(planted, (1, 1), follow_symlinks=False)
    server.cuts = [1000]
    for checksum in (RIGHT, None):
        place.unlink(missing_ok=True)
        try:
            download([server.url()], place, checksum=checksum)
        except InputError as error:
            assert kind == "folder" and "cannot write" in str(error)
    assert mine.read_text() == "precious" and not (place.parent / "new.txt").exists()
    assert kind == "folder" or names(place) == ["mine.txt", "weights.bin"]
