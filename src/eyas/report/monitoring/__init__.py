"""What the monitor of a service has found, as a report."""

from eyas.report.monitoring.document import monitor_document
from eyas.report.monitoring.facts import Asked, MonitorFacts, gather

__all__ = ["Asked", "MonitorFacts", "gather", "monitor_document"]
