"""What is wrong with a trained network or its data, how sure that is, and what to do next. Never loads torch.

`verdict.diagnose` is not re-exported: it stands on SciPy and scikit-learn, which training and its pictures do without.
"""

from eyas.diagnose.evidence import Answers, Evidence
from eyas.diagnose.findings import Diagnosis, Finding

__all__ = ["Answers", "Diagnosis", "Evidence", "Finding"]
