"""`eyas` alone: where you are on the road from images to a service, by what lies here, and what comes next."""

from eyas.cli.road.advice import Step, advise
from eyas.cli.road.look import look
from eyas.cli.road.place import Model, Place, Run, Study
from eyas.cli.road.telling import show

__all__ = ["Model", "Place", "Run", "Step", "Study", "advise", "look", "show"]
