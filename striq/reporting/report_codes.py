"""Coded concepts of the structured report: public codes where they exist, else the private scheme 99STRIQ."""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

import striq
from striq.about import PUBLISHER
from striq.verdict import NO_PLANE

SCHEME = "99STRIQ"
MAX_MEANING = 63  # a code meaning (LO) has at most 64 characters, one of which may be padding

PROCEDURE = codes.cid100.ImagingProcedure  # CID 100 has no ultrasonography
NO_UNITS = CodedConcept("1", "UCUM", "no units")
MEDIAN, LOWEST, HIGHEST = codes.SCT.Median, codes.SCT.Minimum, codes.SCT.Maximum
VERDICT = codes.DCM.QualityAssessment
VIEW = codes.DCM.ImageView

# Not DCM 111029 'Image Quality Rating', which runs from 0 to 100 and rates an image without reference.
QUALITY = CodedConcept("quality", SCHEME, "Plane quality Q, from 0 (worst) to 1 (best)")
THRESHOLD = CodedConcept("threshold", SCHEME, "Plane quality above which a frame is accepted")
FRAMES = CodedConcept("frames", SCHEME, "Number of frames")
FRAMES_ACCEPTED = CodedConcept("frames_accepted", SCHEME, "Number of frames accepted")
FRAMES_NOT_SCORED = CodedConcept("frames_no_score", SCHEME, "Number of frames that could not be scored")
ACCEPTED = CodedConcept("accepted", SCHEME, "Accepted: above the threshold, and a plane of the model")
NOT_ACCEPTED = CodedConcept("not_accepted", SCHEME, "Not accepted")
ACCEPTED_BY_USER = CodedConcept("accepted_user", SCHEME, "Accepted by a person, whatever the score")
NOT_ACCEPTED_BY_USER = CodedConcept("rejected_user", SCHEME, "Not accepted by a person, whatever the score")
NOT_SCORED = CodedConcept("not_scored", SCHEME, "Not scored: the frame could not be read or scored")
INTENDED_USE = CodedConcept("intended_use", SCHEME, "Intended use")
RESEARCH_ONLY = CodedConcept("research_only", SCHEME, "For research only, not for diagnosis")
OTHER_PLANE = CodedConcept(NO_PLANE, SCHEME, "None of the planes that the model knows")

KEY_FRAMES_TITLE = codes.cid7010.ForResearch

# Views of echocardiography (CID 12226) by their names in data sets.
KNOWN_VIEWS = {"a4c": codes.cid12226.ApicalFourChamber, "a2c": codes.cid12226.ApicalTwoChamber}


def coding_scheme() -> CodingSchemeIdentificationItem:
    """Return the identification of the private scheme."""
    return CodingSchemeIdentificationItem(
        SCHEME,
        name="STRIQ plane quality of ultrasound frames",
        version=striq.__version__,
        responsible_organization=PUBLISHER,
    )


def plane_code(plane: str) -> CodedConcept:
    """Return the public code of a known view, else a private code made of the name of the plane."""
    if plane == NO_PLANE:
        return OTHER_PLANE
    view = KNOWN_VIEWS.get(plane.casefold())
    if view is not None:
        return CodedConcept.from_code(view)
    # DICOM separates values by backslashes and does not allow control characters.
    name = "".join(character if character.isprintable() else " " for character in plane.replace("\\", "/")).strip()
    return CodedConcept(name or "unnamed", SCHEME, (name or "unnamed")[:MAX_MEANING].rstrip())
