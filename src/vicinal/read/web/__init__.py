"""Web pages as documents: one by its address, or those that a sitemap lists.

Step: 1 of 11, a part of read.
Takes: an address of http or https.
Gives: a document for each page, or that it is what it was.
Never: asks a private machine that nobody named, another host that nobody allowed, or what robots.txt forbids.
"""

from vicinal.read.web.pages import SITEMAP, WEB, read_page, read_sitemap, web_origin

__all__ = ["SITEMAP", "WEB", "read_page", "read_sitemap", "web_origin"]
