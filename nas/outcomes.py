"""The words of the column `outcome`, and the columns that every report has."""

from __future__ import annotations

ITS_OWN_FAULT = ("oom", "invalid", "nan", "timeout", "device_error", "metric_error")
"""The candidate failed, twice: the trial counts, as a failed one."""

NOT_ITS_FAULT = ("worker_died", "throttled", "contaminated", "interrupted")
"""The machine failed it: the trial does not count, and its candidate is tried again."""

NEEDS_A_FRESH_WORKER = ("oom", "device_error", "throttled")
"""After these, what else runs in the same process may fail, or be slow, by no fault of its own. Not so after
`contaminated`: only the process that found the machine to be other than usual knows what is usual.
"""

TRIED_TWICE = (*ITS_OWN_FAULT, "worker_died", "throttled", "contaminated")
"""A measurement that ends so is tried once more, alone, before its outcome is believed."""

OUTCOMES = ("ok", "infeasible", *ITS_OWN_FAULT, "stopped", *NOT_ITS_FAULT)
"""Every word that the column `outcome` can hold."""

COST_COLUMNS = {"params": "parameters", "macs": "MACs", "flops": "FLOPs", "activations": "elements"}
"""The fixed columns that a study may optimise and bound, with their units: exact, from the architecture alone."""

LEADING_COLUMNS = ("trial", "state", "outcome", "arch_id", "arch", *COST_COLUMNS, "receptive_field")
TRAILING_COLUMNS = ("global_ops", "unsupported_ops", "feasible", "pareto", "duration_s", "message")

FIXED_COLUMNS = (*LEADING_COLUMNS, *TRAILING_COLUMNS)
"""Columns that every report has; no metric and no column of a study may be named like one. The study's own stand
between the two halves.
"""

TRIAL_PARTS = ("ask", "cost", "build", "measure", "store")
"""Where the time of a trial goes, see `nas.search.clock`."""
