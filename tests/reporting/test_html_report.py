"""Tests of ``striq.reporting.html_report``: what the page says, and that it is safe and whole by itself."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil
import subprocess
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striq.errors import ReadError
from striq.quality.terms import TERMS
from striq.reporting.explained_frame import NO_PICTURE, STRUCTURE, ExplainedFrame
from striq.reporting.html_report import CineReport, report_cine, write_html
from striq.reporting.rows import source_name
from striq.scoring.results import FrameResult
from striq.types import Frame, FrameScore
from tests.reporting.browser import overflow_in_browser
from tests.reporting.images import MODEL, results_of, score_of
from tests.score_factory import make_score

NOON = datetime(2024, 1, 2, 12, 0, tzinfo=timezone.utc)
LONG = "a_name_without_any_space_" * 6
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}\u202egpj.dcm"


class Page(HTMLParser):
    """What a browser would see of a page: elements with their attributes, and text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(index: int) -> Frame:
    return Frame(np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60), index=index, spacing_mm=(0.2, 0.1))


def cine_of(qualities: list[float | None], source: str = "folder/cine.dcm", plane: str = "A4C") -> CineReport:
    return report_cine(source, results_of(qualities, source, plane), read)


def unreadable(source: str) -> CineReport:
    return CineReport(source, (FrameResult(source, None, error=f"{source}: This is not a readable DICOM file."),))


def page_of(folder: Path, *cines: CineReport, num_left: int = 0) -> Page:
    return Page(write_html(folder / "report.html", cines, MODEL, num_left=num_left, written=NOON))


def test_page_asks_nothing_of_a_network(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.25, 0.75]), unreadable("b.dcm"))
    for tag, attributes in page.elements:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            assert str(attributes.get(name, "#")).startswith(("#", "data:image/jpeg;base64,")), (tag, attributes)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(|<link", text)


def test_policy_allows_the_one_script_and_nothing_else(tmp_path: Path) -> None:
    text = write_html(tmp_path / "r.html", [cine_of([0.25])], MODEL).read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [a["content"] for a in Page(tmp_path / "r.html").all("meta") if "http-equiv" in a]
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


@pytest.mark.parametrize("place", ["file", "unreadable file", "plane", "error"])
def test_hostile_names_stay_text(tmp_path: Path, place: str) -> None:
    cine = {
        "file": lambda: cine_of([0.25, 0.75], HOSTILE),
        "unreadable file": lambda: unreadable(HOSTILE),
        "plane": lambda: cine_of([0.25, 0.75], plane=HOSTILE),
        "error": lambda: report_cine("c", [FrameResult("c", 0, error=HOSTILE), *results_of([0.5])], read),
    }[place]()
    page = page_of(tmp_path, cine)
    assert HOSTILE.replace("\u202e", "\ufffd") in page.text
    assert len(page.all("script")) == 1
    assert not [a for _tag, a in page.elements if any(name.startswith("on") for name in a)]
    assert all(str(a["src"]).startswith("data:image/jpeg") for a in page.all("img"))


def test_names_that_are_not_utf8_do_not_cost_the_page(tmp_path: Path) -> None:
    path = "/Doe^John/old\udce4name.dcm"  # how Python decodes a byte that is not UTF-8
    cine = CineReport(source_name(Path(path)), (FrameResult(source_name(Path(path)), None, error=f"{path}: broken"),))
    text = page_of(tmp_path, cine).text
    assert "old\\udce4name.dcm: broken" in text
    assert "Doe" not in text


def test_folders_are_not_named(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.25, None], "/archive/Doe^John/c.dcm"), unreadable("/archive/Doe^John/b.dcm"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Doe" not in text
    assert "b.dcm: This is not a readable DICOM file." in page.text
    assert "c.dcm, frame 1: The frame is empty." in page.text


def test_page_identifies_the_model_and_says_research_only(tmp_path: Path) -> None:
    text = page_of(tmp_path, cine_of([0.25])).text
    assert MODEL.sha256 in text
    assert "a model 1.2.3, threshold 0.5" in text
    assert "For research only, not for diagnosis." in text


def test_every_frame_has_its_row_and_a_frame_without_a_score_has_no_figure(tmp_path: Path) -> None:
    cine_of_three = cine_of([0.25, None, 0.75])
    text = write_html(tmp_path / "r.html", [cine_of_three], MODEL, written=NOON).read_text(encoding="utf-8")
    table = text.split('<div class="frames"')[1].split("</table>")[0]
    rows = [re.sub(r"<[^>]+>", "|", row) for row in table.split("<tr>")[2:]]
    assert [row.split("|")[1:5] for row in rows] == [
        ["0", "0.000", "0.250", "not accepted"],
        ["1", "–", "–", "not scored"],
        ["2", "0.080", "0.750", "accepted"],
    ]
    assert not re.search(r"\d\.\d", rows[1].replace("cine.dcm", ""))


def test_best_and_worst_frame_are_shown_with_their_text(tmp_path: Path) -> None:
    asked: list[int] = []

    def note(index: int) -> Frame:
        asked.append(index)
        return read(index)

    page = page_of(tmp_path, report_cine("c", results_of([0.5, 0.75, None, 0.25]), note))
    assert asked == [1, 3]
    assert [a["alt"] for a in page.all("img")] == [
        "Best frame: number 1, quality 0.75",
        "Worst frame: number 3, quality 0.25",
    ]


def test_still_has_one_picture_and_no_curve(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.5]))
    assert (len(page.all("img")), len(page.all("svg"))) == (1, 0)


