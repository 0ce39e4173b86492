"""Ways to people: Apprise speaks the services, and we say where it may go.

Apprise dials by itself. Before it does, every host that a URL names is held against the rules of
calls to the outside; services with a host of their own (Slack, PagerDuty …) are known by Apprise.
Redirects are not followed, and nothing is sent without TLS but to this machine, where that is
allowed.
"""

from __future__ import annotations

import logging
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import httpcore2
from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.logger import logger as apprise_log
from apprise.plugins.email import NotifyEmail

from meterstone.connect.egress import Egress
from meterstone.errors import InputError
from meterstone.notify.letters import NotDelivered, carry

_LOCAL = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"})
"""Services that show something on this machine's own screen or run on it."""
_MAIL_PORTS = (25, 465, 587, 2525)
_TYPES = {"sev1": NotifyType.FAILURE, "sev2": NotifyType.FAILURE, "sev3": NotifyType.WARNING}
_MOST_URL = 2000

apprise_log.setLevel(logging.CRITICAL)  # what it logs may hold parts of a URL


class Ways:
    """Checks URLs of services and sends over them.

    Args:
        egress: which addresses may be called; ports of mail are allowed beside those of https.
        public_url: named in messages as where they come from.
    """

    def __init__(self, egress: Egress, public_url: str = "") -> None:
        self._egress = egress.with_ports(_MAIL_PORTS)
        self._asset = AppriseAsset(
            app_id="Meterstone", app_desc="Meterstone", app_url=public_url, http_redirects=False,
            secure_logging=True, async_mode=False,
        )  # fmt: skip

    def way(self, url: str) -> str:
        """The kind of service of a URL.

        Raises:
            InputError: it is none that can be used; nothing of it is told.
        """
        self._check(self._service(url))
        return url.partition("://")[0].lower()

    def send(self, url: str, title: str, body: str, severity: str = "") -> None:
        """Send a message.

        Raises:
            InputError: the URL cannot be used any more.
            NotDelivered: the service did not take it.
        """
        service = self._service(url)
        self._check(service)
        kind = _TYPES.get(severity, NotifyType.INFO)
        sender = Apprise(asset=self._asset)
        sender.add(service)
        if not sender.notify(
            body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
        ):
            raise NotDelivered(
                "the service did not take the message",
                place=str(service.service_name),
                mend="send a test, and look at the service's own log",
            )

    def mail(self, url: str, letter: EmailMessage, key: str, at: datetime) -> bool:
        """Send a letter as it is, where the URL is one of mail; False: it is not.

        Args:
            letter: without sender, receivers, date and id: these are given here.
            key: the same for the same letter: by it a mail program knows one that came twice.
            at: its date.

        Raises:
            InputError: the URL cannot be used any more.
            NotDelivered: the mail server did not take it.
        """
        service = self._service(url)
        if not isinstance(service, NotifyEmail):
            return False
        self._check(service)
        carry(service, letter, key, at)
        return True

    def _service(self, url: str) -> Any:
        schema = url.partition("://")[0].lower()
        if len(url) > _MOST_URL or not url.isprintable() or "://" not in url:
            raise _no_way("is no URL of a notification service")
        if schema in _LOCAL:
            raise _no_way(f"{schema} shows messages on the server's own screen")
        service = Apprise.instantiate(url, asset=self._asset, suppress_exceptions=True)
        if service is None:
            raise _no_way("is no URL of a notification service that is complete")
        return service

    def _check(self, service: Any) -> None:
        """Refuse hosts that may not be called.

        Raises:
            InputError: (`EgressRefused`) it is one of the own network.
        """
        tokens = type(service).template_tokens
        host = getattr(service, "smtp_host", None) or (
            service.host if "host" in tokens and isinstance(service.host, str) else None
        )
        if not host:
            return
        port = service.port or (443 if service.secure else 80)
        try:
            found = self._egress.addresses(host, port)
        except httpcore2.ConnectError as error:
            raise NotDelivered(
                "the host is not known", place=host, mend="look at its name"
            ) from error
        if not service.secure and not any(each.is_loopback for each in found):
            raise _no_way("sends without TLS")


def _no_way(cause: str) -> InputError:
    return InputError(
        cause,
        place="URL",
        mend="write one of https://github.com/caronc/apprise/wiki, such as mailtos://… or slack://…",
    )
