"""Loading of DICOM studies by headers alone; damaged files are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
from monai.deploy.core import OperatorSpec
from monai.deploy.core.domain.dicom_series import DICOMSeries
from monai.deploy.core.domain.dicom_study import DICOMStudy
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from striq.errors import ReadError

UNREADABLE = "unreadable_files"
NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


class UltrasoundLoaderOperator(DICOMDataLoaderOperator):
    """Loads the headers of DICOM files into studies; files that are not DICOM are skipped.

    It differs from its parent, which is made for CT and MR, in three ways. It reads headers only, so that long cines do
    not fill the memory. It reports a damaged file, for which the parent ends the application or writes a log message.
    It keeps all instances at one position in space, because a probe at rest records several cines there.

    Named output:
        dicom_study_list: Studies, as from the parent.
        unreadable_files: Path and reason of every damaged file.
    """

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the outputs."""
        super().setup(spec)
        spec.output(UNREADABLE)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Load the input folder and emit studies and damaged files."""
        self.unreadable: list[tuple[str, str]] = []
        super().compute(op_input, op_output, context)
        op_output.emit(self.unreadable, UNREADABLE)

    def _load_data(self, files: list[str]) -> list[DICOMStudy]:
        studies: dict[str, DICOMStudy] = {}
        series: dict[str, DICOMSeries] = {}
        for file in sorted(files):
            header = self._header(file)
            if header is None or header.SOPClassUID in self.SOP_CLASSES_TO_IGNORE:
                continue
            study_uid, series_uid = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
            if study_uid not in studies:
                studies[study_uid] = DICOMStudy(study_uid)
                self.populate_study_attributes(studies[study_uid], header)
            if series_uid not in series:
                series[series_uid] = DICOMSeries(series_uid)
                self.populate_series_attributes(series[series_uid], header)
                studies[study_uid].add_series(series[series_uid])
            series[series_uid].add_sop_instance(header)
        return list(studies.values())

    def _header(self, file: str) -> Dataset | None:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            missing = [name for name in NEEDED if not header.get(name)]
        except InvalidDicomError:
            self._logger.warning("%s is not DICOM and is skipped.", Path(file).name)
            return None
        except Exception as error:  # pydicom raises many kinds of errors for damaged files
            return self._refuse(file, f"{type(error).__name__}: {error}")
        return self._refuse(file, f"no {', '.join(missing)}") if missing else header

    def _refuse(self, file: str, got: str) -> None:
        error = ReadError(
            "The DICOM header is damaged or incomplete",
            where=file,
            expected="a header that names study, series and instance",
            got=got,
            remedy="Copy or export the file again.",
        )
        self.unreadable.append((file, str(error)))
