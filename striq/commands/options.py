"""Command-line options shared by several commands, and the objects made from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from striq.anchors.selection import STRATEGIES
from striq.data.layouts import LAYOUTS
from striq.errors import StriqError
from striq.types import FrameRecord, Mode

if TYPE_CHECKING:
    from striq.baselines.extras import BaselineExtras
    from striq.config import StriqConfig, TrainingConfig
    from striq.policies.policy import Policy

PROTOCOLS = ("joint", "sequential")
PRECISIONS = ("float32", "mixed", "bfloat16", "float16", "auto")
PHANTOM_SUBJECTS, PHANTOM_FRAMES = 40, 4  # of the phantom drawn if no data set is given
PHANTOM_NOTE = "Synthetic phantom, not patients."
VIEWS = {"2ch": "two-chamber", "4ch": "four-chamber"}


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Return a callback that refuses any value of an option but these names."""

    def check(value: str) -> str:
        if value not in names:
            msg = f"{value!r} is not one of {', '.join(names)}."
            raise typer.BadParameter(msg)
        return value

    return check


ModelOption = Annotated[
    Path | None, typer.Option(help="A model.pt, a bundle folder, or 'light'.", show_default="the shipped model")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Threads that compute.", show_default="OMP_NUM_THREADS, or what other programs leave free"
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, and no progress bar.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON to standard output, nothing else.")]
DicomSrOption = Annotated[
    Path | None, typer.Option(help="Folder for a DICOM structured report (TID 1500) of each DICOM file.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Quality that an accepted frame exceeds.", show_default="the model's"),
]
PolicyOption = Annotated[
    Path | None,
    typer.Option(help="TOML file with thresholds by plane and site, and the planes that examinations require."),
]
NoteOption = Annotated[str, typer.Option(help="Sentence printed with every table and picture.")]
SeedsOption = Annotated[int, typer.Option(min=1, help="Number of seeds, from 0.")]
SubjectsOption = Annotated[int, typer.Option(min=4, help="Subjects of the phantom.")]
PrecisionOption = Annotated[
    str,
    typer.Option(
        callback=one_of(PRECISIONS),
        help="Precision of the encoder. mixed is faster and changes Q by at most 0.001; bfloat16 is faster still and "
        "changes it by 0.003; float16 needs CUDA and changes it by 0.001. auto takes float16 on CUDA, and mixed on a "
        "CPU that computes in bfloat16.",
    ),
]
DatasetArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATASET]",
        help="Folder of frames or CSV list (path,plane,group[,rating]).",
        show_default="a synthetic phantom",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
