"""Read file and folder names: class labels, split folders, camera names, files that systems leave behind.

Every function looks at one name and at nothing else. `layouts` combines what they say.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = [
    "UNREAD_SUFFIXES",
    "Role",
    "is_container",
    "is_generic_folder",
    "is_generic_label",
    "is_leftover_file",
    "is_leftover_folder",
    "is_side_folder",
    "read_label",
    "read_role",
    "read_words",
]

_LEFTOVER_FOLDERS = {
    "__macosx",
    "__pycache__",
    "@eadir",  # Synology
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "lost.dir",  # Android
}
_LEFTOVER_FILES = {
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
    "picasa.ini",
    "zbthumbnail.info",
}

UNREAD_SUFFIXES = (
    "webp",
    "jfif",
    "gif",
    "heic",
    "heif",
    "avif",
    "jp2",
    "jxl",
    "pgm",
    "pbm",
    "svg",
    "dng",
    "cr2",
    "nef",
)
"""Suffixes of picture files that ``flow_from_directory`` of Keras 3 does not count."""

_SPLIT_WORDS = {
    "train": ("train", "training", "trn", "trainset", "trainingset", "traindata", "trainingdata", "trainval"),
    "validation": ("validation", "validate", "valid", "val", "validset", "valset", "validationset", "dev", "devset"),
    "test": ("test", "testing", "tst", "testset", "testdata", "testingset"),
    "unlabelled": ("pred", "predict", "prediction", "predictions", "unlabelled", "unlabeled", "submission"),
}
_SPLIT_OF = {word: split for split, words in _SPLIT_WORDS.items() for word in words}

_CONTAINERS = {
    *("data", "dataset", "datasets", "files", "folder", "set", "sets", "split", "splits", "subset"),
    *("image", "images", "img", "imgs", "jpg", "jpgs", "jpeg", "jpegs", "png", "pngs", "jpegimages", "original"),
    *("photo", "photos", "pic", "pics", "picture", "pictures", "raw", "sample", "samples", "labelled", "labeled"),
}
_BARE = {
    "data",
    "dataset",
    "image",
    "images",
    "img",
    "imgs",
    "jpegimages",
    "photos",
    "pictures",
    "jpg",
    "jpegs",
    "rawimg",
}
_SIDE_FOLDERS = {
    *("annotation", "annotations", "attributes", "bbox", "bboxes", "boundingboxes", "depth", "groundtruth", "gt"),
    *("heatmaps", "label", "labels", "mask", "masks", "parts", "segmentation", "segmentations", "segmentationclass"),
    *("segmentationobject", "thumbnails", "thumbs", "trimaps", "xmls"),
}
_NUMBERED = {
    *("part", "parts", "batch", "batches", "chunk", "shard", "vol", "volume", "fold", "page", "archive", "album"),
    *("upload", "uploads", "download", "downloads", "camera", "roll", "new", "untitled"),
}
_CAMERA = {
    *("img", "imgp", "image", "images", "dsc", "dscn", "dscf", "dsci", "dscim", "mg", "pict", "cimg", "sam", "mvi"),
    *("gopr", "dji", "pxl", "vid", "video", "mov", "sdc", "hpim", "imag", "wp", "pano", "burst", "isic"),
    *("photo", "picture", "pic", "foto", "bild", "whatsapp", "screenshot", "snapchat", "signal", "telegram"),
    *("received", "unnamed", "untitled", "download", "scan", "frame", "file", "sample", "page", "patch", "tile"),
    *("index", "clip"),
}
_BESIDE_CAMERA = {"at", "am", "pm", "copy", "edited", "wa", "fb", "new", "screen", "shot", "facebook"}
"""Words that camera names have besides one of `_CAMERA`."""

_LABELLED = re.compile(r"(?P<label>[^\W\d_].*?)(?:[._ -]+[0-9]+|[._ -]*\([0-9]+\))\.[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+|[0-9]+")
_DCIM = re.compile(r"[1-9][0-9]{2}[A-Z0-9_]{5}")  # 100CANON: the standard of camera file systems, DCF 2.0
_DATE = re.compile(r"(19|20)[0-9]{2}([-_. ]?[01][0-9]([-_. ]?[0-3][0-9])?)?")
_TAKEOUT = re.compile(r"(photos from|fotos von|photos de|fotos de) (19|20)[0-9]{2}", re.IGNORECASE)


class Role(NamedTuple):
    """What the name of a folder says about its part in a data set.

    Args:
        split: ``train``, ``validation``, ``test`` or ``unlabelled``.
        rest: the other words of the name, which split folders of one data set share (``seg`` of ``seg_train``).
    """

    split: str
    rest: tuple[str, ...]


def is_leftover_folder(name: str) -> bool:
    """Tell whether a folder is hidden or was left by a system (``__MACOSX``, ``.ipynb_checkpoints``, ``@eaDir``)."""
    return name.startswith(".") or name.lower() in _LEFTOVER_FOLDERS


def is_leftover_file(name: str) -> bool:
    """Tell whether a file was left by a system (``Thumbs.db``, ``._0.jpg``), whatever its suffix is."""
    return name.startswith("._") or name.lower() in _LEFTOVER_FILES or name == ".DS_Store"


def read_label(file: str) -> str | None:
    """Return the class that begins a file's name, in lower case, or None.

    ``cat.0.jpg``, ``Bengal_12.jpg`` and ``cat (3).jpg`` have one, ``12.jpg`` and ``cat.jpg`` do not.
    """
    match = _LABELLED.fullmatch(file)
    return match["label"].lower() if match else None


def is_generic_label(label: str) -> bool:
    """Tell whether a label comes from a camera, a phone or a program (``img``, ``dsc``, ``whatsapp image``)."""
    words = {word for word in _words(label) if not word.isdigit()}
    return bool(words & _CAMERA or words == {"screen", "shot"}) and words <= _CAMERA | _BESIDE_CAMERA


def read_role(name: str) -> Role | None:
    """Return the part that a folder's name says it plays (``training_set``, ``seg_val``, ``test1``), or None."""
    words = _words(name)
    splits = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}
    if len(splits - {"unlabelled"}) > 1 or not splits:
        return None
    split = min(splits)  # "test" before "unlabelled"
    rest = tuple(w for w in words if w not in _SPLIT_OF and w not in _CONTAINERS and not w.isdigit())
    return Role(split, rest)


def read_words(name: str) -> tuple[str, ...]:
    """Return the words of a name without numbers and without words such as "images" and "set"."""
    return tuple(word for word in _words(name) if word not in _CONTAINERS and not word.isdigit())


def is_container(name: str) -> bool:
    """Tell whether a name only says that there are pictures (``images``, ``JPEGImages``, ``data``)."""
    return _joined(name) in _BARE


def is_side_folder(name: str) -> bool:
    """Tell whether a name is that of annotations or masks (``annotations``, ``trimaps``)."""
    return _joined(name) in _SIDE_FOLDERS


def is_generic_folder(name: str) -> bool:
    """Tell whether a name numbers or dates pictures: ``images_001``, ``part 2``, ``100CANON``, ``Photos from 2019``."""
    if _DCIM.fullmatch(name) or _DATE.fullmatch(name) or _TAKEOUT.fullmatch(name):
        return True
    words = _words(name)
    counted = words and words[-1].isdigit() and len(words) > 1
    return bool(counted) and words[-2] in _NUMBERED | _CONTAINERS


def _joined(name: str) -> str:
    return "".join(_words(name))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
