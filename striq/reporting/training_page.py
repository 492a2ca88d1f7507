"""The page on a finished training: one HTML file that opens offline and loads nothing."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from torch import Tensor

import striq
from striq.anchors.thumbnails import as_picture
from striq.atomic_files import write_text
from striq.data.degradation import SEVERITIES
from striq.reporting.html_report import PAGE, printable
from striq.reporting.training_advice import losses_not_noticed, next_steps, quartiles
from striq.reporting.training_plots import draw_band, draw_histogram
from striq.training.curves import TRAINING, VALIDATION
from striq.training.outcome import PlaneOutcome, TrainingOutcome, tenths
from striq.types import FrameRecord

FILE = "train_report.html"
EXAMPLES, JPEG_QUALITY = 2, 82  # examples of each tenth of Q
MOST_PAIRS, MOST_LEFT_OUT = 6, 50


@dataclass(frozen=True)
class Picture:
    """A training frame on the page.

    Attributes:
        text: What stands below it.
        uri: The picture as a data URI; empty where the page shall hold none.
    """

    text: str
    uri: str


def write_training_page(outcome: TrainingOutcome) -> Path:
    """Write ``train_report.html`` beside the model, atomically, and return its path.

    Convention:
        - Every figure is of frames scored against anchors that were chosen without their group.
        - Frames are named by their files without folders, because folders may be named after patients.
        - Pictures of frames are on the page unless ``report_pictures`` or ``anchor_images`` of the options is off.

    Args:
        outcome: Finished training.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    styles = (PAGE / name for name in ("style.css", "training.css"))
    with_pictures = outcome.options.report_pictures and outcome.options.anchor_images
    page = environment.get_template("training.html.j2").render(
        outcome=outcome,
        planes=[_PlaneView(plane, outcome, with_pictures=with_pictures) for plane in outcome.planes],
        steps=next_steps(outcome),
        epochs=_epochs(outcome),
        left_out=[_reason(*left) for left in outcome.left_out[:MOST_LEFT_OUT]],
        with_pictures=with_pictures,
        version=striq.__version__,
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z").strip(),
        style=Markup("".join(style.read_text(encoding="utf-8") for style in styles)),
        printable=printable,
    )
    return write_text(outcome.folder / FILE, page)


class _PlaneView:
    """What the page shows of one plane."""

    def __init__(self, plane: PlaneOutcome, outcome: TrainingOutcome, *, with_pictures: bool) -> None:
        self.plane, self.outcome, self._with_pictures = plane, outcome, with_pictures
        self.name, self.check, self.support = plane.check.plane, plane.check, plane.support
        self.rows_of_tenths = tenths(plane.quality)
        self.median = float(plane.quality.median())
        self.saturated, self.rejected = plane.saturated, plane.rejected(outcome.threshold)
        self.not_noticed = losses_not_noticed(plane)

    @property
    def histogram(self) -> Markup:
        """Number of frames in each tenth of Q."""
        label = f"Frames of {self.name} in each tenth of Q"
        return Markup(
            draw_histogram([len(rows) for rows in self.rows_of_tenths], self.outcome.threshold, _quoted(label))
        )

    @property
    def losses(self) -> list[tuple[str, Markup]]:
        """Curve of each loss of structure by its name."""
        return [
            (kind, Markup(draw_band(SEVERITIES, quartiles(quality), f"Median and quartiles of Q under {kind}")))
            for kind, quality in self.plane.lost_structure.items()
        ]

    @property
    def examples(self) -> list[tuple[str, int, list[Picture]]]:
        """Range, number of frames and some frames of each tenth of Q that has any, from the lowest."""
        found = []
        for place, rows in enumerate(self.rows_of_tenths):
            pictures = [
                self._picture(
                    self.plane.images[row], f"Q {self.plane.quality[row]:.2f}, {_name(self.plane.records[row])}"
                )
                for row in rows[:EXAMPLES]
            ]
            found.append((f"{place / 10:.1f} to {(place + 1) / 10:.1f}", len(rows), pictures))
        return [tenth for tenth in found if tenth[1]]

    @property
    def anchors(self) -> list[Picture]:
        """The anchors with their numbers."""
        return [self._picture(image, f"{number}") for number, image in enumerate(self.plane.anchors)]

    @property
    def negatives(self) -> list[Picture]:
        """The negative anchors with their numbers and files."""
        records, images = self.plane.negatives, self.plane.negative_images
        return [
            self._picture(image, f"{number}, {_name(records[number % len(records)])}")
            for number, image in enumerate(images)
        ]

    @property
    def pairs(self) -> list[str]:
        """Names of the first pairs that look alike."""
        records = self.outcome.records
        return [f"{_name(records[a])} and {_name(records[b])}" for a, b in self.check.look_alikes[:MOST_PAIRS]]

    def _picture(self, image: Tensor, text: str) -> Picture:
        return Picture(printable(text), _uri(image) if self._with_pictures else "")


def _uri(image: Tensor) -> str:
    stream = io.BytesIO()
    as_picture(image[0]).save(stream, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _name(record: FrameRecord) -> str:
    return record.path.name if record.frame_index == 0 else f"{record.path.name}, frame {record.frame_index}"


def _quoted(text: str) -> str:
    return str(escape(printable(text)))


def _reason(record: FrameRecord, reason: str) -> str:
    """Return why a frame was left out, with its file named without folders."""
    return printable(reason.replace(str(record.path), record.path.name))


def _epochs(outcome: TrainingOutcome) -> list[tuple[int, float, float | None]]:
    """Return the endpoint error of each epoch, in training and on held-out groups."""
    name = "endpoint_error_px"
    held_out = dict(outcome.curves.get(VALIDATION, {}).get(name, []))
    training = outcome.curves.get(TRAINING, {}).get(name, [])
    return [(step, value, held_out.get(step)) for step, value in training]