def test_picture_has_square_pixels(tmp_path: Path) -> None:
    picture = cine_of([0.5]).pictures[0]
    with Image.open(io.BytesIO(picture.jpeg)) as image:
        assert image.size == (60, 80)  # 40 rows of 0.2 mm, 60 columns of 0.1 mm


def test_bars_are_as_long_as_the_normalized_terms(tmp_path: Path) -> None:
    changes = {"normalized_terms": {"ncc": 0.25, "contrast": 0.5}, "weights": {"ncc": 0.75, "contrast": 0.0}}
    score = make_score(0.1875, terms={"ncc": -0.5, "contrast": 1.0}, **changes)
    cine = report_cine("c", [FrameResult("c", 0, score)], read)
    text = write_html(tmp_path / "r.html", [cine], MODEL).read_text(encoding="utf-8")
    bars = text.split('<dl class="terms">')[1].split("</dl>")[0]
    assert re.findall(r"<dt [^>]*>(\w+)</dt>", bars) == ["NCC", "Contrast"]
    assert re.findall(r"width:(\d+)%", bars) == ["25", "50"]
    assert "0.25 × 75 %" in bars
    assert bars.count("uncounted") == 3  # name, bar and figures of the term without weight


def test_tables_and_notes_name_every_term_by_its_label(tmp_path: Path) -> None:
    text = write_html(tmp_path / "r.html", [cine_of([0.5, 0.75])], MODEL).read_text(encoding="utf-8")
    heads = text.split('<div class="frames"')[1].split("</thead>")[0]
    assert re.findall(r"<th title=[^>]*>([^<]+)", heads) == [term.label for term in TERMS.values()]
    assert all(f"<li>{term.label}: {term.description}</li>" in text for term in TERMS.values())


def test_curve_is_broken_at_a_frame_without_a_score(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.5, 0.75, None, 0.25]))
    assert [str(a["points"]).count(",") for a in page.all("polyline")] == [2, 1]


def test_curve_runs_from_left_to_right_and_up_with_quality(tmp_path: Path) -> None:
    (line,) = page_of(tmp_path, cine_of([0.0, 0.5, 1.0])).all("polyline")
    points = [tuple(map(float, point.split(","))) for point in str(line["points"]).split()]
    assert [x for x, _y in points] == sorted(x for x, _y in points)
    assert points[0][1] - points[1][1] == pytest.approx(points[1][1] - points[2][1], abs=0.11)
    assert points[0][1] > points[2][1]


def test_strip_covers_every_frame_once_in_its_state(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.25, 0.25, None, 0.75, 0.75]))
    pieces = page.all("rect")
    assert [piece["class"] for piece in pieces] == ["rejected", "unscored", "accepted"]
    ends = [float(str(piece["x"])) + float(str(piece["width"])) for piece in pieces]
    assert ends[:-1] == pytest.approx([float(str(piece["x"])) for piece in pieces[1:]], abs=0.11)


def test_worst_cine_comes_first_and_links_to_its_section(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([0.75, 0.75], "good.dcm"), cine_of([0.25, 0.25], "bad.dcm"), cine_of([None], "x"))
    assert [a["href"] for a in page.all("a")] == ["#file3", "#file2", "#file1"]
    assert {a["id"] for a in page.all("h2") if str(a["id"])[-1].isdigit()} == {"file1", "file2", "file3"}


def test_cine_without_any_score_says_why(tmp_path: Path) -> None:
    page = page_of(tmp_path, cine_of([None, None]))
    assert page.text.count("The frame is empty.") == 2
    assert not page.all("img")


def test_interruption_is_said(tmp_path: Path) -> None:
    assert "2 files are missing here" in page_of(tmp_path, cine_of([0.5]), num_left=2).text
    assert "missing here" not in page_of(tmp_path, cine_of([0.5])).text


def test_no_files_make_a_page_too(tmp_path: Path) -> None:
    assert "How to read this" in page_of(tmp_path).text


def test_same_results_give_the_same_page(tmp_path: Path) -> None:
    first, second = (
        write_html(tmp_path / name, [cine_of([0.25, 0.75])], MODEL, written=NOON) for name in ("a.html", "b.html")
    )
    assert first.read_bytes() == second.read_bytes()


def test_page_of_before_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_html(tmp_path / "r.html", [cine_of([0.5])], MODEL)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        msg = "No space left on device"
        raise OSError(msg)

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_html(path, [cine_of([0.75])], MODEL)
    assert (path.read_bytes(), [entry.name for entry in tmp_path.iterdir()]) == (before, ["r.html"])


