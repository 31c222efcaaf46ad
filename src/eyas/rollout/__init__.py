"""A new version takes over by degrees, is watched, and is taken back where it is worse. NumPy only.

gate ─► plan ─► assignment ─► evidence ─► verdict ─► moves, kept by the store
                    ▲                                  │
                    └──────────── share ◄──────────────┘
"""

from eyas.rollout.actions import begin, move_by_hand, plan_for, pointing
from eyas.rollout.assignment import Arm, Assignment, new_salt
from eyas.rollout.burn import Burn, BurnMeter
from eyas.rollout.evidence import ArmEvidence, Evidence
from eyas.rollout.gate import Check, GateReport, GateRule, judge
from eyas.rollout.moves import Move, Rollout, Status, moved
from eyas.rollout.pairs import time_pairs
from eyas.rollout.plan import BurnWindow, Mode, RolloutPlan, make_plan, parse_share, parse_stages
from eyas.rollout.state import Entry, RolloutStore, rollouts_of
from eyas.rollout.verdict import Action, Verdict, decide

__all__ = [
    "Action",
    "Arm",
    "ArmEvidence",
    "Assignment",
    "Burn",
    "BurnMeter",
    "BurnWindow",
    "Check",
    "Entry",
    "Evidence",
    "GateReport",
    "GateRule",
    "Mode",
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
    "moved",
    "new_salt",
    "parse_share",
    "parse_stages",
    "plan_for",
    "pointing",
    "rollouts_of",
    "time_pairs",
]
