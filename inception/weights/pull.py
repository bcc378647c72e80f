"""From a tag of the catalogue to a model of ours in the cache."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from inception.downloads import BytesProgress, Checksum, download, no_progress
from inception.errors import InputError
from inception.files import read_text, replacing, write_text
from inception.weights.catalogue import Published, find_published
from inception.weights.imagenet import imagenet_names
from inception.weights.importers.convert import Converted, convert
from inception.weights.model_file import ModelInfo, save_model

MOST_BYTES = 4 << 30  # a packed file that claims more is none of the catalogue's


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    Attributes:
        path: our model's file.
        original: the publisher's.
        notes: what the importer read, dropped or folded.
        sha256: of the publisher's file.
        pin: where that is kept for the next download, when no publisher gave a checksum.
    """

    published: Published
    path: Path
    original: Path
    notes: tuple[str, ...]
    sha256: str
    pin: Path | None = None


def pull(tag: str, *, progress: BytesProgress = no_progress) -> Pulled:
    """Downloads a tag's file where it is not here yet, checks it and makes it a model of ours.

    Raises:
        InputError: no such tag, no server has the file (``downloads.download``), or it does not
            hold what it should.
    """
    published = find_published(tag)
    was_here, pin = published.original.exists(), _pin(published)
    checksum = published.checksum or _pinned(pin)
    original = download(published.urls, published.original, checksum=checksum, progress=progress)
    try:
        converted = _converted(published, original)
    except InputError as error:
        if checksum or was_here:
            raise
        original.unlink()  # a page of some proxy for example, which would be taken for it again
        raise InputError(
            f"{error}; nobody published a checksum, so the file was removed"
        ) from error
    with original.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    save_model(published.path, converted.weights, _described(published, converted.info, sha256))
    if published.checksum is None:
        write_text(pin, f"{sha256}  {original.name}\n")
    kept = None if published.checksum else pin
    return Pulled(published, published.path, original, converted.notes, sha256, kept)


def _pin(published: Published) -> Path:
    return published.original.with_name(f"{published.original.name}.sha256")


def _pinned(pin: Path) -> Checksum | None:
    """What the file was when it was first pulled, in the form of ``sha256sum``.

    Raises:
        InputError: what lies there is no such line.
    """
    if not pin.exists():
        return None
    digits = read_text(pin).split(" ")[0].strip()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise InputError(f"{pin} holds no SHA-256; remove it to pull the file as it is now")
    return Checksum("sha256", digits, seen=pin)


def source_of(published: Published, original: Path) -> Path:
    """The file of weights itself: ``original``, or what is packed in it, laid beside it."""
    if not published.member:
        return original
    unpacked = original.with_name(published.member)
    if not unpacked.exists():
        with replacing(unpacked) as beside, beside.open("wb") as file:
            _copy_member(original, published.member, file)
    return unpacked


def _converted(published: Published, original: Path) -> Converted:
    return convert(
        source_of(published, original),
        model=published.model,
        dialect=published.dialect,
        classes=_classes(published, original),
    )


def _classes(published: Published, original: Path) -> Sequence[str] | None:
    """Names of the classes that stay: without the first, which is the background."""
    if published.labels:
        lines = io.BytesIO()
        _copy_member(original, published.labels, lines)
        return lines.getvalue().decode().splitlines()[1:1001]
    return imagenet_names() if published.classes == "imagenet" else None


def _described(published: Published, info: ModelInfo, sha256: str) -> ModelInfo:
    entry = published.to_json()
    imported = {
        **info.training.get("imported", {}),
        "tag": published.tag,
        "urls": entry["urls"],
        "sha256": sha256,
    }
    return replace(
        info,
        licence=published.licence,
        metrics={"published": entry["published"]},
        training={**info.training, "imported": imported},
    )


def _copy_member(archive: Path, name: str, to: IO[bytes]) -> None:
    """Copies the file of that name, wherever in the archive it lies; nothing else is unpacked.

    Raises:
        InputError: a damaged archive, no such file in it, or one too large to be true.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                sizes = {member.filename: member.file_size for member in packed.infolist()}
                with packed.open(_found(archive, name, sizes)) as file:
                    shutil.copyfileobj(file, to)
        else:
            with tarfile.open(archive) as tar:
                sizes = {member.name: member.size for member in tar if member.isfile()}
                extracted = tar.extractfile(_found(archive, name, sizes))
                shutil.copyfileobj(cast(IO[bytes], extracted), to)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{archive}: a damaged archive ({error})") from error


def _found(archive: Path, name: str, sizes: dict[str, int]) -> str:
    for path, size in sizes.items():
        if Path(path).name == name:
            if size > MOST_BYTES:
                raise InputError(f"{archive}: {path} claims {size:,} bytes")
            return path
    raise InputError(f"{archive} has no {name} in it; it has: {', '.join(list(sizes)[:5])}")