def test_frame_that_is_gone_is_the_callers_to_report() -> None:
    def gone(_index: int) -> Frame:
        raise ReadError("gone", where="c", expected="e", got="g", remedy="r")

    with pytest.raises(ReadError, match="gone"):
        report_cine("c", [FrameResult("c", 0, score_of(0.5))], gone)


def explain(frame: Frame, score: FrameScore) -> ExplainedFrame:
    gray = np.round(frame.pixels * 255).astype(np.uint8)
    reference = None if score.quality > 0.5 else gray[::-1].copy()
    shown = "" if reference is None else STRUCTURE
    return ExplainedFrame(score, gray, reference, shown, np.stack([gray] * 3, -1), "move 6 mm left & down", aspect=2.0)


def test_best_and_worst_frame_are_explained_on_their_own_pictures(tmp_path: Path) -> None:
    page = page_of(tmp_path, report_cine("c", results_of([0.25, 0.75]), read, explain))
    assert [a["alt"] for a in page.all("img")] == [
        "Best frame: number 1, quality 0.75",
        "Missing structure, in orange",
        "Worst frame: number 0, quality 0.25",
        "Nearest reference warped: A4C 0",
        "Missing structure, in orange",
    ]
    assert page.text.count("the nearest reference must: move 6 mm left & down.") == 2
    assert page.text.count(NO_PICTURE) == 2  # in its place for the best, beside the structure map for the worst
    assert "Orange marks structure" in page.text
    assert "Orange marks structure" not in page_of(tmp_path, cine_of([0.25, 0.75])).text
    for picture in page.all("img"):
        data = base64.b64decode(str(picture["src"]).partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (60, 80)  # square pixels


def test_gallery_leads_from_the_worst_to_the_best_frame(tmp_path: Path) -> None:
    qualities = [0.5, 0.125, None, 0.875, *[0.25 + 0.03 * i for i in range(8)], 0.75]
    page = page_of(tmp_path, cine_of(qualities))
    alts = [str(a["alt"]) for a in page.all("img") if str(a["alt"]).startswith("Frame ")]
    found = [float(alt.rpartition(" ")[2]) for alt in alts]
    assert len(found) == 8
    assert found == sorted(found)
    assert (alts[0], alts[-1]) == ("Frame 1, quality 0.12", "Frame 3, quality 0.88")
    assert "Frames from the worst to the best" not in page_of(tmp_path, cine_of([0.5, 0.25, 0.75, 0.5])).text


def test_single_pictures_have_one_column_of_quality(tmp_path: Path) -> None:
    heads = [re.sub(r"<[^>]+>", "|", page_head(tmp_path, cines)) for cines in (([0.5], [0.25]), ([0.5], [0.25, 0.75]))]
    assert [name for name in heads[0].split("|") if name.strip()] == ["#", "File", "Plane", "Q", "Verdict"]
    assert "Lowest" in heads[1]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    (still,) = [row for row in text.split("<tr>") if 'href="#file1"' in row]
    assert re.findall(r"<td>([^<]*)", still) == ["1", "1", "0.50", "–", "–", "0"]


def page_head(folder: Path, cines: tuple[list[float], ...]) -> str:
    """Return the head of the table of files."""
    page_of(folder, *(cine_of([*qualities], f"{number}.png") for number, qualities in enumerate(cines)))
    return (folder / "report.html").read_text(encoding="utf-8").split("<thead>")[1].split("</thead>")[0]


def test_colors_follow_the_readers_setting_and_none_is_fixed_elsewhere(tmp_path: Path) -> None:
    text = write_html(tmp_path / "r.html", [cine_of([0.5])], MODEL).read_text(encoding="utf-8")
    style = text.split("<style>")[1].split("</style>")[0]
    light, dark = (set(re.findall(r"(--[\w-]+):", part.partition("}")[0])) for part in style.split(":root {")[1:])
    assert light == dark
    assert "@media (prefers-color-scheme: dark)" in style
    rest = style.split(":root {")[2].partition("}")[2]
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", rest)) <= {"#000"}  # behind pictures


@pytest.mark.slow
def test_page_is_no_wider_than_a_phone(tmp_path: Path) -> None:
    cines = [report_cine(f"{name}.dcm", results_of([0.1 * i for i in range(9)]), read, explain) for name in ("a", LONG)]
    write_html(tmp_path / "r.html", [*cines, cine_of([None, 0.5], "b"), unreadable("c.dcm")], MODEL)
    assert overflow_in_browser(tmp_path / "r.html", 360) == 0


@pytest.mark.slow
def test_browser_runs_the_script_of_the_page_and_nothing_that_names_bring(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    hostile = "<img src=x onerror='document.title=1'><script>document.title=2<\\script>.dcm"
    page = write_html(tmp_path / "r.html", [cine_of([0.25, 0.75], hostile), unreadable(hostile)], MODEL)
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom")
    found = subprocess.run([browser, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=300)
    assert "<title>Ultrasound plane quality</title>" in found.stdout
    assert found.stdout.count('<button type="button">') == 21  # nine columns of files, twelve of frames
