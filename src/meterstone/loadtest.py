"""Load over real HTTP: virtual users that ask, think, and ask again, a level after the other.

Each user waits for its answer before it thinks (a closed model), so users and think time make the
load, as in `load_test` facts. What is measured is of requests that began while a level was held,
after its users had started one by one.

The generator watches itself: where it was late on its own account, a level is marked `starved`; its
times are the generator's and not the system's, so it is no measurement.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import count
from typing import Any

import httpx2

from meterstone.errors import InputError

MOST_USERS = 20_000
"""Of one process: each has a connection of its own."""

_RAMP_SHARE = 0.25
_MOST_RAMP_S = 30.0
_COLLAPSED = 0.5
"""Below this share of good answers a level is the last one."""
_WATCH_S, _TELL = 0.02, 10
_LATE_S, _LATE_SHARE = 0.01, 0.25
_BUSY = 0.95


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and by how many.

    Attributes:
        urls: asked in turn by each user; all of one origin.
        users: of each level, in the order in which they are held.
        hold_s: for how long each level is held.
        think_s: mean of the time between an answer and the next request (exponential).
        headers: sent with every request; never shown.
        timeout_s: after which a request is given up.
    """

    urls: Sequence[str]
    users: Sequence[int]
    hold_s: float = 60.0
    think_s: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = 30.0
    seed: int = 0

    @property
    def scenario(self) -> str:
        """Traffic mix and think time in words, without queries: they may hold secrets."""
        paths = ", ".join(httpx2.URL(url).path for url in self.urls)
        return f"GET {paths}; {self.think_s:g} s think time"


@dataclass(frozen=True, slots=True)
class Held:
    """What one level gave.

    Attributes:
        requests, good: begun while it was held; answered below status 400.
        p50_ms, p95_ms: of good answers and of those that were given up after the time limit.
        starved: why this is no measurement of the system; None: it is one.
    """

    users: int
    began: datetime
    ended: datetime
    hold_s: float
    requests: int
    good: int
    p50_ms: float
    p95_ms: float
    starved: str | None

    @property
    def success_rate(self) -> float:
        """In percent."""
        return 100 * self.good / self.requests if self.requests else 0.0

    @property
    def throughput(self) -> float:
        """Good answers a second."""
        return self.good / self.hold_s


@dataclass(frozen=True, slots=True)
class Under:
    """How far a level is: for those who watch."""

    users: int
    elapsed_s: float
    whole_s: float
    requests: int


def check(urls: Sequence[str], permitted: str | None) -> None:
    """Load is put on this machine, or on a host whose owner has permitted it.

    Args:
        permitted: the host, as whoever starts the test names it.

    Raises:
        InputError: a URL is none, they are of several origins, or the host is a stranger's.
    """
    origins = set()
    for text in urls:
        try:
            url = httpx2.URL(text)
        except httpx2.InvalidURL:
            url = httpx2.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise InputError(
                "is no URL", place="URL", mend="give one such as http://127.0.0.1:4318/"
            )
        if url.userinfo:
            raise InputError(
                "the URL holds credentials", place=url.host, mend="give them with --headers"
            )
        origins.add((url.scheme, url.host, url.port))
        if not _is_here(url.host) and url.host != permitted:
            raise InputError(
                "a load test of somebody else's system is an attack on it",
                place=url.host,
                mend=f"where its owner permits it, say so: --permitted {url.host}",
            )
    if len(origins) != 1:
        raise InputError("the URLs are of several systems", place="URL", mend="test one at a time")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def run(
    plan: Plan,
    done: Callable[[Held], object] = lambda _: None,
    under: Callable[[Under], object] = lambda _: None,
) -> list[Held]:
    """Hold all levels. Ends early after one at which most answers were bad.

    Args:
        done: told of each level when it is over.
        under: told several times a second how far it is.

    Raises:
        InputError: the plan asks for nothing that can be held.
    """
    if not plan.users or min(plan.users) < 1 or max(plan.users) > MOST_USERS:
        raise InputError(
            f"levels are of 1 to {MOST_USERS:,} users", place="--users", mend="give fewer"
        )
    if plan.hold_s <= 0 or plan.think_s < 0:
        raise InputError("times are positive", place="--hold and --think", mend="--hold 60")
    return asyncio.run(_run(plan, done, under))


async def _run(
    plan: Plan, done: Callable[[Held], object], under: Callable[[Under], object]
) -> list[Held]:
    trusted = httpx2.create_ssl_context(trust_env=False)
    found = []
    for nth, users in enumerate(plan.users):
        chance = random.Random(f"{plan.seed} {nth}")  # noqa: S311 - think times, no secret
        held = await _Level(plan, users, trusted, chance).hold(under)
        found.append(held)
        done(held)
        if held.good < _COLLAPSED * held.requests or not held.requests:
            break
    return found


