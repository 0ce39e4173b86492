"""Does it pay, as claimed and as proven?"""

from __future__ import annotations

from meterstone.insight.benefits import Assumptions
from meterstone.insight.findings import Found
from meterstone.insight.studies.gains import gains
from meterstone.insight.studies.money import Money
from meterstone.insight.studies.worth_ledger import ledger_finding
from meterstone.insight.studies.worth_needed import needed_finding
from meterstone.insight.studies.worth_return import Returns, return_finding
from meterstone.insight.study import Say, Source

ASSUMPTION = "assumption:"


class Worth:
    """The study of return on investment and of the benefits behind it."""

    name = "worth"
    title = "Return"
    version = "2"
    facts = (
        "invoice", "cost", "work_sample", "attestation", "baseline", "connection", "forecast",
        "franchise", "payment",
    )  # fmt: skip

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        money = Money(source)
        if "roi_percentage" not in source.board.catalogue.metrics:
            return Found(())  # a catalogue of somebody's own, without a programme that costs
        assume = Assumptions.declared(money.stated(ASSUMPTION))
        say("holding what shops pay against those not live yet")
        ledger = gains(money, assume)
        say("drawing from the declared distributions")
        made = Returns(money, assume, ledger)
        return Found((return_finding(made), needed_finding(made), ledger_finding(made)))
