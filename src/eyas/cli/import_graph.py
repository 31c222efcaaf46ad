"""`eyas import onnx`, `torchscript` and `torch-export`: the same words for three formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eyas.cli.words import SCALINGS_HELP, AsJson, ConfigFile, next_of_bundle, parity_line, print_json, read_words
from eyas.core.errors import ConfigError, needs_extra

if TYPE_CHECKING:
    from eyas.bundle import Bundle
    from eyas.foreign.formats import Format

ModelFile = Annotated[Path, typer.Argument(help="The model.", metavar="FILE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Keys of data and export, as key=value.", metavar="[KEY=VALUE]...")
]
Data = Annotated[str | None, typer.Option("--data", help="Images with the model's classes.", metavar="DATA")]
Target = Annotated[Path | None, typer.Option("--to", help="The bundle; NAME-bundle by default.", metavar="DIR")]
Name = Annotated[str | None, typer.Option("--name", help="Of the model; the file's by default.")]
Scaling = Annotated[
    str | None,
    typer.Option("--scaling", help=f"How the model reads pixels: {SCALINGS_HELP}."),
]
Mean = Annotated[
    str | None, typer.Option("--mean", help="Instead: subtracted from pixels on 0 to 1; of R,G,B.", metavar="R,G,B")
]
Std = Annotated[str | None, typer.Option("--std", help="And what is divided by then.", metavar="R,G,B")]
Order = Annotated[Literal["rgb", "bgr"], typer.Option("--order", help="Of the model's channels.")]
LayoutOption = Annotated[
    Literal["nchw", "nhwc"] | None, typer.Option("--layout", help="Of the model's input; found by default.")
]
Size = Annotated[
    str | None, typer.Option("--size", help="What the model sees, where it does not say.", metavar="SIDE|HxW")
]
Channels = Annotated[
    Literal["1", "3"] | None, typer.Option("--channels", help="Grey or colour, where the model does not say.")
]
Resize = Annotated[
    Literal["stretch", "crop", "pad"] | None, typer.Option("--resize", help="How other shapes become this size.")
]
CropShare = Annotated[
    float, typer.Option("--crop-share", help="Share of each side whose centre the model sees: 0.875 is 224 of 256.")
]
Classes = Annotated[
    Path | None,
    typer.Option("--classes", help="The classes in the model's order, lines or JSON; the data's by default."),
]
Output = Annotated[str | None, typer.Option("--output", help="Which of several outputs has the classes.")]
Force = Annotated[bool, typer.Option("--force", help="Import it even where the check speaks against it.")]

FORMATS: dict[Format, str] = {
    "onnx": "Make a bundle of an ONNX file.",
    "torchscript": "Make a bundle of a TorchScript file (torch.jit.save). Only from makers whom you trust.",
    "torch-export": "Make a bundle of a torch.export file (.pt2). Only from makers whom you trust.",
}
EXAMPLE = """What is stated is checked on validation images; where another reading of the pixels or another order of
the classes is clearly better, the import is refused and names it.

Example: eyas import {verb} FILE --data photos/ --scaling imagenet --resize crop --crop-share 0.875"""


def register(app: typer.Typer) -> None:
    """Add the three verbs."""
    for wanted, says in FORMATS.items():
        app.command(wanted, help=f"{says}\n\n{EXAMPLE.format(verb=wanted)}")(_verb(wanted))


def _verb(wanted: Format):  # type: ignore[no-untyped-def]  # Typer reads the signature
    def verb(
        file: ModelFile,
        overrides: Overrides = None,
        data: Data = None,
        config: ConfigFile = None,
        to: Target = None,
        name: Name = None,
        scaling: Scaling = None,
        mean: Mean = None,
        std: Std = None,
        order: Order = "rgb",
        layout: LayoutOption = None,
        size: Size = None,
        channels: Channels = None,
        resize: Resize = None,
        crop_share: CropShare = 1.0,
        classes: Classes = None,
        output: Output = None,
        force: Force = False,
        as_json: AsJson = False,
    ) -> None:
        with needs_extra("train"):
            from eyas.foreign import Stated, import_model, name_of, read_classes

        words = [*(overrides or ()), *([f"data.resize={resize}"] if resize else ())]
        settings = read_words([*([data] if data else ()), *words], config)[1]
        stated = Stated(
            scaling=scaling,
            mean=_numbers("--mean", mean),
            std=_numbers("--std", std),
            bgr=order == "bgr",
            layout=layout,
            size=_size(size),
            channels=None if channels is None else 3 if channels == "3" else 1,
            crop_share=crop_share,
            classes=read_classes(classes) if classes else None,
            output=output,
            name=name,
        )
        target = to or Path(f"{name or name_of(file)}-bundle")
        _tell(import_model(file, wanted, stated, settings.data, settings.export, target, force=force), as_json)

    return verb


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{option} must be numbers with commas between them, got {text}") from None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() and int(side) for side in sides):
        raise ConfigError(f"--size must be a side in pixels, or HEIGHTxWIDTH, got {text}")
    return int(sides[0]), int(sides[-1])


def _tell(bundle: Bundle, as_json: bool) -> None:
    manifest = bundle.manifest
    if as_json:
        print_json(manifest.model_dump(mode="json"))
        return
    for note in manifest.imported.notes if manifest.imported else ():
        typer.echo(note)
    typer.echo(
        f"wrote {bundle.path} (version {manifest.version}), accuracy {manifest.accuracy:.2%} on the "
        f"{'test' if 'test' in manifest.metrics else 'val'} split"
    )
    typer.echo(parity_line(manifest.parity))
    typer.echo(next_of_bundle(bundle.path))
