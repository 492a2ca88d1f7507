"""Ablations: what becomes of the score when one setting is changed, over several seeds.

A row is an override of the default settings. Rows that differ only in how a trained model is used share its training.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from scipy import stats
from torch import Tensor

from striq.atomic_files import replacing, write_json
from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_images
from striq.data.splits import hold_out
from striq.errors import StriqError
from striq.evaluation.studies.activations import Activations, frame_activations
from striq.model.encoder import load_backbone, shipped_backbone
from striq.model.network import Pyramid
from striq.scoring.devices import pick_device
from striq.scoring.scorer import StriqScorer
from striq.training.calibration import Calibration
from striq.training.trainer import determinism, make_trainer
from striq.types import FrameRecord

logger = logging.getLogger(__name__)
REFERENCE = "components/full"
Overrides = Mapping[str, Mapping[str, Any]]


def ablation_rows() -> dict[str, Overrides]:
    """Return every row's override of the defaults by name, ``table/row``, from the package's override files."""
    rows: dict[str, Overrides] = {}
    folder = resources.files("striq.evaluation.studies") / "ablations"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name):
        table = json.loads(file.read_text(encoding="utf-8"))
        rows.update({f"{file.name.removesuffix('.json')}/{row}": overrides for row, overrides in table.items()})
    return {REFERENCE: rows.pop(REFERENCE), **rows}


def choose_rows(wanted: Sequence[str]) -> list[str]:
    """Return the names of the rows asked for, tables or single rows, all by default, the reference first.

    Raises:
        StriqError: If a name is neither a table nor a row.
    """
    rows = list(ablation_rows())
    unknown = [name for name in wanted if not any(_is_of(row, name) for row in rows)]
    if unknown:
        tables = sorted({row.split("/")[0] for row in rows})
        msg = f"No ablation {unknown[0]!r}. Name a table ({', '.join(tables)}) or a row, such as {rows[1]!r}."
        raise StriqError(msg)
    return [row for row in rows if row == REFERENCE or not wanted or any(_is_of(row, name) for name in wanted)]


def apply_overrides(
    overrides: Overrides, config: StriqConfig, training: TrainingConfig
) -> tuple[StriqConfig, TrainingConfig]:
    """Return the settings with a row's changes.

    Raises:
        StriqError: If an override names a part or a setting that does not exist.
    """
    known = {part.name: {f.name for f in fields(getattr(config, part.name))} for part in fields(config)}
    known["training"] = {f.name for f in fields(training)}
    for part, changes in overrides.items():
        unknown = set(changes) - known.get(part, set())
        if unknown or part not in known:
            msg = f"No setting {sorted(unknown or {part})[0]!r} in {part!r}."
            raise StriqError(msg)
    values = config.to_dict()
    for part, changes in overrides.items():
        if part != "training":
            values[part] = {**values[part], **changes}
    changed = {k: tuple(v) if isinstance(v, list) else v for k, v in overrides.get("training", {}).items()}
    return StriqConfig.from_dict(values), replace(training, **changed)


@dataclass(frozen=True)
class AblationData:
    """Frames of one seed, loaded and embedded once for all rows.

    Attributes:
        train: Training frames.
        test: Rated frames of other groups.
        train_images: Prepared training frames, shape ``(N, 1, H, W)``.
        test_images: Prepared test frames, shape ``(M, 1, H, W)``.
        seed: Of training, views and anchors.
    """

    train: Sequence[FrameRecord]
    test: Sequence[FrameRecord]
    train_images: Tensor
    test_images: Tensor
    seed: int

    @property
    def fingerprint(self) -> str:
        """A short name of which frames train and which are scored, and of their ratings."""
        return digest([fingerprint(self.train), fingerprint(self.test), list(self.train_images.shape)])

    @classmethod
    def load(
        cls,
        records: Sequence[FrameRecord],
        *,
        seed: int,
        size: tuple[int, int] = (256, 256),
        test_fraction: float = 0.25,
        quiet: bool = False,
    ) -> AblationData:
        """Split by group and prepare all frames; unrated ones may train but are not scored.

        Args:
            records: Frames.
            seed: Of the split and of all that follows.
            size: Rows and columns of a prepared frame.
            test_fraction: Share of the groups that is scored.
            quiet: Do not show progress.
        """
        train, test = hold_out(records, test_fraction, seed=seed)
        rated = [record for record in test if record.rating is not None]
        return cls(train, rated, load_images(train, size, quiet=quiet), load_images(rated, size, quiet=quiet), seed)


class AblationRunner:
    """Trains, or takes from an earlier row what trained the same way, and scores the test frames.

    Args:
        data: Frames of one seed.
        output: Folder for results; what lies there is not computed again.
        config: Settings that rows override.
        training: Settings that rows override.
        device: ``"auto"``, or a device of PyTorch.
        quiet: Do not show progress.
    """

    def __init__(
        self,
        data: AblationData,
        output: Path,
        *,
        config: StriqConfig | None = None,
        training: TrainingConfig | None = None,
        device: str = "auto",
        quiet: bool = False,
    ) -> None:
        self.data, self.output, self.config = data, output, config or StriqConfig()
        self.training = replace(training or TrainingConfig(), seed=data.seed)
        self.device, self.quiet = pick_device(device), quiet
        self._first: Calibration | None = None  # whose encoder and features later rows take over
        self._test_features: list[Pyramid] = []

    def run(self, name: str, overrides: Overrides) -> dict[str, float]:
        """Return the SRCC of each plane for one row, from its result file where there is one.

        Args:
            name: Name of the row, ``table/row``.
            overrides: Its changes.

        Raises:
            StriqError: If the result file is one of other settings or other frames.
        """
        file = result_file(self.output, name, self.data.seed)
        config, training = apply_overrides(overrides, self.config, self.training)
        made_of = digest([config.to_dict(), vars(training), self.data.fingerprint])
        if file.is_file():
            return _read_result(file, overrides, made_of)
        logger.info("Seed %d: %s", self.data.seed, name)
        with determinism(self.data.seed):
            scorer = self._fit(config, training)
        srcc = self._score(scorer)
        if config.subspace.enabled:
            values = frame_activations(scorer, self._features_of_test(scorer))
            planes = tuple(record.plane for record in self.data.test)
            Activations(values, planes, config.subspace.rank).save(activations_file(self.output, name, self.data.seed))
        result = {"row": name, "seed": self.data.seed, "overrides": overrides, "made_of": made_of, "srcc": srcc}
        write_json(file, result)
        return srcc

    def _fit(self, config: StriqConfig, training: TrainingConfig) -> StriqScorer:
        scorer = StriqScorer(sorted({record.plane for record in self.data.train}), config)
        backbone = shipped_backbone()
        if backbone is not None:
            load_backbone(scorer.model.encoder, backbone)
        _, validation = hold_out(self.data.train, training.validation_fraction, seed=training.seed)
        chosen = set(validation)
        like = self._first
        if like is not None and (like.scorer.config.encoder, like.num_views) != (config.encoder, training.views):
            like = None
        calibration = Calibration(
            scorer.to(self.device),
            self.data.train_images,
            self.data.train,
            seed=training.seed,
            num_views=training.views,
            held_out=torch.tensor([record in chosen for record in self.data.train]),
            pretrained=backbone is not None,
            like=like,
            quiet=self.quiet,
        )
        key = digest([training_key(config, training), self.data.fingerprint])
        trained = self.output / "trained" / f"{key}_seed{self.data.seed}.pt"
        if trained.is_file():
            calibration.prepare()
            scorer.model.load_state_dict(torch.load(trained, map_location=self.device, weights_only=True), strict=False)
            calibration.finish()
        else:
            folder = self.output / "runs" / trained.stem
            make_trainer(calibration, folder, training=training, anchor_images=False, quiet=self.quiet).run()
            learned = {n: p.detach().cpu() for n, p in scorer.model.named_parameters() if p.requires_grad}
            with replacing(trained) as stream:
                torch.save(learned, stream)
        if like is None:
            self._first, self._test_features = calibration, []
        return scorer.eval()

    @torch.inference_mode()
    def _features_of_test(self, scorer: StriqScorer) -> list[Pyramid]:
        if not self._test_features:
            self._test_features = [scorer.embed(image.to(self.device)) for image in self.data.test_images.split(1)]
        return self._test_features

    @torch.inference_mode()
    def _score(self, scorer: StriqScorer) -> dict[str, float]:
        features, qualities = self._features_of_test(scorer), []
        for index in track(range(len(self.data.test)), description="Scoring", disable=self.quiet, transient=True):
            image = self.data.test_images[index : index + 1].to(self.device)
            plane = scorer.plane_index(self.data.test[index].plane)
            qualities.append(float(scorer.score_as_plane(features[index], scorer.frame_terms(image), plane).quality))
        planes = np.array([record.plane for record in self.data.test])
        ratings = np.array([float(record.rating or 0.0) for record in self.data.test])
        return {
            plane: float(np.asarray(stats.spearmanr(np.array(qualities)[planes == plane], ratings[planes == plane]))[0])
            for plane in scorer.planes
        }


def result_file(output: Path, name: str, seed: int) -> Path:
    """Return where the result of one row and seed lies."""
    table, row = name.split("/", 1)
    return output / table / f"{_slug(row)}_seed{seed}.json"


def activations_file(output: Path, name: str, seed: int) -> Path:
    """Return where the activations of the test frames lie for one row and seed, if its subspace is not left out."""
    return result_file(output, name, seed).with_suffix(".npz")


def training_key(config: StriqConfig, training: TrainingConfig) -> str:
    """Return a name for everything that training depends on; how anchors and score are made is not part of it."""
    parts = config.to_dict()
    quality = {k: parts["quality"][k] for k in ("ncc_stages", "ncc_window", "translation_weight")}
    shared = [parts["encoder"], parts["subspace"], parts["aligner"], quality, vars(training)]
    return digest(shared)


def fingerprint(records: Sequence[FrameRecord]) -> str:
    """Return a short name of frames: their files, planes, groups and ratings."""
    return digest([("/".join(r.path.parts[-3:]), r.plane, r.group, r.frame_index, r.rating) for r in records])


def digest(values: Any) -> str:
    """Return a short name that differs where plain values differ."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _read_result(file: Path, overrides: Overrides, made_of: str) -> dict[str, float]:
    kept = json.loads(file.read_text(encoding="utf-8"))
    if kept.get("overrides", overrides) != overrides or kept.get("made_of", made_of) != made_of:
        msg = f"{file} is of other frames, epochs or settings than asked for now. Give another --out, or remove it."
        raise StriqError(msg)
    return kept["srcc"]


def _is_of(row: str, name: str) -> bool:
    return row == name or row.split("/")[0] == name


def _slug(row: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in row)