@dataclass(slots=True)
class _Answer:
    began: float
    took: float
    good: bool
    late: bool


class _Level:
    """One level while it is held."""

    def __init__(self, plan: Plan, users: int, trusted: Any, chance: random.Random) -> None:
        self._plan, self._users, self._trusted, self._chance = plan, users, trusted, chance
        self._answers: list[_Answer] = []
        self._late: list[float] = []

    async def hold(self, under: Callable[[Under], object]) -> Held:
        plan = self._plan
        ramp = min(_RAMP_SHARE * plan.hold_s, _MOST_RAMP_S)
        begun = time.monotonic()
        starts, ends = begun + ramp, begun + ramp + plan.hold_s
        began = datetime.now(UTC)
        watch = asyncio.create_task(self._watch(begun, ends, under))
        users = [
            asyncio.create_task(self._user(begun + ramp * nth / self._users, ends, nth))
            for nth in range(self._users)
        ]
        cpu, wall = time.process_time(), time.monotonic()
        try:
            await asyncio.sleep(max(0.0, ends - time.monotonic()))
            busy = (time.process_time() - cpu) / (time.monotonic() - wall)
            await asyncio.gather(*users)
        finally:
            for task in (*users, watch):
                task.cancel()
            await asyncio.gather(*users, watch, return_exceptions=True)
        return self._held(began, [a for a in self._answers if starts <= a.began < ends], busy)

    async def _user(self, starts: float, ends: float, nth: int) -> None:
        """Asks until the end of the level; what it has begun by then it waits for."""
        plan = self._plan
        transport = httpx2.AsyncHTTPTransport(verify=self._trusted, trust_env=False)
        async with httpx2.AsyncClient(
            transport=transport, timeout=plan.timeout_s, headers=dict(plan.headers),
            trust_env=False, follow_redirects=False,
        ) as client:  # fmt: skip
            await asyncio.sleep(max(0.0, starts - time.monotonic()))
            while (now := time.monotonic()) < ends:
                good, late = await self._ask(client, plan.urls[nth % len(plan.urls)])
                self._answers.append(_Answer(now, time.monotonic() - now, good, late))
                nth += 1
                think = self._chance.expovariate(1 / plan.think_s) if plan.think_s else 0.0
                if time.monotonic() + think >= ends:
                    return
                await asyncio.sleep(think)

    async def _ask(self, client: httpx2.AsyncClient, url: str) -> tuple[bool, bool]:
        """Whether the answer was good, and whether it was given up for being late."""
        try:
            async with asyncio.timeout(self._plan.timeout_s):
                answer = await client.get(url)
        except (TimeoutError, httpx2.TimeoutException):
            return False, True
        except httpx2.TransportError:
            return False, False
        return answer.status_code < httpx2.codes.BAD_REQUEST, False

    async def _watch(self, begun: float, ends: float, under: Callable[[Under], object]) -> None:
        """Notes how late the generator itself wakes up."""
        with suppress(asyncio.CancelledError):
            for nth in count():
                asked = time.monotonic()
                await asyncio.sleep(_WATCH_S)
                now = time.monotonic()
                if now < ends:
                    self._late.append(now - asked - _WATCH_S)
                if nth % _TELL == 0:
                    under(Under(self._users, now - begun, ends - begun, len(self._answers)))

    def _held(self, began: datetime, answers: Sequence[_Answer], busy: float) -> Held:
        told = sorted(1000 * a.took for a in answers if a.good or a.late)
        p95 = _quantile(told, 0.95)
        late = _quantile(sorted(self._late), 0.95)
        starved = None
        if busy > _BUSY:
            starved = f"the generator used {busy:.0%} of its processor"
        elif late > max(_LATE_S, _LATE_SHARE * p95 / 1000):
            starved = f"the generator itself was {1000 * late:.0f} ms late (95 % within)"
        return Held(
            self._users, began, datetime.now(UTC), self._plan.hold_s, len(answers),
            sum(answer.good for answer in answers), _quantile(told, 0.5), p95, starved,
        )  # fmt: skip


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def facts(
    found: Sequence[Held], plan: Plan, test_id: str, release: str, *, production_like: bool
) -> list[dict[str, Any]]:
    """`load_test` rows of the levels that are measurements of the system."""
    return [
        {
            "fact": "load_test", "test_id": test_id, "started_at": held.began.isoformat(),
            "ended_at": held.ended.isoformat(), "release_version": release,
            "scenario": plan.scenario, "concurrent_users": held.users,
            "hold_s": int(held.hold_s), "requests": held.requests,
            "p95_ms": round(held.p95_ms, 3), "success_rate": round(held.success_rate, 4),
            "production_like": production_like, "source": "hub",
        }
        for held in found
        if held.starved is None and held.requests
    ]  # fmt: skip
