"""A new version takes over by degrees, is watched, and is taken back where it is worse. NumPy only.

gate ─► plan ─► assignment ─► evidence ─► verdict ─► moves, kept by the store
                    ▲                                  │
                    └──────────── share ◄──────────────┘
"""

from eyas.rollout.actions import begin, move_by_hand, plan_for, pointing
from eyas.rollout.assignment import Assignment
from eyas.rollout.burn import BurnMeter
from eyas.rollout.evidence import ArmEvidence, Evidence
from eyas.rollout.gate import Check, GateReport, GateRule, judge
from eyas.rollout.moves import Move, Rollout, Status
from eyas.rollout.pairs import time_pairs
from eyas.rollout.plan import RolloutPlan, make_plan, parse_stages
from eyas.rollout.state import Entry, RolloutStore, rollouts_of
from eyas.rollout.verdict import Action, Verdict, decide

__all__ = [
    "Action",
    "ArmEvidence",
    "Assignment",
    "BurnMeter",
    "Check",
    "Entry",
    "Evidence",
    "GateReport",
    "GateRule",
    "Move",
    "Rollout",
    "RolloutPlan",
    "RolloutStore",
    "Status",
    "Verdict",
    "begin",
    "decide",
    "judge",
    "make_plan",
    "move_by_hand",
    "parse_stages",
    "plan_for",
    "pointing",
    "rollouts_of",
    "time_pairs",
]
