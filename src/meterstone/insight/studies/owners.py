"""What is it worth to this shop, and what next?"""

from __future__ import annotations

from collections.abc import Iterator

from meterstone.insight.findings import Advice, Cell, Check, Column, Figure, Finding, Found, Table
from meterstone.insight.owner_value import LEAST, WEEKS, Others, Value, no_shows_worth, others
from meterstone.insight.studies.reading import NETWORK
from meterstone.insight.studies.shops import HOURS, Shops
from meterstone.insight.studies.worth_words import usd
from meterstone.insight.study import Say, Source
from meterstone.measure.results import Scope
from meterstone.scorecard.values import count_text, format_value

_H = "h a week"
_METHOD = (
    "Hours are those of a usual week before, less those of the last month, at the attested cost of "
    "an hour. Sales are the effect of going live by comparison with shops that had not, not what "
    "merely changed; they are sales, not profit, and are not added to the hours. Others are shown "
    "from eight on, as their middle half."
)


class Owners:
    """The study of what owners have of it."""

    name = "owners"
    title = "Value to owners"
    version = "2"
    facts = (
        "work_sample", "baseline", "attestation", "booking", "payment", "connection", "invoice",
        "integration",
    )  # fmt: skip

    def run(self, source: Source, say: Say) -> Found:
        """See `meterstone.insight.study.Study.run`."""
        shops = Shops(source)
        if HOURS not in source.board.catalogue.metrics or not shops.names:
            return Found(())
        say(f"reading {count_text(len(shops.names), 'shops')}")
        each = [_Shop(shops, key).finding() for key in shops.names]
        return Found((_network(shops), *each))


