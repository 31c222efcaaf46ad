"""What the service tells of by itself: alarms and the moves of rollouts, to webhooks and to an Alertmanager.

MonitorStatus ─ Noticing ─┐
rollouts' histories ─ Moves ┴─► Event ─► a Courier for each receiver ─► Webhook │ Alertmanager
                                  └─ Memory: FOLDER/.alerts.json, so that nothing is lost with the watcher
"""

from eyas.serve.alerts.alerts import Alerts

__all__ = ["Alerts"]
