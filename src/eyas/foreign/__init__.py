"""Models from elsewhere: ONNX, TorchScript and `torch.export` files as bundles, what is stated of them checked."""

from eyas.foreign.classes import read_classes
from eyas.foreign.importing import import_model, name_of
from eyas.foreign.preprocessing import Stated

__all__ = ["Stated", "import_model", "name_of", "read_classes"]
