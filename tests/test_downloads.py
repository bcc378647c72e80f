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
