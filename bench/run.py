"""``./run bench``: measures speed and memory as ratios, each within one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import anomaly, day, forecast, framework, live, memory, otlp, reads, report, sync, year
from bench.report import Outcome

Step = Callable[[str], None]
Benchmark = Callable[..., Outcome]
"""Takes how many rows, a step to be told, and whether the ``whole`` framework is measured."""

BENCHMARKS: Mapping[str, tuple[Benchmark, int]] = {
    "otlp": (lambda rows, step, **_: otlp.run(rows, step), 200_000),
    "year": (year.run, 10_000_000),
    "day": (day.run, 10_000_000),
    "memory": (memory.run, 10_000_000),
    "sync": (sync.run, sync.LARGE),
    "framework": (framework.run, 0),
    "anomaly": (anomaly.run, 0),
    "reads": (reads.run, 5),
    "live": (live.run, live.VIEWERS),
    "forecast": (forecast.run, forecast.SERIES),
    "m4": (forecast.run_m4, forecast.M4_SERIES),
}
"""Name to the benchmark and how many rows (spans, or requests a year) it takes by default."""


def main() -> None:
    """Run the chosen benchmarks one after the other."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(BENCHMARKS), help="default: all")
    parser.add_argument(
        "--rows",
        type=int,
        help="spans (otlp), records (sync), viewers (live), series (forecast, m4), requests a year",
    )
    parser.add_argument("--no-record", action="store_true", help="leave RESULTS.md as it is")
    parser.add_argument(
        "--all", action="store_true", help="measure the whole framework, not its operational part"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    console = Console()
    for name in arguments.names or BENCHMARKS:
        benchmark, rows = BENCHMARKS[name]
        outcome = _run(console, name, benchmark, arguments.rows or rows, whole=arguments.all)
        report.show(console, outcome)
        if not arguments.no_record:
            report.append(outcome)


def _run(console: Console, name: str, benchmark: Benchmark, rows: int, *, whole: bool) -> Outcome:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name)

        def step(text: str) -> None:
            progress.update(task, description=f"{name}: {text}")
            if not console.is_terminal:
                console.print(f"{name}: {text}", highlight=False)

        return benchmark(rows, step, whole=whole)


if __name__ == "__main__":
    main()
