"""Ablation: trains and scores with one setting changed at a time, over several seeds.

Rows that differ only in how a trained model is used share its training.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striq.atomic_files import replacing, write_json
from striq.config import StriqConfig, TrainingConfig
from striq.data.loading import load_images
from striq.data.splits import hold_out
from striq.evaluation.agreement.frame_inputs import FrameInputs
from striq.evaluation.agreement.frames import rated_records
from striq.evaluation.agreement.training_setup import TrainingSetup
from striq.evaluation.reports.study_report import plain
from striq.evaluation.statistics.metrics import srcc
from striq.evaluation.studies.ablation_rows import Overrides, apply_overrides
from striq.evaluation.studies.activations import Activations, frame_activations
from striq.evaluation.studies.fingerprints import check_fingerprint, digest, fingerprint
from striq.model.backbone_files import load_backbone, shipped_backbone
from striq.model.network import Pyramid
from striq.progress_bar import track
from striq.scoring.devices import pick_device
from striq.scoring.scorer import StriqScorer
from striq.training.cache import FeatureCache, ViewSettings
from striq.training.calibration import Calibration
from striq.training.run import determinism, run_training
from striq.training.run_options import RunOptions
from striq.training.training_frames import TrainingFrames, held_out_frames
from striq.types import FrameRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AblationData:
    """Frames of one seed, loaded once for all rows.

    Attributes:
        train: Training frames.
        test: Rated frames of other groups.
        train_images: Prepared training frames, shape ``(N, 1, H, W)``.
        test_images: Prepared test frames, shape ``(M, 1, H, W)``.
        seed: Seed of the split, the training and the anchors.
    """

    train: Sequence[FrameRecord]
    test: Sequence[FrameRecord]
    train_images: Tensor
    test_images: Tensor
    seed: int

    @property
    def fingerprint(self) -> str:
        """Digest of the frames that train, the frames that are scored, and their ratings."""
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
        """Split frames by group and prepare them; unrated ones may train but are not scored.

        Args:
            records: Frames.
            seed: Seed of the split and of everything after it.
            size: Rows and columns of a prepared frame.
            test_fraction: Share of the groups that is scored.
            quiet: Do not show progress.

        Raises:
            DatasetError: If no frame of the groups to be scored is rated.
        """
        train, test = hold_out(records, test_fraction, seed=seed)
        rated = rated_records(test)
        return cls(train, rated, load_images(train, size, quiet=quiet), load_images(rated, size, quiet=quiet), seed)


class AblationRunner:
    """Runs rows on the frames of one seed, and stores results and trained weights.

    Args:
        data: Frames of one seed.
        output: Folder for results; a result that is there already is not computed again.
        setup: Settings that the rows override.
    """

    def __init__(self, data: AblationData, output: Path, setup: TrainingSetup | None = None) -> None:
        self.data, self.output, self.setup = data, output, setup or TrainingSetup()
        self.device = pick_device(self.setup.device)
        self._first: Calibration | None = None  # later rows reuse its encoder and features
        self._test_features: list[Pyramid] = []

    def run(self, name: str, overrides: Overrides) -> dict[str, float]:
        """Return the SRCC of each plane for one row, from its result file if there is one.

        Args:
            name: Name of the row, ``table/row``.
            overrides: Settings that it changes.

        Raises:
            StriqError: If the result file was made with other settings or frames.
        """
        file = result_file(self.output, name, self.data.seed)
        base = replace(self.setup.training, seed=self.data.seed)
        config, training = apply_overrides(overrides, self.setup.config, base)
        made_of = digest([config.to_dict(), vars(training), self.data.fingerprint])
        if file.is_file():
            stored = json.loads(file.read_text(encoding="utf-8"))
            check_fingerprint(stored.get("overrides", overrides), overrides, file)
            check_fingerprint(stored.get("made_of", made_of), made_of, file)
            return {plane: math.nan if value is None else value for plane, value in stored["srcc"].items()}
        logger.info("Seed %d: %s", self.data.seed, name)
        with determinism(self.data.seed):
            scorer = self._fit(config, training)
        srcc_of_planes = self._score(scorer)
        if config.subspace.enabled:
            values = frame_activations(scorer, self._features_of_test(scorer))
            planes = tuple(record.plane for record in self.data.test)
            Activations(values, planes, config.subspace.rank).save(activations_file(self.output, name, self.data.seed))
        facts = {"row": name, "seed": self.data.seed, "overrides": overrides, "made_of": made_of}
        write_json(file, {**facts, "srcc": plain(srcc_of_planes)})
        return srcc_of_planes

    def _fit(self, config: StriqConfig, training: TrainingConfig) -> StriqScorer:
        """Return a scorer trained with these settings, from stored weights if a row with the same training ran."""
        scorer = StriqScorer(sorted({record.plane for record in self.data.train}), config)
        backbone = shipped_backbone()
        if backbone is not None:
            load_backbone(scorer.model.encoder, backbone)
        images, views = self.data.train_images, ViewSettings(training.views, training.seed)
        like = self._first
        if like is not None and (like.scorer.config.encoder, like.cache.views.count) != (config.encoder, views.count):
            like = None
        calibration = Calibration(
            scorer.to(self.device),
            TrainingFrames(images, self.data.train, held_out_frames(self.data.train, training)),
            FeatureCache(images, views, quiet=self.setup.quiet) if like is None else like.cache,
            seed=training.seed,
            pretrained=backbone is not None,
            like=like,
            recognizes=False,
        )
        key = digest([training_key(config, training), self.data.fingerprint])
        trained = self.output / "trained" / f"{key}_seed{self.data.seed}.pt"
        if trained.is_file():
            calibration.prepare()
            scorer.model.load_state_dict(torch.load(trained, map_location=self.device, weights_only=True), strict=False)
            calibration.finish()
        else:
            options = RunOptions(self.output / "runs" / trained.stem, anchor_images=False, quiet=self.setup.quiet)
            run_training(calibration, training, options)
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
        features, test = self._features_of_test(scorer), self.data.test
        qualities: list[float] = []
        for index in track(range(len(test)), description="Scoring", quiet=self.setup.quiet):
            image = self.data.test_images[index : index + 1]
            qualities.append(FrameInputs.encode(scorer, image, test[index].plane, features[index]).quality())
        scores, planes = np.array(qualities), np.array([record.plane for record in test])
        ratings = np.array([float(record.rating or 0.0) for record in test])
        return {plane: srcc(scores[planes == plane], ratings[planes == plane]) for plane in scorer.planes}


def result_file(output: Path, name: str, seed: int) -> Path:
    """Return the path of the result of one row and seed."""
    table, row = name.split("/", 1)
    slug = "".join(c if c.isalnum() or c in "._-" else "_" for c in row)
    return output / table / f"{slug}_seed{seed}.json"


def activations_file(output: Path, name: str, seed: int) -> Path:
    """Return the path of the activations of the test frames for one row and seed; rows without OKS have none."""
    return result_file(output, name, seed).with_suffix(".npz")


def training_key(config: StriqConfig, training: TrainingConfig) -> str:
    """Return the digest of all settings that training depends on; those of anchors and score are not among them."""
    parts = config.to_dict()
    quality = {k: parts["quality"][k] for k in ("ncc_stages", "ncc_window", "translation_weight")}
    shared = [parts["encoder"], parts["subspace"], parts["aligner"], quality, vars(training)]
    return digest(shared)
