"""Datastore of ultrasound series in a DICOMweb archive, scored from their DICOM files."""

from __future__ import annotations

from typing import Any

from dicomweb_client.ext.gcp.session_utils import create_session_from_gcp_credentials
from dicomweb_client.session_utils import create_session_from_user_pass
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore
from monailabel.datastore.local import DataModel, ImageLabelModel
from monailabel.interfaces.exception import ImageNotFoundException


class UltrasoundArchive(DICOMWebDatastore):
    """Series of an archive, fetched when they are needed. An image is a folder with the files of one series.

    MONAI Label's own datastore converts a series to NIfTI, which loses color, frame times and the ultrasound regions,
    and it stores no notes about a series that stays DICOM.
    """

    def __init__(self, url: str) -> None:
        client = DICOMwebClientX(
            url=url,
            session=_session(url),
            qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
            wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
            stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
        )
        super().__init__(
            client=client,
            search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
            cache_path=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None,
            convert_to_nifti=False,
        )

    def get_image_uri(self, image_id: str) -> str:
        """Return the folder of a series, after fetching it if necessary.

        Raises:
            ImageNotFoundException: If the archive has no such series.
        """
        try:
            folder: str = super().get_image_uri(image_id)
        except IndexError as error:  # the download raises this if the search finds nothing
            raise ImageNotFoundException(f"The archive has no series {image_id!r}") from error
        if image_id not in self._datastore.objects:
            model = ImageLabelModel(image=DataModel(info=self._dicom_info(image_id), ext=""))
            self._datastore.objects[image_id] = model
            self._update_datastore_file()
        return folder

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Store notes about a series, after fetching it if necessary.

        Raises:
            ImageNotFoundException: If the archive has no such series.
        """
        if image_id not in self._datastore.objects:
            self.get_image_uri(image_id)
        super().update_image_info(image_id, info)


def _session(url: str) -> Any:
    if "googleapis.com" in url:
        return create_session_from_gcp_credentials()
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    return create_session_from_user_pass(user, password) if user and password else None
