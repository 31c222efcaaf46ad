"""Names that are known beforehand. A test holds them against the code that takes them, which takes long to load."""

from __future__ import annotations

from pathlib import Path

DATA = ("digits", "mnist", "fashion-mnist", "cifar10", "cifar100")
METHODS = ("cam", "occlusion", "rise", "lime", "shap")
SAMPLERS = ("swarm", "tpe", "random", "gp", "cmaes", "qmc", "nsga")
STUDIES = ("baseline", "regularization", "optimizers", "batchnorm", "all")
LANGUAGES = ("en", "fr")
SCOPES = ("predict", "feedback", "admin")
TARGETS = ("image", "compose", "k8s", "cloudrun", "ecs", "azure")
OVERLAYS = ("gateway", "kserve", "ray")
PARTS = ("monitoring", "models-volume", "postgres")
RECIPES = Path(__file__).parents[2] / "recipes"


def recipes(incomplete: str) -> list[str]:
    """Recipes that ship, and YAML files of the folder that the word is in."""
    shipped = [] if "/" in incomplete else sorted(file.stem for file in RECIPES.glob("*.yaml"))
    return [*shipped, *_yaml_files(incomplete)]


def fetchable(incomplete: str) -> list[str]:
    """Data that can be downloaded."""
    return [*DATA[1:], "kaggle:"]


def study_names(incomplete: str) -> list[str]:
    """Studies that ship, and YAML files."""
    return [*STUDIES, *_yaml_files(incomplete)]


def methods(incomplete: str) -> list[str]:
    """Of explanation."""
    return [*METHODS]


def samplers(incomplete: str) -> list[str]:
    """Of a search."""
    return [*SAMPLERS]


def languages(incomplete: str) -> list[str]:
    """Of reports and diagnoses."""
    return [*LANGUAGES]


def scopes(incomplete: str) -> list[str]:
    """Of a token."""
    return [*SCOPES]


def targets(incomplete: str) -> list[str]:
    """Of a deployment."""
    return [*TARGETS]


def overlays(incomplete: str) -> list[str]:
    """Of Kubernetes."""
    return [*OVERLAYS]


def parts(incomplete: str) -> list[str]:
    """Of Kubernetes, beside the service."""
    return [*PARTS]


def _yaml_files(incomplete: str) -> list[str]:
    folder = incomplete.rpartition("/")[0]
    found = sorted(file.name for pattern in ("*.yaml", "*.yml") for file in Path(folder or ".").glob(pattern))
    return [f"{folder}/{name}" if folder else name for name in found]
