"""Tests of ``StriqScorer.score`` on all kinds of input, and of what it returns."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import striq
from striq.data.cine import Cine
from striq.data.inputs import as_cine
from striq.data.phantom import make_phantom_cine
from striq.data.readers import open_cine
from striq.errors import ReadError, StriqError
from striq.reporting.rows import write_scores
from striq.scoring.columns import score_columns
from striq.scoring.results import FrameResult
from striq.scoring.scorer import StriqScorer
from striq.scoring.scores import Scores
from striq.types import Frame
from tests.score_factory import make_score

FRAMES = 5
PIXELS = np.stack([np.round(f.pixels * 255).astype(np.uint8) for f in make_phantom_cine("a4c", FRAMES, size=(96, 112))])
HOSTILE = "<script>alert(1)</script>.png"


def qualities(scores: Any) -> list[float]:
    return [score.quality for score in scores]


@pytest.fixture(scope="module")
def expected(tiny_scorer: StriqScorer) -> list[float]:
    return qualities(tiny_scorer.iterate(Cine("c", FRAMES, lambda index: PIXELS[index] / np.float32(255))))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """One picture per frame, named in order."""
    paths = [tmp_path / f"{number}.png" for number in range(FRAMES)]
    for path, pixels in zip(paths, PIXELS, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda files: files, id="paths"),
        pytest.param(lambda files: [str(path) for path in files], id="names"),
        pytest.param(lambda files: files[0].parent, id="folder"),
        pytest.param(lambda files: (open_cine(path) for path in files), id="cines"),
        pytest.param(lambda files: [open_cine(path)[0] for path in files], id="frames"),
        pytest.param(lambda files: (open_cine(path)[0] for path in files), id="generator of frames"),
        pytest.param(lambda files: as_cine(PIXELS), id="one cine"),
        pytest.param(lambda files: PIXELS, id="array THW"),
        pytest.param(lambda files: PIXELS / np.float32(255), id="floats"),
        pytest.param(lambda files: np.stack([PIXELS] * 3, -1), id="array THWC"),
        pytest.param(lambda files: list(PIXELS), id="arrays HW"),
        pytest.param(lambda files: torch.from_numpy(PIXELS)[:, None], id="tensor"),
        pytest.param(lambda files: [Image.fromarray(pixels) for pixels in PIXELS], id="pictures"),
        pytest.param(lambda files: [Image.open(path) for path in files], id="pictures of files"),
    ],
)
def test_every_input_has_the_scores_of_its_frames(
    make: Any, files: list[Path], expected: list[float], tiny_scorer: StriqScorer
) -> None:
    scores = tiny_scorer.score(make(files))
    assert qualities(scores) == pytest.approx(expected, abs=1e-5)
    assert scores.errors == ()


@pytest.mark.parametrize(
    "one", [PIXELS[0], Image.fromarray(PIXELS[0]), Frame(PIXELS[0] / np.float32(255)), torch.from_numpy(PIXELS[0])]
)
def test_single_image_has_one_score(one: Any, expected: list[float], tiny_scorer: StriqScorer) -> None:
    assert qualities(tiny_scorer.score(one)) == pytest.approx(expected[:1], abs=1e-5)


def test_names_of_the_inputs_are_kept(files: list[Path], tiny_scorer: StriqScorer) -> None:
    scores = tiny_scorer.score([files[1], PIXELS[:2]])
    assert [(score.source, score.index) for score in scores] == [(str(files[1]), 0), ("image 1", 0), ("image 1", 1)]


def test_bad_input_does_not_cost_the_others(
    files: list[Path], expected: list[float], tiny_scorer: StriqScorer, caplog: pytest.LogCaptureFixture
) -> None:
    black = PIXELS[:2].copy()
    black[0] = 0
    with caplog.at_level(logging.WARNING, "striq"):
        scores = tiny_scorer.score([files[0], files[0].with_name("gone.png"), black])
    assert qualities(scores) == pytest.approx([expected[0], expected[1]], abs=1e-5)
    assert [(error.index, "no such file" in error.error) for error in scores.errors] == [(None, True), (0, False)]
    assert "2 frames or files could not be scored" in caplog.text


def test_nothing_but_bad_input_is_an_error(tmp_path: Path, tiny_scorer: StriqScorer) -> None:
    with pytest.raises(ReadError, match="no such file"):
        tiny_scorer.score(tmp_path / "gone.png")
    with pytest.raises(StriqError, match="The frame is empty"):
        tiny_scorer.score(np.zeros((96, 96), np.uint8))
    with pytest.raises(StriqError, match="fan is too small"):
        tiny_scorer.score([Frame(np.eye(70, dtype=np.float32)[:40])])


def test_frames_may_not_be_followed_by_something_else(tiny_scorer: StriqScorer) -> None:
    frame = Frame(PIXELS[0] / np.float32(255))
    with pytest.raises(TypeError, match="items of one kind"):
        tiny_scorer.score([frame, PIXELS[0]])


def test_no_input_has_no_scores_but_the_plane_is_checked(tiny_scorer: StriqScorer) -> None:
    assert len(tiny_scorer.score([])) == 0
    with pytest.raises(StriqError, match="does not know the plane"):
        tiny_scorer.score([], "face")
    with pytest.raises(StriqError, match=r"does not know the plane None.* 'auto' lets it decide"):
        tiny_scorer.score(PIXELS[0], None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Frames cannot be taken from 'int'"):
        tiny_scorer.score(3)


def made_up(qualities: list[float | None], source: str = "cine.dcm") -> list[FrameResult]:
    return [
        FrameResult(source, index, error=f"{source}, frame {index}: The frame is empty.")
        if quality is None
        else FrameResult(source, index, make_score(quality, source=source, index=index, time_s=index / 25))
        for index, quality in enumerate(qualities)
    ]


def test_result_is_a_sequence_of_scores_without_the_errors() -> None:
    scores = Scores(made_up([0.25, None, 0.75, 0.5]))
    assert (len(scores), scores[1].quality, scores[-1].quality) == (3, 0.75, 0.5)
    assert qualities(scores[1:]) == [0.75, 0.5]
    assert qualities(reversed(scores)) == [0.5, 0.75, 0.25]
    assert repr(scores) == "Scores(3 frames, 1 accepted, 1 errors)"
    with pytest.raises(IndexError):
        _ = scores[3]


def test_data_frame_is_the_table_of_the_command(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    results = [*made_up([0.25, None, 0.75]), FrameResult("b.dcm", None, error="b.dcm: There is no such file.")]
    frame = Scores(results).to_dataframe()
    assert list(frame.columns) == list(score_columns())
    table = pandas.read_csv(write_scores(tmp_path / "scores.csv", results))
    for name, kind in score_columns().items():
        if kind in (int, float):
            given, written = (values.astype(float).to_numpy(float) for values in (frame[name], table[name]))
            np.testing.assert_allclose(given, written, rtol=1e-6)
        else:
            given, written = (
                values.astype(object).where(values.notna(), None) for values in (frame[name], table[name])
            )
            assert given.tolist() == written.tolist()


def test_dictionary_has_the_columns_in_plain_values() -> None:
    columns = Scores(made_up([0.25, None])).to_dict()
    assert list(columns) == list(score_columns())
    assert columns["frame"] == [0, 1]
    assert columns["quality"] == [0.25, None]
    assert {type(value) for values in columns.values() for value in values} <= {str, int, float, bool, type(None)}


def test_data_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(StriqError, match=r"striq\[dataframe\]"):
        Scores(made_up([0.25])).to_dataframe()


def test_plot_draws_the_qualities_with_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    axes = mpl.figure.Figure().subplots()
    assert Scores(made_up([0.25, 0.5, None, 0.75])).plot(axes) is axes
    lines = [line.get_ydata().tolist() for line in axes.lines if line.get_linestyle() == "-"]
    assert lines == [[0.25, 0.5], [0.75]]
    assert axes.get_title("right") == "1 of 4 frames accepted"


def test_plot_of_several_files_puts_them_one_after_another() -> None:
    results = [*made_up([0.25, 0.5], "a.png"), FrameResult("gone.png", None, error="gone"), *made_up([0.75], "b.png")]
    axes = Scores(results).plot(mpl.figure.Figure().subplots())
    (curve, *_others, border) = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert (curve.get_xdata().tolist(), curve.get_ydata().tolist()) == ([0, 1, 2], [0.25, 0.5, 0.75])
    assert set(border.get_xdata()) == {1.5}


def test_plot_makes_its_own_figure() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    mpl.use("agg")
    axes = Scores(made_up([0.25, 0.5])).plot()
    assert axes.figure.number in pyplot.get_fignums()
    pyplot.close(axes.figure)


def test_plot_without_a_score_is_refused() -> None:
    with pytest.raises(StriqError, match="nothing to plot"):
        Scores(made_up([None])).plot()


def test_notebook_shows_the_figures_and_hostile_names_as_text() -> None:
    page = Scores(made_up([0.25, None, 0.75], f"/folder/{HOSTILE}"))._repr_html_()
    for expected in ("2 frames of 1 file scored", "<td>0.50</td>", "data:image/png;base64,", "The frame is empty."):
        assert expected in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "0 frames of 0 files" in Scores([])._repr_html_()


def test_notebook_of_many_files_is_short() -> None:
    results = [result for number in range(30) for result in made_up([0.5], f"{number}.png")]
    page = Scores(results)._repr_html_()
    assert page.count("<tr>") == 21
    assert "and 10 more" in page


def test_one_line_scores_a_file_and_keeps_the_model(
    files: list[Path], expected: list[float], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert qualities(striq.score(files[0], model=tiny_model)) == pytest.approx(expected[:1], abs=1e-5)

    def loaded_again(*_args: object) -> None:
        pytest.fail("the model was loaded twice")

    monkeypatch.setattr("striq.scoring.loading.load_scorer", loaded_again)
    scores = striq.score(PIXELS, "a4c", model=tiny_model, threshold=0.0)
    assert [(score.plane, score.threshold) for score in scores] == [("a4c", 0.0)] * FRAMES


def test_import_and_help_load_no_torch() -> None:
    code = (
        "import sys, striq\n"
        "from striq.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'monai', 'pandas', 'matplotlib', 'numpy.ma'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy - {'numpy.ma'} else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_axes_and_range_of_arrays_can_be_stated(expected: list[float], tiny_scorer: StriqScorer) -> None:
    turned: NDArray[np.float32] = (PIXELS / np.float32(127.5) - 1).transpose(1, 2, 0)
    scores = tiny_scorer.score(turned, axes="HWT", value_range=(-1, 1))
    assert qualities(scores) == pytest.approx(expected, abs=1e-4)
