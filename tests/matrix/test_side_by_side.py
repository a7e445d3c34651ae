"""Bundled scenarios in all their start methods, side by side: do they agree where they should?

Only those that are checked for determinism; of others nothing is asked across cells. Each test runs
cells of its own, since those of test_matrix may be anywhere among the workers.
"""

from __future__ import annotations

import pytest

from lab import judge
from lab.bench import Bench, shown
from lab.model import Status
from lab.report.explain import explain_cell, explain_scenario
from lab.report.style import Style

STYLE = Style(width=100)


def test_scenario(pairs: Bench, scenario_name: str) -> None:
    plan = [planned for planned in pairs.cells.values() if planned.scenario.name == scenario_name]
    results = [pairs.run(planned) for planned in plan]
    for result in results:
        if result.status == Status.ERROR:
            pytest.fail("\n".join([result.id, *explain_cell(result, STYLE)]), pytrace=False)
    ran = [result for result in results if result.status == Status.RAN]
    if len(ran) < 2:
        pytest.skip(f"{len(ran)} of {len(results)} cells can run here: nothing to compare")
    scenario = plan[0].scenario
    across = judge.judge_scenario(scenario, shown(scenario.path), results)
    if not across.ok:
        lines = [scenario_name, *explain_scenario(across, STYLE)]
        lines += [f"{cell.id}: {', '.join(o.id for o in cell.outcomes)}" for cell in results]
        pytest.fail("\n".join(lines), pytrace=False)
