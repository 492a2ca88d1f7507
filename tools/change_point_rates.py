"""How often the dashboard marks changes in drawn weeks: false alarms, and planted changes that are found.

python tools/change_point_rates.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.dashboard.test_statistics import NUM_WEEKS, series  # noqa: E402

SCRIPT = (ROOT / "striq/dashboard/page/statistics.js").read_text(encoding="utf-8")
MEASURE = """
process.stdout.write(JSON.stringify(given.map((weeks) => {
  const chart = pChart(weeks), shares = weeks.map((one) => one.accepted / one.count);
  return { changes: changePoints(weeks), outside: chart.outside.filter(Boolean).length,
    drifts: ewma(shares, chart.center, chart.sigma).outside.some(Boolean) };
})));
"""


def measure(weeks: list[list[dict[str, int]]]) -> list[dict]:
    """Return change points, weeks outside the limits, and whether the average is outside, of each series."""
    code = f"{SCRIPT}\nconst given = {json.dumps(weeks)};\n{MEASURE}"
    return json.loads(subprocess.run(["node", "-"], input=code, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the rates."""
    found = measure(series(11, num=1000))
    outside = sum(one["outside"] for one in found) / len(found) / NUM_WEEKS
    sys.stdout.write(
        f"no change, {len(found)} series of {NUM_WEEKS} weeks: {sum(bool(one['changes']) for one in found)} with a "
        f"change point, {outside:.2%} of the weeks outside the limits, {sum(one['drifts'] for one in found)} series "
        "with the average outside its limits\n"
    )
    for change in (0.05, 0.10, 0.15):
        found = measure(series(12, change=change, num=300))
        hits = sum(any(abs(at - NUM_WEEKS // 2) <= 2 for at in one["changes"]) for one in found)
        sys.stdout.write(f"0.75 to {0.75 - change:.2f}, {len(found)} series: found within two weeks in {hits}\n")


if __name__ == "__main__":
    main()