PlanesOption = Annotated[list[str] | None, typer.Option(help="Plane to keep; repeat for several.", show_default="all")]
LayoutOption = Annotated[
    str, typer.Option(callback=one_of(LAYOUTS), help=f"Layout of the data set: {', '.join(LAYOUTS)}.")
]
GroupPatternOption = Annotated[
    str | None, typer.Option(help=r"Regular expression that finds the group in a file name, such as '^(\d{3})_'.")
]
RatingTableOption = Annotated[Path | None, typer.Option(help="CSV of ratings; only evaluations use it.")]
BoxesOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV of boxes of structures (image,structure,top,left,bottom,right), for baselines that use them.",
        show_default="those of the phantom",
    ),
]
ClipOption = Annotated[
    Path | None, typer.Option(help="Folder of a CLIP model (transformers format), for the baseline that uses it.")
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Passes over the training frames.")]
StrategyOption = Annotated[
    str | None,
    typer.Option(
        callback=lambda value: value if value is None else one_of(STRATEGIES)(value),
        help=f"How anchors are chosen: {', '.join(STRATEGIES)}.",
        show_default=STRATEGIES[0],
    ),
]
NumAnchorsOption = Annotated[int | None, typer.Option(min=1, help="Anchors per plane.", show_default="20")]
AppearanceOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Share by which frames get the anchors' mean and deviation of every feature before they are compared; "
        "0.25 makes scanners more alike.",
        show_default="0",
    ),
]
ModeOption = Annotated[
    str, typer.Option(callback=one_of(get_args(Mode)), help=f"Family of transforms: {', '.join(get_args(Mode))}.")
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        callback=one_of(PROTOCOLS), help="Learn all planes at once (joint), or one after another in the order given."
    ),
]
BackboneOption = Annotated[
    Path | None,
    typer.Option(
        help="ResNet-18 weights (.pt, .pth, folded .npz), or resnet18_half.", show_default="the shipped weights"
    ),
]
ImagenetOption = Annotated[
    bool,
    typer.Option("--download-imagenet", help="Download ImageNet weights from PyTorch's site; the hash is checked."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of every random decision.")]
AnchorImagesOption = Annotated[
    bool,
    typer.Option("--anchor-images/--no-anchor-images", help="Write thumbnails of the anchors beside the model."),
]
ReportPicturesOption = Annotated[
    bool,
    typer.Option("--report-pictures/--no-report-pictures", help="Show training frames in train_report.html."),
]

KeepPathsOption = Annotated[
    bool,
    typer.Option("--keep-paths", help="Keep the names of the anchors' files in the model; they may name patients."),
]


def make_config(
    mode: str, strategy: str | None, num_anchors: int | None, appearance_matching: float | None = None
) -> StriqConfig:
    """Return the settings of a scorer, those not given at their defaults."""
    from striq.config import AlignerConfig, QualityConfig, StriqConfig

    given: dict[str, Any] = {
        "anchor_strategy": strategy,
        "num_anchors": num_anchors,
        "appearance_matching": appearance_matching,
    }
    quality = QualityConfig(**{name: value for name, value in given.items() if value is not None})
    return StriqConfig(aligner=AlignerConfig(mode=cast("Mode", mode)), quality=quality)


def read_given_policy(policy: Path | None, threshold: float | None) -> tuple[Policy | None, str]:
    """Return the policy that the user has given, and its text; ``None`` and an empty text if there is none.

    Raises:
        StriqError: If the file is no policy, or a threshold is given as well.
    """
    if policy is None:
        return None, ""
    if threshold is not None:
        msg = "Give either --policy or --threshold, not both: the policy states the thresholds."
        raise StriqError(msg)
    from striq.policies.reading import parse_policy
    from striq.toml_files import read_toml_text

    text = read_toml_text(policy)
    return parse_policy(text, policy), text


def warn_of_policy(policy: Policy | None, planes: Sequence[str]) -> list[str]:
    """Return sentences about a policy that the user should know before frames are judged by it."""
    if policy is None:
        return []
    unknown = policy.unknown_planes(tuple(planes))
    warnings = [f"Policy {policy}: the model does not know {', '.join(unknown)}."] if unknown else []
    return [
        *warnings,
        *([f"Policy {policy}: is an example; adapt it to your department."] if policy.is_example else []),
    ]


def make_training(epochs: int | None, seed: int, *, amp: bool = False) -> TrainingConfig:
    """Return the settings of a training."""
    from striq.config import TrainingConfig

    given = TrainingConfig(seed=seed, amp=amp)
    return given if epochs is None else replace(given, max_epochs=epochs)


def check_backbone(name: str) -> None:
    """Check the name of a network.

    Raises:
        StriqError: If it is not known.
    """
    from striq.model.resnet import BACKBONES

    if name not in BACKBONES:
        msg = f"--backbone: expected one of {', '.join(BACKBONES)}, got {name!r}."
        raise StriqError(msg)


def find_backbone(backbone: Path | None, *, download: bool, folder: Path) -> Path | None:
    """Return the file of backbone weights asked for, fetched into ``folder`` if need be.

    Raises:
        StriqError: If both a file and a download are asked for, or the download fails.
    """
    if not download:
        return backbone
    if backbone is not None:
        msg = "Give either --backbone or --download-imagenet, not both."
        raise StriqError(msg)
    from striq.config import EncoderConfig
    from striq.model.backbone_files import IMAGENET_URL, download_imagenet
    from striq.model.encoder import FrozenEncoder

    try:
        download_imagenet(FrozenEncoder(EncoderConfig()), folder)
    except (OSError, RuntimeError) as error:  # no connection, or another hash than expected
        msg = f"{IMAGENET_URL}: cannot be fetched ({error}). Download it elsewhere and pass it with --backbone."
        raise StriqError(msg) from error
    return folder / Path(IMAGENET_URL).name


def read_records(
    dataset: Path | None,
    out: Path,
    *,
    planes: Sequence[str] | None = None,
    layout: str = "auto",
    group_pattern: str | None = None,
    rating_table: Path | None = None,
    seed: int = 0,
    subjects: int | None = None,
) -> tuple[list[FrameRecord], str]:
    """Return the frames of a data set, and a note that belongs with every result on them.

    Args:
        dataset: Folder or CSV list; a phantom drawn in ``out`` by default.
        out: Folder for the phantom.
        planes: Planes to keep; all by default.
        layout: Layout of the data set, one of ``LAYOUTS``.
        group_pattern: Regular expression that finds the group in a file name.
        rating_table: CSV of ratings.
        seed: Seed of the phantom.
        subjects: Number of subjects of the phantom.

    Raises:
        DatasetError: If the data set cannot be used as given.
    """
    from striq.data.datasets import load_dataset, recognize_layout

    if dataset is None:
        return load_dataset(phantom_table(out, planes, seed, subjects), planes=planes), PHANTOM_NOTE
    found = recognize_layout(dataset) if layout == "auto" else layout
    flat_plane = planes[0] if planes and len(planes) == 1 and found == "flat" else None
    with _stand_in_notes() as notes:
        records = load_dataset(
            dataset,
            layout=cast("Any", found),
            planes=planes,
            plane=flat_plane,
            rating_table=rating_table,
            group_pattern=group_pattern,
        )
    return records, join_notes(*notes)


def baseline_extras(
    boxes: Path | None,
    clip: Path | None,
    out: Path,
    dataset: Path | None,
    planes: Sequence[str] | None,
    seed: int,
    subjects: int | None = None,
) -> BaselineExtras:
    """Return what some baselines need beside frames; boxes of the phantom if no data set is given.

    Args:
        boxes: Table of boxes.
        clip: Folder of a CLIP model.
        out: Folder of the phantom.
        dataset: Folder or CSV list of frames, if one is given.
        planes: Planes of the phantom.
        seed: Seed of the phantom.
        subjects: Subjects of the phantom.

    Raises:
        DatasetError: If the table cannot be used.
    """
    from striq.baselines.extras import BaselineExtras
    from striq.data.phantom.storage import BOXES_NAME

    if boxes is None and dataset is None:
        found = phantom_table(out, planes, seed, subjects).with_name(BOXES_NAME)
        boxes = found if found.is_file() else None  # a phantom of an earlier version has none
    return BaselineExtras.read(boxes, clip)


@dataclass(frozen=True)
class FramesOptions:
    """Frames that the user has given, if any.

    Attributes:
        place: Folder or CSV list.
        layout: Layout of the data set, one of ``LAYOUTS``.
        group_pattern: Regular expression that finds the group in a file name.
    """

    place: Path | None
    layout: str = "auto"
    group_pattern: str | None = None

    def read(self, planes: Sequence[str] | None = None) -> list[FrameRecord]:
        """Return the frames of some planes, all by default; none if none were given."""
        if self.place is None:
            return []
        settings: dict[str, Any] = {"layout": self.layout, "group_pattern": self.group_pattern}
        return read_records(self.place, self.place.parent, planes=planes, **settings)[0]


def check_drawable(planes: Sequence[str] | None) -> Sequence[str]:
    """Return the planes that a phantom shall have; all by default.

    Raises:
        StriqError: If the phantom cannot draw one of them.
    """
    from striq.data.phantom import PHANTOM_PLANES, drawable_planes

    unknown = sorted(set(planes or ()) - set(drawable_planes(planes or ())))
    if unknown:
        msg = f"The phantom has no plane {unknown[0]!r}; choose among: {', '.join(PHANTOM_PLANES)}."
        raise StriqError(msg)
    return planes or PHANTOM_PLANES


def phantom_table(out: Path, planes: Sequence[str] | None, seed: int, subjects: int | None = None) -> Path:
    """Return the table of a phantom in ``out``, which is drawn now if it is not there."""
    from striq.data.phantom import write_phantom
    from striq.data.phantom.storage import TABLE_NAME

    chosen = check_drawable(planes)
    size = "" if subjects is None else f"_{subjects}"
    folder = out / "-".join([f"phantom_seed{seed}{size}", *(planes or ())])
    table = folder / TABLE_NAME
    if table.is_file():  # the table is written last, so the folder is complete
        return table
    return write_phantom(folder, subjects or PHANTOM_SUBJECTS, PHANTOM_FRAMES, planes=chosen, seed=seed)


def join_notes(*notes: str) -> str:
    """Return the notes that are not empty as one text."""
    return " ".join(note for note in notes if note)


@contextmanager
def _stand_in_notes() -> Generator[list[str], None, None]:
    """Collect a sentence for each warning of the CAMUS reader that it uses grades of another view."""
    notes: list[str] = []
    logger, handler = logging.getLogger("striq.data.datasets.camus"), logging.Handler(logging.WARNING)

    def note(record: logging.LogRecord) -> None:
        match record.args:
            case (table, view, str(column)) if column[-3:] in VIEWS:
                sentence = f"The grades of {view} come from the {VIEWS[column[-3:]]} file"
                notes.append(f"{sentence} ({Path(str(table)).name}, column {column}): a stand-in.")
            case _:
                notes.append(record.getMessage())

    handler.emit = note
    logger.addHandler(handler)
    try:
        yield notes
    finally:
        logger.removeHandler(handler)
