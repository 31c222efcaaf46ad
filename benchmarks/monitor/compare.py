"""Everything that is measured of the monitor: power, false alarms, outliers, calibration, its cost, roll-back.

    make bench-monitor                                        everything (about 40 minutes)
    make bench-monitor BENCH="--sections batches outliers"

Real models on Fashion-MNIST and CIFAR-100 (named sets, see EYAS_DATA_DIR), trained once into build/bench-monitor.
`service` needs wrk (Debian: apt-get install wrk). `sequences.py`, for A/B tests, stands alone.
"""

from __future__ import annotations

import argparse

import batches
import calibration
import online
import outliers
import service

from eyas.core.machine import cpu_name

SECTIONS = {section.TITLE: section for section in (calibration, outliers, batches, online, service)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=20, help="batches of each kind, and orders of the images")
    parser.add_argument("--rounds", type=int, default=5, help="of the service")
    options = parser.parse_args()
    print(cpu_name())
    for title in options.sections:
        SECTIONS[title].run(options)


if __name__ == "__main__":
    main()
