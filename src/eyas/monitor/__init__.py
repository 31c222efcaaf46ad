"""Knowing when a served model goes wrong. Here: what production is compared with."""

from eyas.monitor.reference import MAX_FEATURES, QUANTILE_LEVELS, build_reference

__all__ = ["MAX_FEATURES", "QUANTILE_LEVELS", "build_reference"]
