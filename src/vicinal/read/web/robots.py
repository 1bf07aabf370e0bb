"""What a site's robots.txt forbids, read once a run (RFC 9309)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.robotparser import RobotFileParser

from vicinal.read.web.address import Address, ForbiddenError, RefusedError, address_of
from vicinal.read.web.client import AGENT, Client

MOST_BYTES = 512 << 10
MOST_DELAY_S = 10.0
GONE = range(400, 500)
"""Statuses under which a site has no rules."""
GOOD = 200


@dataclass(slots=True)
class Robots:
    """The rules of each site that was asked, and when it was asked last."""

    client: Client
    rules: dict[str, RobotFileParser] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)

    def require(self, address: Address) -> None:
        """Refuse a page that the rules of its site forbid; wait as long as they ask between two pages.

        Raises
        ------
        ForbiddenError
            They forbid it.
        OSError
            The rules cannot be read now: then nothing of the site is.
        """
        rules = self.rules.get(address.site)
        if rules is None:
            rules = self.rules[address.site] = self._read(address)
        if not rules.can_fetch(AGENT, address.url):
            raise ForbiddenError("robots.txt forbids it")
        delay = min(float(rules.crawl_delay(AGENT) or 0), MOST_DELAY_S)
        wait = self.asked.get(address.site, -delay) + delay - time.monotonic()
        if delay and wait > 0:
            time.sleep(wait)
        self.asked[address.site] = time.monotonic()

    def _read(self, address: Address) -> RobotFileParser:
        parser = RobotFileParser()
        try:
            answer = self.client.get(address_of("/robots.txt", address.url), most_bytes=MOST_BYTES)
        except RefusedError:
            parser.parse([])
            return parser
        if answer.status == GOOD:
            parser.parse(answer.body.decode("utf-8-sig", "replace").splitlines())
        elif answer.status in GONE:
            parser.parse([])
        else:
            raise OSError(f"robots.txt of {address.host} gives status {answer.status}")
        return parser
