"""Everything that is measured of the monitor: power, false alarms, outliers, calibration, its cost, roll-back.

    make bench-monitor                                        everything (about 40 minutes)
    make bench-monitor BENCH="--sections batches outliers"

Real models on Fashion-MNIST and CIFAR-100 (named sets, see EYAS_DATA_DIR), trained once into build/bench-monitor.
`service` needs wrk (Debian: apt-get install wrk). `sequences.py`, for A/B tests, stands alone.

Results, 27 November 2026, 2 cores of an AMD EPYC (Zen 5), river 0.26.1, SciPy 1.17.1:
calibration   Fashion-MNIST (90.3 % test): ECE 0.82 → 0.71 %, sets of 90 % hold 89.4 %; CIFAR-100 (70.1 %): 20 → 1.3 %,
              89.6 %
outliers      AUROC near / far: MSP 73.1 / 81.8 %, energy 73.2 / 85.8, GEN 74.7 / 88.6, KNN 51 / 71, eyas 72.8 / 88.3
batches       mean power at n = 10, 100, 1,000: 0.29, 0.57, 0.77 (BBSDs 0.31, 0.57, 0.75); of 200 clean batches 1 to 2 %
              are called shifted at n = 10 and 100, 3 and 4.5 % at 1,000 (0.05 ± 0.03)
online        median requests to the alarm, Fashion-MNIST / CIFAR-100: noise 100 11 / 4, rotation by 40 10 / 38,
              translation by 20 % 11 / 19 (ADWIN 56 to 120, Page-Hinkley 164 to 365); translation by 5 % 90 / 50 (ADWIN
              1,784 / 840); one class of 10 missing 188 to 380 (ADWIN never); one of 100: 2,764, 7,014, or not in 9,000.
              No alarm before the change; in 100 streams of 10,000 clean requests 1 and 2 alarms (ADWIN none)
service       5,263 requests/s on Fashion-MNIST without the monitor, 0.87 of that with it (0.87 to 0.90; 3 rounds);
              869 on CIFAR-100, 0.93 (0.91 to 0.94; 2 rounds); alone p99 1.7 ms for 0.6, and 3.1 for 2.6. The watcher
              takes 16 and 50 µs of processor time a request, notes and their telling 4; more is lost in the workers,
              which is not explained. Roll-back 5 ms before the decision to 70 after, 0 of 6,784 requests failed
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
