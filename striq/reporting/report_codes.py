"""Coded concepts of the structured report: public codes where there are any, the private scheme 99STRIQ elsewhere."""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

import striq
from striq.verdict import NO_PLANE

SCHEME = "99STRIQ"
MAX_MEANING = 63  # characters of a code meaning (LO) less one: padded to an even number of bytes it may grow by one

PROCEDURE = codes.cid100.ImagingProcedure  # the group names no ultrasonography; the modality of the image says it
NO_UNITS = CodedConcept("1", "UCUM", "no units")
MEDIAN, LOWEST, HIGHEST = codes.SCT.Median, codes.SCT.Minimum, codes.SCT.Maximum
VERDICT = codes.DCM.QualityAssessment
VIEW = codes.DCM.ImageView

# DCM 111029 'Image Quality Rating' is no home for Q: it runs from 0 to 100, and rates an image without reference.
QUALITY = CodedConcept("quality", SCHEME, "Plane quality Q, from 0 (worst) to 1 (best)")
THRESHOLD = CodedConcept("threshold", SCHEME, "Plane quality above which a frame is accepted")
FRAMES = CodedConcept("frames", SCHEME, "Number of frames")
FRAMES_ACCEPTED = CodedConcept("frames_accepted", SCHEME, "Number of frames accepted")
FRAMES_NOT_SCORED = CodedConcept("frames_no_score", SCHEME, "Number of frames that could not be scored")
ACCEPTED = CodedConcept("accepted", SCHEME, "Accepted: above the threshold, and a plane of the model")
NOT_ACCEPTED = CodedConcept("not_accepted", SCHEME, "Not accepted")
NOT_SCORED = CodedConcept("not_scored", SCHEME, "Not scored: the frame could not be read or judged")
INTENDED_USE = CodedConcept("intended_use", SCHEME, "Intended use")
RESEARCH_ONLY = CodedConcept("research_only", SCHEME, "For research only, not for diagnosis")
OTHER_PLANE = CodedConcept(NO_PLANE, SCHEME, "None of the planes that the model knows")

# Views of echocardiography (CID 12226) under the names that data sets give them.
KNOWN_VIEWS = {"a4c": codes.cid12226.ApicalFourChamber, "a2c": codes.cid12226.ApicalTwoChamber}


def coding_scheme() -> CodingSchemeIdentificationItem:
    """Return what a report says about the private scheme."""
    return CodingSchemeIdentificationItem(
        SCHEME,
        name="STRIQ plane quality of ultrasound frames",
        version=striq.__version__,
        responsible_organization="STRIQ contributors",
    )


def plane_code(plane: str) -> CodedConcept:
    """Return the code of a plane: that of the view where the name is a known one, else the name itself."""
    if plane == NO_PLANE:
        return OTHER_PLANE
    view = KNOWN_VIEWS.get(plane.casefold())
    if view is not None:
        return CodedConcept.from_code(view)
    # A backslash would separate two values, and control characters are not allowed.
    name = "".join(character if character.isprintable() else " " for character in plane.replace("\\", "/")).strip()
    return CodedConcept(name or "unnamed", SCHEME, (name or "unnamed")[:MAX_MEANING].rstrip())
