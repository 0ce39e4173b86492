"""All of the people's side of a home, put together."""

from __future__ import annotations

from starlette.types import ASGIApp

from meterstone.ledger import Ledger
from meterstone.people.cache import Cache
from meterstone.people.desk import Desk
from meterstone.people.directory import Directory
from meterstone.people.entrance import Entrance
from meterstone.people.guard import Guard
from meterstone.people.links import Links
from meterstone.people.oidc import ProviderSignIn
from meterstone.people.oidc_provider import IdentityProvider
from meterstone.people.passwords import Passwords
from meterstone.people.refusals import Refuse, as_problem
from meterstone.people.sessions import Sessions
from meterstone.people.tokens import Tokens

CALLBACK = "/login/provider/callback"
"""Where a provider sends people back."""


class House:
    """Who may come in, and how.

    Args:
        ledger: of the home.
        passwords: hashes and checks them.
        provider: at which people may sign in; None: there is none.
    """

    def __init__(
        self,
        ledger: Ledger,
        passwords: Passwords | None = None,
        provider: IdentityProvider | None = None,
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        passwords = passwords or Passwords()
        cache = Cache(ledger.now)
        self.desk = Desk()
        self.sessions = Sessions(ledger, cache)
        self.tokens = Tokens(ledger, cache)
        self.entrance = Entrance(ledger, self.sessions, passwords)
        self.links = Links(ledger, self.sessions, passwords, cache)
        self.directory = Directory(ledger, passwords, cache)

    def at_provider(self, public_url: str) -> ProviderSignIn | None:
        """Sign-in at the identity provider; None: there is none.

        Args:
            public_url: how people call us; the provider sends them back below it.
        """
        if self._provider is None:
            return None
        back = f"{public_url}{CALLBACK}"
        return ProviderSignIn(self._ledger, self.sessions, self._provider, back)

    def guard(self, app: ASGIApp, public_url: str, refuse: Refuse = as_problem) -> Guard:
        """The application behind the guard.

        Args:
            public_url: how people call us.
            refuse: makes the page where a person is refused.
        """
        return Guard(
            app, sessions=self.sessions, tokens=self.tokens, public_url=public_url, refuse=refuse
        )
