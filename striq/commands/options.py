"""Command-line options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from striq.anchors.selection import STRATEGIES
from striq.data.layouts import LAYOUTS
from striq.types import Mode

if TYPE_CHECKING:
    pass

PROTOCOLS = ("joint", "sequential")
PRECISIONS = ("float32", "mixed", "bfloat16", "float16", "auto")


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
