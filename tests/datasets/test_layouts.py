"""Which class and split a picture is of, in the layouts of public data sets and in those that say too little."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import class_folders, picture, write_folder

from gridsearch.datasets.archives import Entry
from gridsearch.datasets.layouts import Layout, LayoutChoice, find_layout
from gridsearch.datasets.prepare import prepare
from gridsearch.errors import DataError

SOURCE = Path("/somewhere/source")


def entries(*names: str) -> list[Entry]:
    """Files with these names; ``{3}`` stands for the numbers 0 to 2."""
    found: list[str] = []
    for name in names:
        head, brace, tail = name.partition("{")
        count, _, rest = tail.partition("}")
        found += [f"{head}{n}{rest}" for n in range(int(count))] if brace else [name]
    return [Entry(number, name, 100 + len(name.rpartition("/")[2]), "") for number, name in enumerate(found)]


def read(*names: str, **choice: object) -> Layout:
    return find_layout(entries(*names), SOURCE, LayoutChoice(**choice))  # type: ignore[arg-type]


def counts(layout: Layout) -> dict[str, int]:
    """The number of pictures of each pool, as ``train/cat``, or ``cat`` if they are still to be split."""
    return {"/".join(filter(None, pool)): len(found) for pool, found in layout.pools.items()}


PUBLIC: dict[str, tuple[list[str], dict[str, int]]] = {
    "Dogs vs. Cats (Kaggle)": (
        ["train/cat.{3}.jpg", "train/dog.{4}.jpg", "test1/{5}.jpg", "sampleSubmission.csv"],
        {"cat": 3, "dog": 4},
    ),
    "PetImages (Microsoft)": (
        ["PetImages/Cat/{3}.jpg", "PetImages/Dog/{3}.jpg", "readme[1].txt"],
        {"cat": 3, "dog": 3},
    ),
    "cats_and_dogs_filtered (Google)": (
        [f"cats_and_dogs_filtered/{s}/{c}s/{c}.{{3}}.jpg" for s in ("train", "validation") for c in ("cat", "dog")]
        + ["cats_and_dogs_filtered/vectorize.py"],
        {"train/cats": 3, "train/dogs": 3, "validation/cats": 3, "validation/dogs": 3},
    ),
    "Cat and Dog (Kaggle, tongpython)": (
        [f"{s}/{s}/{c}s/{c}.{{2}}.jpg" for s in ("training_set", "test_set") for c in ("cat", "dog")],
        {"cats": 2, "dogs": 2, "test/cats": 2, "test/dogs": 2},
    ),
    "SuperDataScience CNN": (
        [f"dataset/{s}/{c}s/{c}.{{2}}.jpg" for s in ("training_set", "test_set") for c in ("cat", "dog")]
        + ["dataset/single_prediction/cat_or_dog_{2}.jpg"],
        {"cats": 2, "dogs": 2, "test/cats": 2, "test/dogs": 2},
    ),
    "Imagenette (fastai)": (
        [f"imagenette2/{s}/{w}/{w}_{{2}}.JPEG" for s in ("train", "val") for w in ("n01440764", "n02102040")]
        + ["imagenette2/noisy_imagenette.csv"],
        {f"{s}/{w}": 2 for s in ("train", "validation") for w in ("n01440764", "n02102040")},
    ),
    "CIFAR-10 as folders (fastai)": (
        [f"cifar10/{s}/{c}/{{2}}_{c}.png" for s in ("train", "test") for c in ("airplane", "frog")]
        + ["cifar10/labels.txt"],
        {"airplane": 2, "frog": 2, "test/airplane": 2, "test/frog": 2},
    ),
    "MNIST as PNG": (
        [f"mnist_png/{s}/{d}/{{2}}.png" for s in ("training", "testing") for d in range(3)],
        {f"{s}{d}": 2 for s in ("", "test/") for d in range(3)},
    ),
    "Caltech-101": (
        [f"101_ObjectCategories/{c}/image_{{2}}.jpg" for c in ("accordion", "BACKGROUND_Google", "Faces_easy")]
        + ["Annotations/accordion/annotation_{2}.mat"],
        {"accordion": 2, "background_google": 2, "faces_easy": 2},
    ),
    "Caltech-256": (
        [f"256_ObjectCategories/{c}/{c[:3]}_{{2}}.jpg" for c in ("001.ak47", "002.american-flag", "257.clutter")],
        {"001.ak47": 2, "002.american-flag": 2, "257.clutter": 2},
    ),
    "Oxford-IIIT Pets": (
        [
            "images/Abyssinian_{3}.jpg",
            "images/great_pyrenees_{3}.jpg",
            "images/Abyssinian_{2}.mat",
            "annotations/trimaps/Abyssinian_{3}.png",
            "annotations/xmls/Abyssinian_{3}.xml",
            "annotations/list.txt",
        ],
        {"abyssinian": 3, "great_pyrenees": 3},
    ),
    "Intel Image Classification (Kaggle)": (
        [f"seg_{s}/seg_{s}/{c}/{{2}}.jpg" for s in ("train", "test") for c in ("buildings", "forest")]
        + ["seg_pred/seg_pred/{3}.jpg"],
        {"buildings": 2, "forest": 2, "test/buildings": 2, "test/forest": 2},
    ),
    "Chest X-Ray (Kaggle), with its second copy": (
        [
            f"{top}{s}/{c}/person{{2}}.jpeg"
            for top in ("chest_xray/", "chest_xray/chest_xray/")
            for s in ("train", "val", "test")
            for c in ("NORMAL", "PNEUMONIA")
        ],
        {f"{s}/{c}": 2 for s in ("train", "validation", "test") for c in ("normal", "pneumonia")},
    ),
    "tf_flowers": (
        ["flower_photos/daisy/{2}_n.jpg", "flower_photos/roses/{2}_n.jpg", "flower_photos/LICENSE.txt"],
        {"daisy": 2, "roses": 2},
    ),
    "Food-101": (
        ["food-101/images/apple_pie/{2}.jpg", "food-101/images/waffles/{2}.jpg", "food-101/meta/train.json"],
        {"apple_pie": 2, "waffles": 2},
    ),
    "Stanford Dogs": (
        [
            "images/Images/n02085620-Chihuahua/n02085620_{2}.jpg",
            "images/Images/n02085782-pug/n02085782_{2}.jpg",
            "annotations/Annotation/n02085620-Chihuahua/n02085620_{2}",
        ],
        {"n02085620-chihuahua": 2, "n02085782-pug": 2},
    ),
    "CUB-200-2011": (
        [f"CUB_200_2011/images/{c}/{{2}}.jpg" for c in ("001.Albatross", "002.Auklet")]
        + ["CUB_200_2011/attributes/attributes.txt", "CUB_200_2011/images.txt"],
        {"001.albatross": 2, "002.auklet": 2},
    ),
    "GTSRB (Kaggle)": (
        ["Train/0/00000_{2}.png", "Train/1/00001_{2}.png", "Test/{4}.png", "Meta/{3}.png", "Test.csv"],
        {"0": 2, "1": 2},
    ),
    "EuroSAT": (["2750/Forest/Forest_{2}.jpg", "2750/River/River_{2}.jpg"], {"forest": 2, "river": 2}),
    "UC Merced": (
        ["UCMerced_LandUse/Images/beach/beach{2}.tif", "UCMerced_LandUse/Images/river/river{2}.tif"],
        {"beach": 2, "river": 2},
    ),
    "Fruits-360 (Kaggle)": (
        [f"fruits-360_dataset/fruits-360/{s}/{c}/{{2}}_100.jpg" for s in ("Training", "Test") for c in ("Kiwi", "Plum")]
        + [
            "fruits-360_dataset/fruits-360/test-multiple_fruits/{2}.jpg",
            "fruits-360_dataset/fruits-360/papers/{1}.jpg",
        ],
        {"kiwi": 2, "plum": 2, "test/kiwi": 2, "test/plum": 2},
    ),
    "Hymenoptera (PyTorch, ImageFolder)": (
        [f"hymenoptera_data/{s}/{c}/{{2}}.jpg" for s in ("train", "val") for c in ("ants", "bees")],
        {f"{s}/{c}": 2 for s in ("train", "validation") for c in ("ants", "bees")},
    ),
    "dogscats (fastai)": (
        [
            f"dogscats/{top}{s}/{c}/{c}.{{2}}.jpg"
            for top in ("", "sample/")
            for s in ("train", "valid")
            for c in ("cats", "dogs")
        ]
        + ["dogscats/test1/{3}.jpg"],
        {f"{s}/{c}": 2 for s in ("train", "validation") for c in ("cats", "dogs")},
    ),
    "Rock, Paper, Scissors (TensorFlow)": (
        [f"{top}/{c}/{{2}}.png" for top in ("rps", "rps-test-set") for c in ("rock", "paper")],
        {"rock": 2, "paper": 2, "test/rock": 2, "test/paper": 2},
    ),
    "Horses or Humans (TensorFlow)": (
        [
            f"{top}/{c}/{{2}}.png"
            for top in ("horse-or-human", "validation-horse-or-human")
            for c in ("horses", "humans")
        ],
        {f"{s}/{c}": 2 for s in ("train", "validation") for c in ("horses", "humans")},
    ),
    "Roboflow, folders": (
        [f"{s}/{c}/{{2}}_jpg.rf.0a1b.jpg" for s in ("train", "valid", "test") for c in ("ripe", "unripe")]
        + ["README.roboflow.txt", "README.dataset.txt"],
        {f"{s}/{c}": 2 for s in ("train", "validation", "test") for c in ("ripe", "unripe")},
    ),
    "Teachable Machine": (["Class 1/{2}.jpg", "Class 2/{2}.jpg"], {"class 1": 2, "class 2": 2}),
    "ASL Alphabet (Kaggle)": (
        [f"asl_alphabet_train/asl_alphabet_train/{c}/{c}{{2}}.jpg" for c in "AB"]
        + [f"asl_alphabet_test/asl_alphabet_test/{c}_test.jpg" for c in "AB"],
        {"a": 2, "b": 2},
    ),
    "Brain Tumor (Kaggle), with its second copy": (
        [f"{top}{c}/{c}{{2}}.jpg" for top in ("", "brain_tumor_dataset/") for c in ("yes", "no")],
        {"yes": 2, "no": 2},
    ),
    "Natural Images (Kaggle), with its second copy": (
        [f"{top}natural_images/{c}/{{2}}.jpg" for top in ("", "data/") for c in ("car", "cat")],
        {"car": 2, "cat": 2},
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_layout_of_a_public_data_set_is_read(name: str) -> None:
    files, expected = PUBLIC[name]
    assert counts(read(*files)) == expected


@pytest.mark.parametrize("name", PUBLIC)
def test_every_picture_of_a_public_data_set_is_used_or_told_of(name: str) -> None:
    files, expected = PUBLIC[name]
    pictures = [entry for entry in entries(*files) if entry.name.lower().endswith(("jpg", "png", "jpeg", "tif"))]
    unused = len(pictures) - sum(expected.values())
    told = " ".join(read(*files).notes)
    assert bool(unused) == any(part in told for part in ("not used", "is not used")), told


REFUSED: dict[str, tuple[list[str], str, str]] = {
    "camera names": (["IMG_{6}.jpg", "DSC_{6}.jpg"], "come from a camera", "Known layouts"),
    "phone names": (["IMG_20190101_{3}.jpg", "WhatsApp Image 2020-01-01 at 10.11.{3}.jpeg"], "come from a camera", ""),
    "camera folders": (
        ["DCIM/100CANON/IMG_{3}.JPG", "DCIM/101CANON/IMG_{3}.JPG"],
        "do not look like classes",
        "folders",
    ),
    "Google Takeout": (
        ["Takeout/Google Photos/Photos from 2019/IMG_{3}.jpg", "Takeout/Google Photos/Photos from 2020/IMG_{3}.jpg"],
        "'Photos from 2019', 'Photos from 2020' do not look like classes",
        "--classes-from",
    ),
    "ImageNet, whose validation labels are in a table": (
        [
            "CLS-LOC/train/n01440764/n01440764_{2}.JPEG",
            "CLS-LOC/train/n01443537/n01443537_{2}.JPEG",
            "CLS-LOC/val/ILSVRC2012_val_{4}.JPEG",
            "CLS-LOC/test/ILSVRC2012_test_{4}.JPEG",
        ],
        "the validation folder 'CLS-LOC/val' holds 4 pictures that are not sorted",
        "--train-from",
    ),
    "Tiny ImageNet, whose validation labels are in a table": (
        [
            "tiny/train/n01440764/images/{2}.JPEG",
            "tiny/train/n01443537/images/{2}.JPEG",
            "tiny/val/images/val_{4}.JPEG",
        ],
        "the validation folder 'tiny/val' holds 4 pictures",
        "--train-from",
    ),
    "CIFAR-10 of Kaggle, whose labels are in a table": (
        ["train/{5}.png", "test/{5}.png", "trainLabels.csv"],
        "are not sorted into classes (a table such as 'trainLabels.csv' is not read)",
        "Sort the training pictures",
    ),
    "Stanford Cars, whose labels are in a table": (
        ["cars_train/cars_train/{3}.jpg", "cars_test/cars_test/{3}.jpg", "cars_annos.mat"],
        "not sorted into classes",
        "",
    ),
    "Oxford 102 Flowers": (["jpg/image_{5}.jpg", "imagelabels.mat"], "names such as image_0.jpg come from", ""),
    "HAM10000": (
        ["HAM10000_images_part_1/ISIC_{3}.jpg", "HAM10000_images_part_2/ISIC_{3}.jpg", "HAM10000_metadata.csv"],
        "do not look like classes",
        "--classes-from",
    ),
    "ChestX-ray14": (["images_001/images/{3}.png", "images_002/images/{3}.png"], "do not look like classes", ""),
    "PlantVillage with its variants": (
        [f"plantvillage/{v}/{c}/{{2}}.jpg" for v in ("color", "grayscale") for c in ("scab", "rust")],
        "'color', 'grayscale' hold folders of the same names, such as 'scab'",
        "--train-from color",
    ),
    "CIFAR-100 with superclasses": (
        ["train/fish/ray/{2}.png", "train/fish/shark/{2}.png", "train/trees/oak/{2}.png", "train/trees/pine/{2}.png"],
        "holds no pictures but folders, 'ray', 'shark'",
        "--classes-from parents",
    ),
    "Roboflow, YOLO": (["train/images/{3}.jpg", "train/labels/{3}.txt", "valid/images/{2}.jpg"], "not sorted into", ""),
    "Label Studio, YOLO": (
        ["images/0a1b-IMG_{3}.jpg", "labels/0a1b-IMG_{3}.txt", "classes.txt", "notes.json"],
        "lie in one folder",
        "",
    ),
    "a flat folder of numbers": (["{9}.jpg"], "names such as 0.jpg say no class", "Known layouts"),
    "one class": (["cat/{9}.jpg"], "only one class, 'cat'", "Known layouts"),
    "a class that may be test pictures": (
        ["control/{3}.jpg", "blank/{3}.jpg", "test/{3}.jpg"],
        "beside 'blank', 'control' there is a folder 'test', which may be a class or hold test pictures",
        "--classes-from folders makes every folder a class",
    ),
    "validation beside class folders": (["cat/{3}.jpg", "dog/{3}.jpg", "val/{3}.jpg"], "there is a folder 'val'", ""),
    "masks beside class folders": (
        ["cat/{3}.jpg", "dog/{3}.jpg", "masks/{3}.png"],
        "'masks', which may be a class",
        "--ignore",
    ),
    "two training folders": (
        [f"{s}/{c}/{{2}}.jpg" for s in ("train", "training_set") for c in ("cat", "dog")],
        "2 folders of training pictures: 'train', 'training_set'",
        "--train-from",
    ),
    "split folders without training pictures": (
        [f"{s}/{c}/{{2}}.jpg" for s in ("val", "test") for c in ("cat", "dog")],
        "'test', 'val' hold folders of the same names",
        "--train-from",
    ),
    "a folder nested in itself with other pictures": (
        [
            "flowers/daisy/{2}.jpg",
            "flowers/rose/{2}.jpg",
            "flowers/flowers/daisy/{3}.jpg",
            "flowers/flowers/rose/{3}.jpg",
        ],
        "'flowers/flowers' holds folders of the same names as those beside it ('daisy', 'rose')",
        "--ignore flowers/flowers",
    ),
    "test pictures of a class that is not trained on": (
        ["train/cat/{2}.jpg", "train/dog/{2}.jpg", "test/cat/{2}.jpg", "test/fox/{2}.jpg"],
        "the test folder 'test' has classes that are not trained on: 'fox'",
        "--ignore test",
    ),
    "mostly unlabelled names": (
        ["cat.{2}.jpg", "dog.{2}.jpg", "{9}.jpg"],
        "9 of 13 pictures have names that say no class",
        "",
    ),
    "pictures beside the only folder": (
        ["a/{3}.jpg", "a/b/x/{3}.jpg", "a/b/y/{3}.jpg", "a/z{9}.jpg"],
        "beside the folder 'b'",
        "",
    ),
    "archives in a folder": (
        ["cat-samples.zip", "dog-samples.zip"],
        "2 archives, such as cat-samples.zip: unpack them",
        "",
    ),
    "nothing": ([], "no pictures", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_says_too_little_is_refused_with_what_was_seen_and_a_way_out(name: str) -> None:
    files, seen, cure = REFUSED[name]
    with pytest.raises(DataError) as told:
        read(*files)
    assert seen in told.value.problem
    assert cure in told.value.cure


@pytest.mark.parametrize(
    ("files", "choice", "expected"),
    [
        (
            REFUSED["a class that may be test pictures"][0],
            {"classes_from": "folders"},
            {"blank": 3, "control": 3, "test": 3},
        ),
        (REFUSED["a class that may be test pictures"][0], {"ignore": ("test",)}, {"blank": 3, "control": 3}),
        (REFUSED["PlantVillage with its variants"][0], {"train_from": ("color",)}, {"rust": 2, "scab": 2}),
        (
            REFUSED["PlantVillage with its variants"][0],
            {"train_from": ("plantvillage/color",), "validation_from": ("grayscale",)},
            {"train/rust": 2, "train/scab": 2, "validation/rust": 2, "validation/scab": 2},
        ),
        (REFUSED["PlantVillage with its variants"][0], {"classes_from": "folders"}, {"color": 4, "grayscale": 4}),
        (REFUSED["CIFAR-100 with superclasses"][0], {"classes_from": "folders"}, {"fish": 4, "trees": 4}),
        (
            REFUSED["CIFAR-100 with superclasses"][0],
            {"classes_from": "parents"},
            {"oak": 2, "pine": 2, "ray": 2, "shark": 2},
        ),
        (
            REFUSED["ImageNet, whose validation labels are in a table"][0],
            {"train_from": ("CLS-LOC/train",)},
            {"n01440764": 2, "n01443537": 2},
        ),
        (
            REFUSED["split folders without training pictures"][0],
            {"train_from": ("val",), "test_from": ("test",)},
            {"cat": 2, "dog": 2, "test/cat": 2, "test/dog": 2},
        ),
        (REFUSED["two training folders"][0], {"train_from": ("train", "training_set")}, {"cat": 4, "dog": 4}),
        (REFUSED["camera names"][0], {"classes_from": "names"}, {"dsc": 6, "img": 6}),
        (["a/cat_{2}.jpg", "b/cat_{3}.jpg", "b/dog_{1}.jpg"], {"classes_from": "names"}, {"cat": 5, "dog": 1}),
    ],
)
def test_an_option_says_which_reading_is_meant(
    files: list[str], choice: dict[str, object], expected: dict[str, int]
) -> None:
    assert counts(read(*files, **choice)) == expected


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"train_from": ("tran",)}, "there is no folder 'tran' in it\n  The folders at its top: 'train', 'val'."),
        ({"train_from": ("cat",)}, "2 folders end with 'cat': 'train/cat', 'val/cat'"),
        ({"ignore": ("nothing",)}, "there is no folder 'nothing'"),
        ({"validation_from": ("val",)}, "'val' is named for validation or test, and no folder to train on"),
    ],
)
def test_an_option_that_names_no_folder_is_told(choice: dict[str, object], told: str) -> None:
    with pytest.raises(DataError) as error:
        read("train/cat/{2}.jpg", "train/dog/{2}.jpg", "val/cat/{2}.jpg", "val/dog/{2}.jpg", **choice)
    assert told in str(error.value)


def test_a_class_named_like_a_split_is_a_class_where_it_can_be_nothing_else() -> None:
    layout = read("bus/{3}.jpg", "car/{3}.jpg", "train/{3}.jpg")
    assert counts(layout) == {"bus": 3, "car": 3, "train": 3}
    assert "the folder 'train' is a class" in layout.notes[0]
    both = [f"{s}/{c}/{{2}}.jpg" for s in ("train", "val") for c in ("control", "test")]
    assert counts(read(*both)) == {f"{s}/{c}": 2 for s in ("train", "validation") for c in ("control", "test")}
    tubes = read("test tube/{3}.jpg", "beaker/{3}.jpg", "covid test positive/{3}.jpg")
    assert set(counts(tubes)) == {"test tube", "beaker", "covid test positive"}


def test_names_with_a_number_in_parentheses_say_the_class() -> None:
    layout = read("cat ({6}).jpg", "dog ({6}).jpg", "cat.{2}.jpg", "cat.1 (2).jpg")
    assert counts(layout) == {"cat": 9, "dog": 6}


def test_camera_names_among_labelled_ones_are_set_aside_with_the_reason() -> None:
    layout = read("cat.{4}.jpg", "dog.{4}.jpg", "IMG_{2}.jpg", "17.jpg")
    assert counts(layout) == {"cat": 4, "dog": 4}
    assert sorted((entry.name, reason) for entry, reason in layout.unlabelled) == [
        ("17.jpg", "its name does not begin with a class"),
        ("IMG_0.jpg", "its name is that of a camera or program, not of a class"),
        ("IMG_1.jpg", "its name is that of a camera or program, not of a class"),
    ]


def test_folders_that_differ_in_case_only_are_one_class_and_a_note_says_so() -> None:
    layout = read("Cat/{2}.jpg", "cat/{2}.jpg", "dog/{2}.jpg")
    assert counts(layout) == {"cat": 4, "dog": 2}
    assert layout.notes == ("the folders 'Cat', 'cat' are one class",)


LEFTOVERS = [
    "__MACOSX/cat/._0.jpg",
    ".ipynb_checkpoints/0-checkpoint.jpg",
    "@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg",
    "#recycle/old.jpg",
    "$RECYCLE.BIN/x.jpg",
    "Thumbs.db",
    "cat/Thumbs.db",
    "cat/.DS_Store",
    "lost+found/1.jpg",
]


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_what_systems_leave_behind_is_no_class(leftover: str, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "pets", class_folders(4) | {leftover: picture()})
    summary = prepare(source, tmp_path / "data")
    assert summary.classes == ("cat", "dog")
    assert (summary.written, summary.broken) == (8, ())


def test_labelled_test_pictures_are_kept_apart_and_told(tmp_path: Path) -> None:
    files = {f"{s}/{name}": content for s in ("training_set/training_set", "test_set/test_set")
             for name, content in class_folders(5).items()}  # fmt: skip
    source = write_folder(tmp_path / "pets", files)
    command = [sys.executable, "-m", "gridsearch", "data", "prepare", str(source), "--out", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["cat", "dog"],
        ["train", "4", "4"],
        ["validation", "1", "1"],
        ["test", "5", "5"],
    ]
    assert "test_set: 10 pictures kept as test pictures, not trained on" in done.stderr
    assert len(list((tmp_path / "data/test/dog").iterdir())) == 5
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to do" in again.stdout


def test_a_limit_is_shared_with_the_test_pictures(tmp_path: Path) -> None:
    files = {
        f"{s}/{name}": content for s, n in (("train", 20), ("test", 10)) for name, content in class_folders(n).items()
    }
    source = write_folder(tmp_path / "pets", files)
    summary = prepare(source, tmp_path / "data", limit=12)
    assert (summary.train, summary.validation, summary.test) == (
        {"cat": 3, "dog": 3},
        {"cat": 1, "dog": 1},
        {"cat": 2, "dog": 2},
    )
    with pytest.raises(DataError, match="Give 6 or more"):
        prepare(source, tmp_path / "other", limit=5)


def nested(names: Iterable[str], depth: int) -> list[str]:
    return ["/".join(["deep"] * depth + [name]) for name in names]


@given(
    depth=st.integers(0, 4),
    split=st.sampled_from(
        [("train", "val"), ("Training", "Validation"), ("seg_train", "seg_valid"), ("x train set", "x dev set")]
    ),
    twice=st.booleans(),
    by_name=st.booleans(),
)
def test_law_wrapping_folders_and_the_spelling_of_splits_change_nothing(
    depth: int, split: tuple[str, str], twice: bool, by_name: bool
) -> None:
    class_of = "{c}.{{3}}.jpg" if by_name else "{c}/{{3}}.jpg"
    files = [f"{s}/{f'{s}/' if twice else ''}{class_of.format(c=c)}" for s in split for c in ("cat", "dog")]
    assert counts(read(*nested(files, depth))) == {
        f"{s}/{c}": 3 for s in ("train", "validation") for c in ("cat", "dog")
    }


def test_the_docs_list_every_data_set_that_is_tested_here() -> None:
    page = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
    listed = [line.split("|")[1].strip() for line in page.split("## Refused")[0].splitlines() if line.startswith("| ")]
    assert listed[1:] == list(PUBLIC)