class _Shop:
    """Makes the finding of one shop."""

    def __init__(self, shops: Shops, key: str) -> None:
        self._shops, self._key = shops, key
        self._name = shops.names[key]
        self._value = shops.value(key)
        self._sales = shops.sales(key)
        self._hours_of = others(shops.values(HOURS), key)

    def finding(self) -> Finding:
        """What it is worth; withheld where nothing is known of it."""
        value = self._value
        why = None
        if value.hours is None and value.sales is None:
            why = (
                "neither the hours that it saves nor the sales that it brings are known: "
                f"hours: nobody wrote down a usual week; sales: {self._sales}"
            )
        return Finding(
            study="owners", key="value", scope=Scope("franchise", self._key),
            title="What it is worth to your shop", sentence=self._sentence(why), withheld=why,
            method=_METHOD, figures=tuple(self._figures()), checks=tuple(self._checks()),
            advice=tuple(self._advice()),
        )  # fmt: skip

    def _sentence(self, why: str | None) -> str:
        value = self._value
        if why is not None:
            return f"What it is worth to {self._name} is not known yet."
        said = []
        if value.hours is not None:
            text = f"{format_value(round(value.hours, 1), 'h')} a week more are done for you"
            if value.hours_usd is not None:
                text += (
                    f", worth {usd(value.hours_usd)} a month at {usd(value.hourly or 0)} an hour"
                )
            said.append(text + _unproven(self._shops))
        if value.sales is not None:
            sales = value.sales
            bounds = f"95 %: {usd(sales.low)} to {usd(sales.high)}; {sales.says}"
            whom = "you" if sales.own else "live shops on average"
            said.append(f"going live brought {whom} {usd(sales.value)} of sales a month ({bounds})")
        return f"{self._name}: {'; '.join(said)}{self._against_fees()}."

    def _against_fees(self) -> str:
        value, margin = self._value, self._value.margin
        if value.fees is None:
            return ""
        fees = f"; your fees are {usd(value.fees)} a month"
        if margin is None or (value.hours_usd is not None and self._shops.hours_proof):
            return fees
        if margin == 0:
            return f"{fees}, less than the hours are worth"
        if margin > 1:
            return f"{fees}, more than both bring"
        share = f"{100 * margin:.0f} %" if margin >= 0.005 else "less than 1 %"
        if value.hours_usd is None:
            return f"{fees}, paid if {share} of such sales are left over"
        return f"{fees}, paid by the hours if {share} of such sales are left over as well"

    def _figures(self) -> Iterator[Figure]:
        value, peers = self._value, self._hours_of
        yield Figure("hours", "Hours you get back each week", value.hours, _H)
        yield Figure("hours_usd", "What they are worth a month", value.hours_usd, "USD")
        if value.sales is not None:
            sales = value.sales
            title = "Sales a month that going live brought"
            title += "" if sales.own else " live shops on average"
            yield Figure("sales_usd", title, sales.value, "USD", sales.low, sales.high)
        yield Figure("fees_usd", "Fees a month", value.fees, "USD")
        if value.margin is not None:
            title = "Share of the extra sales that has to be left over to pay the fees"
            yield Figure("margin", title, round(100 * value.margin, 1), "%")
        if peers is not None:
            title = f"Hours of {peers.count} other shops, the middle one"
            yield Figure("others_hours", title, peers.middle, _H)
            yield Figure("others_hours_low", "A quarter of them have less than", peers.low, _H)
            yield Figure("others_hours_high", "A quarter of them have more than", peers.high, _H)

    def _checks(self) -> Iterator[Check]:
        known = self._value.hours is not None
        says = "before and now are on record" if known else "nobody wrote down a usual week"
        yield Check("Hours are known", known, says)
        proof = self._shops.hours_proof
        says = "a usual week before, less those of the last month, at your shop"
        says += f"; that going live saves them is not proven: {proof}" if proof else ""
        yield Check("Hours are proven", known and not proof, says)
        sales = self._sales
        told = sales if isinstance(sales, str) else sales.says
        yield Check("Sales are compared with others", not isinstance(sales, str), told)
        paid = self._value.hourly is not None
        says = "attested" if paid else "nobody attested loaded_hourly_usd"
        yield Check("An hour has a price", paid, says)

    # -- what next --------------------------------------------------------------------------------

    def _advice(self) -> Iterator[Advice]:
        """What brings most first; what nobody can put a figure on last."""
        worth = sorted(self._worth(), key=lambda pair: -pair[0])
        yield from (advice for _, advice in worth)
        yield from self._connect()
        if self._value.hours is None:
            others_have = self._hours_of
            says = "Then it is known how many hours you get back."
            if others_have is not None:
                middle = format_value(round(others_have.middle, 1), "h")
                says += f" Half of {others_have.count} other shops get {middle} a week or more."
            yield Advice("week", "Write down a usual week of work", says)

    def _worth(self) -> Iterator[tuple[float, Advice]]:
        value, peers = self._value, self._hours_of
        if value.hours is not None and peers is not None and peers.middle > value.hours:
            gap = peers.middle - value.hours
            month = gap * value.hourly * WEEKS if value.hourly is not None else 0.0
            if gap >= 0.1:
                yield month, Advice(
                    "hours", "Let more be done for you",
                    f"Half of {peers.count} other shops get {_hours(peers.middle)} a week back, "
                    f"yours {_hours(value.hours)}.",
                    f"{usd(month)} a month" if month else f"{_hours(gap)} a week",
                )  # fmt: skip
        yield from self._no_shows()

    def _no_shows(self) -> Iterator[tuple[float, Advice]]:
        calendars = self._shops.calendars
        own = calendars.get(self._key)
        peers: Others | None = others({k: c.share for k, c in calendars.items()}, self._key)
        if own is None or own.ticket is None or peers is None:
            return
        month = no_shows_worth(own.share, peers.middle, own.a_month, own.ticket)
        if month >= 1:
            yield month, Advice(
                "no_shows", "Have fewer appointments missed",
                f"{100 * own.share:.1f} % of your appointments of 90 days were missed; half of "
                f"{peers.count} other shops have {100 * peers.middle:.1f} % or less. Your usual "
                f"ticket is {usd(own.ticket)}.",
                f"{usd(month)} a month of sales",
            )  # fmt: skip

    def _connect(self) -> Iterator[Advice]:
        """Integrations that most of the others have, and this shop has nothing of their kind."""
        shops = self._shops
        mine = shops.connected.get(self._key, frozenset())
        kinds = {shops.kinds.get(key, key) for key in mine}
        rest = [has for key, has in shops.connected.items() if key != self._key]
        if len(rest) < LEAST:
            return
        worth, average = "", shops.network_sales
        if not mine and not isinstance(average, str):
            worth = f"{usd(average.value)} of sales a month, as at the others on average"
        counts = {key: sum(key in has for has in rest) for key in shops.integrations}
        for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
            kind = shops.kinds.get(key, key)
            if count * 2 >= len(rest) and key not in mine and kind not in kinds:
                kinds.add(kind)
                yield Advice(
                    f"connect_{key}", f"Connect {shops.integrations[key]}",
                    f"{count} of {len(rest)} other connected shops have it.", worth,
                )  # fmt: skip
                worth = ""  # it is of being connected, not of each system


