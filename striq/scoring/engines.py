"""The table of engines, the fastest first."""

from __future__ import annotations

from striq.scoring.cpu.engine import CpuEngine
from striq.scoring.cuda.engine import CudaEngine
from striq.scoring.engine import Engine
from striq.scoring.reference import ReferenceEngine

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (CpuEngine, CudaEngine, ReferenceEngine)}
