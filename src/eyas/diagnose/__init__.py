"""What is wrong with a trained network or its data, how sure that is, and what to do next. Never loads torch."""

from eyas.diagnose.evidence import Answers, Evidence
from eyas.diagnose.findings import Diagnosis, Finding
from eyas.diagnose.verdict import diagnose

__all__ = ["Answers", "Diagnosis", "Evidence", "Finding", "diagnose"]