def _unproven(shops: Shops) -> str:
    """Of hours: a shop's own before and after shows what is, not what brought it."""
    return " (than before; that going live did it is not proven)" if shops.hours_proof else ""


def _network(shops: Shops) -> Finding:
    """All shops together, for those who run the network."""
    values = {key: shops.value(key) for key in shops.names}
    hours = [v.hours for v in values.values() if v.hours is not None]
    priced = [v.hours_usd for v in values.values() if v.hours_usd is not None]
    paid = [
        v.hours_usd >= v.fees
        for v in values.values()
        if v.hours_usd is not None and v.fees is not None
    ]
    sales = shops.network_sales
    why = None
    if not hours and isinstance(sales, str):
        why = f"no shop has hours before and now on record, and the sales are not known: {sales}"
    said = []
    if hours:
        mean = format_value(round(sum(hours) / len(hours), 1), "h")
        text = f"{count_text(len(hours), 'shops')} get {mean} a week back on average"
        if priced:
            text += f", worth {usd(sum(priced) / len(priced))} a month each"
        said.append(text + _unproven(shops))
    if paid and not shops.hours_proof:
        said.append(f"at {sum(paid)} of {len(paid)} the hours alone are worth more than the fees")
    if not isinstance(sales, str):
        said.append(
            f"going live brought {usd(sales.value)} of sales a month and shop (95 %: "
            f"{usd(sales.low)} to {usd(sales.high)})"
        )
    elif not why:
        said.append(f"what it brought in sales is withheld ({sales})")
    text = "; ".join(said)
    return Finding(
        study="owners", key="value", scope=NETWORK, title="What owners have of it",
        sentence=f"{text[:1].upper()}{text[1:]}." if said and not why
        else "What owners have of it is not known yet.",
        withheld=why, method=_METHOD,
        figures=(
            Figure("hours", "Hours a shop gets back each week",
                   sum(hours) / len(hours) if hours else None, _H),
            Figure("hours_usd", "What they are worth a month",
                   sum(priced) / len(priced) if priced else None, "USD"),
            Figure("paid_by_hours", "Shops whose hours are worth more than their fees",
                   100 * sum(paid) / len(paid) if paid else None, "%"),
        ),
        tables=(_table(shops, values),),
    )  # fmt: skip


def _table(shops: Shops, values: dict[str, Value]) -> Table:
    """The shop that has least of it first."""
    columns = (
        Column("shop", "Shop"), Column("hours", "Hours a week", _H),
        Column("hours_usd", "Worth a month", "USD"), Column("fees", "Fees a month", "USD"),
        Column("net", "Worth less fees", "USD"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for key, value in values.items():
        worth, fees = value.hours_usd, value.fees
        net = worth - fees if worth is not None and fees is not None else None
        rows.append((shops.names[key], value.hours, worth, fees, net))
    rows.sort(key=lambda row: (row[4] is None, row[4] if isinstance(row[4], float) else 0.0))
    return Table("shops", "Hours and fees by shop", columns, tuple(rows))


def _hours(value: float) -> str:
    return format_value(round(value, 1), "h")
