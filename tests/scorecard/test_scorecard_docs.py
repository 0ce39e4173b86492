"""What docs/scorecard.md shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs" / "scorecard.md"


def test_the_examples_run_and_print_what_the_page_shows():
    text = DOCS.read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        for example in examples:
            exec(compile(example, str(DOCS), "exec"), names)  # noqa: S102  # our own page
    assert printed.getvalue() == shown
