"""The network as registers know it: franchises, integrations, connections, and what is attested of
the programme as a whole."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from meterstone.sandbox.network.facts import Facts
from meterstone.sandbox.network.truth import Truth
from meterstone.sandbox.network.world import DAY, Connection, Integration, Shop, World, at_hour

VERSION = "5.2"
"""Running version of the conformance suite."""

CAPABILITIES = {
    "square": "payments,refunds,orders,customers,bookings,team,payouts,webhooks",
    "clover": "payments,orders,customers,team,webhooks",
    "quickbooks": "invoices,payments,customers,accounts",
    "franconnect": "leads,franchisees,locations,financials",
    "fransmart": "leads",
    "ifpg": "leads",
    "salesforce": "accounts,opportunities,leads,cases",
    "tableau": "publish,refresh",
    "powerbi": "publish,refresh",
}
"""What is live of each named integration; the others exchange records."""


def simulate(world: World, facts: Facts, truth: Truth) -> None:
    """Franchise, integration and connection rows, the start of the programme, closed books.

    Registers have no metric of their own; what follows from them is said by the domains.
    """
    del truth
    for shop in world.shops:
        _shop(world, facts, shop)
    for integration in world.integrations:
        _integration(world, facts, integration)
    for connection in world.connections:
        _connection(facts, connection)
    _never_counts(world, facts)
    _attested(world, facts)


def _shop(world: World, facts: Facts, shop: Shop) -> None:
    common: dict[str, Any] = {
        "franchise_id": shop.id,
        "client_id": shop.client.id,
        "client_segment": shop.client.segment,
        "region": shop.region,
        "country": "US",
    }
    facts.add("franchise", status="signed", status_at=at_hour(shop.signed, 10), **common)
    if shop.opened_at >= world.end:
        return
    opened: dict[str, Any] = common | {"opened_on": shop.opened}
    facts.add("franchise", status="opened", status_at=shop.opened_at, **opened)
    for since, until in shop.suspended:
        facts.add("franchise", status="suspended", status_at=at_hour(since, 12), **opened)
        if at_hour(until, 12) < world.end:
            facts.add("franchise", status="opened", status_at=at_hour(until, 12), **opened)
    if shop.closed_at:
        facts.add(
            "franchise", status="closed", status_at=shop.closed_at, closed_on=shop.closed,
            closure_reason="lease ended", **opened,
        )  # fmt: skip


def _integration(world: World, facts: Facts, integration: Integration) -> None:
    live = CAPABILITIES.get(integration.key, "records")
    required = live
    if world.preset.story == "honest" and integration.key == "clover":
        required += ",loyalty"  # promised, and not built yet
    common: dict[str, Any] = {
        "integration": integration.key,
        "name": integration.name,
        "category": integration.category,
        "framework": "universal",
        "capabilities_required": required,
        "in_public_catalogue": True,
        "sync_interval_s": 3600,
        "probe_interval_s": 60,
    }
    begun = (integration.live or world.end) - timedelta(days=60)
    facts.add("integration", status="building", status_at=begun, certified=False, **common)
    if integration.live is None:
        return
    facts.add(
        "integration", status="live", status_at=integration.live,
        connected_at=integration.live + timedelta(hours=1), certified=integration.certified,
        certified_at=integration.live if integration.certified else None,
        certification_expires_at=integration.certification_expires,
        conformance_version=VERSION, capabilities_live=live, **common,
    )  # fmt: skip


def _connection(facts: Facts, connection: Connection) -> None:
    common: dict[str, Any] = {
        "connection_id": connection.id,
        "integration": connection.integration.key,
        "franchise_id": connection.shop.id if connection.shop else None,
        "client_id": connection.client.id,
        "connected_at": connection.connected,
        "auth": connection.integration.auth,
    }
    facts.add("connection", **common)
    if connection.disconnected:
        facts.add(
            "connection", version=2, disconnected_at=connection.disconnected,
            disconnect_reason="shop closed", **common,
        )  # fmt: skip


def _never_counts(world: World, facts: Facts) -> None:
    """Rows that no metric may count: another environment, synthetic, taken back."""
    if not world.shops:
        return
    at = world.end - timedelta(days=20, hours=13)
    row = {"client_id": world.clients[0].id, "client_segment": "enterprise", "region": "US-CA"}
    usual: dict[str, Any] = row | {
        "country": "US",
        "status": "opened",
        "status_at": at,
        "opened_on": at.date(),
    }
    facts.add("franchise", franchise_id="F-STAGING", environment="staging", **usual)
    facts.add("franchise", franchise_id="F-SYNTHETIC", synthetic=True, **usual)
    facts.add("franchise", franchise_id="F-MISTAKE", **usual)
    facts.add("franchise", franchise_id="F-MISTAKE", version=2, retracted=True, **usual)


def _attested(world: World, facts: Facts) -> None:
    if not world.shops:
        return
    _claim(facts, "programme_start", world.programme_start, world, "The programme begins.")
    _claim(
        facts, f"simulated:network:{world.preset.story}:{world.preset.seed}", world.start, world,
        "All facts of this network are simulated.",
    )  # fmt: skip
    for month in world.months:
        end = (month + 32 * DAY).replace(day=1)
        # honest: books are closed ten days later, and those of the last month are open yet
        late = world.preset.story == "honest"
        closed = end + (10 * DAY if late else timedelta(hours=-2))
        if closed >= world.end:
            continue
        _claim(facts, f"period_closed:{month:%Y-%m}", closed, world, "The books are closed.")
        if end.month % 3 == 1:
            quarter = f"{month:%Y}-Q{(month.month + 2) // 3}"
            _claim(facts, f"period_closed:{quarter}", closed, world, "The books are closed.")


def _claim(facts: Facts, key: str, at: datetime, world: World, statement: str) -> None:
    facts.attest(
        "attestation", attestation_id=key, claim_key=key, attested_at=at, statement=statement,
        expires_at=world.end + 3650 * DAY,
    )  # fmt: skip


def review(world: World, facts: Facts, register: str, every: int = 30, last: int = 3) -> None:
    """Attest reviews of a register (``register_review:<fact>``), so that zero rows mean zero.

    Args:
        register: the fact whose register was looked through.
        every: days between two reviews; each is valid for 100 days.
        last: days between the last review and the end; more than 100 makes it too old.
    """
    at = world.end - timedelta(days=last, hours=-9)
    while at > world.start:
        facts.attest(
            "attestation", attestation_id=f"review-{register}-{at:%Y%m%d}",
            claim_key=f"register_review:{register}", attested_at=at,
            statement="All rows were looked through; none is missing.",
            expires_at=at + 100 * DAY,
        )  # fmt: skip
        at -= every * DAY
