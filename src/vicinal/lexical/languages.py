"""Languages: their commonest words, and which one a text is probably written in.

The commonest words of a language say little about what a text is about and much about its language. They are kept in
the index (phrases need them) and left out of questions that have other words.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain
from typing import Final

DEFAULT: Final = "en"
SAMPLE_WORDS = 200
"""Words from which a language is guessed."""
SAMPLE_CHARS = 4000
LEAST_STOPS = 2
LEAST_SHARE = 0.08
"""Stop words, as a share of all words, below which a text speaks no language: a table, code, a list of names."""

NAMES: Final[dict[str, str]] = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish", "no": "Norwegian", "fi": "Finnish", "hu": "Hungarian",
    "ro": "Romanian", "ru": "Russian", "tr": "Turkish", "el": "Greek", "ar": "Arabic", "ta": "Tamil",
}  # fmt: skip
"""Languages with a stemmer, by their code (ISO 639-1)."""

_LISTS: Final[dict[str, str]] = {
    "en": "a about above after again against all also am an and any are as at be because been before being below between "
    "both but by can could did do does doing down during each few for from further had has have having he her here hers "
    "him his how i if in into is it its itself me more most my no nor not of off on once only or other our ours out over "
    "own same she should so some such than that the their theirs them then there these they this those through to too "
    "under until up very was we were what when where which while who whom whose why will with would you your yours "
    "don't doesn't isn't aren't can't",
    "de": "aber als am an auch auf aus bei bin bis das dass dem den der des die dies diese dieser durch ein eine einem "
    "einen einer eines er es für gegen hat hatte ich ihr im in ist kann mit nach nicht noch nur oder ohne sich sie sind "
    "so über um und unter vom von vor war was welche wenn werden wie wir wird wurde zu zum zur",
    "fr": "au aux avec c ce ces cette comme d dans de des du elle elles en est et était eux il ils je l la le les leur lui "
    "ma mais me mes même n ne nous on ont ou où par pas pour qu que qui quel quelle s sa se ses si son sont sur ta te "
    "tu un une vous y à été être",
    "es": "a al como con cuando cuál de del desde donde durante el ella ellos en entre era es esta este está fue ha hasta la "
    "las le les lo los más mi muy no nos o para pero por qué que quién se sin sobre son su sus también te tiene un una "
    "uno y ya",
    "it": "a ad agli ai al alla alle anche che chi ci come con cui da dal dalla degli dei del della delle di dove e ed "
    "era è gli ha hanno i il in io la le lei lo loro ma nel nella non o per perché più qual quale quando questa questo "
    "se si sono su sua suo tra un una uno",
    "pt": "a ao aos as até com como da das de dela dele depois do dos e é ela ele em entre era essa esse esta está este eu "
    "foi isso já lhe mais mas mesmo na nas no nos não o os ou para pela pelo por qual quando que quem se sem ser seu "
    "sua são também um uma você",
    "nl": "aan al als bij dan dat de der deze die dit door een en er ge had heb heeft het hij hoe hun ik in is je kan maar "
    "me meer met mijn naar niet nog nu of om onder ons ook op over te tot u uit van veel voor waar was wat we werd wie "
    "wij worden wordt ze zich zij zijn zo",
    "sv": "alla allt att av blev blir de dem den denna det detta dig du där efter eller en er ett från för ha hade han har "
    "hon hur här i inte jag kan man med men mig min mot mycket ni nu när och om oss på sedan sig sin sitt ska som så till "
    "under upp ut vad var vara vi vid är över",
    "da": "af alle andre at blev bliver da de dem den denne der det dette dig du efter eller en er et for fra får ham han "
    "har have hendes her hos hun hvad hvis hvor hvordan i ikke ind jeg kan man med men mig min ned nogle nu når og også om "
    "op os over på sig sin skal som så til ud under var ved vi vil være",
    "no": "alle at av ble bli de dem den denne der det dette du eller en er et etter for fra før ha hadde han har henne her "
    "hos hun hva hvem hvis hvor hvordan i ikke ingen jeg kan man med meg men min mot må noe nå når og også om opp oss over "
    "på seg sin skal som så til ut var ved vi vil være",
    "fi": "ei ennen että he hän ja joka jos kuin kun kuten mikä minä missä mitä mutta myös ne niin nyt oli olla on ovat "
    "sekä sen se sitä siitä tai tämä tässä vain voi",
    "hu": "a az egy és hogy is nem ez azt ezt de csak mint már meg van volt vagy ki be el fel lesz mi milyen mely amely ha "
    "még minden sem pedig után között szerint",
    "ro": "acest această al ale am ar are au ca care ce cea cel cu cum că de din după el este fi fost în la lui mai nu o "
    "pe pentru prin sau se sunt și să un una unde unui",
    "ru": "а без был была были было быть в вас во вот все вы где да для до его ее если есть еще же за и из или им их к "
    "как какой когда которые который кто ли мы на не него нет но о об он она они от по при с со так то только у уже что "
    "чтобы это этот я",
    "tr": "ama ancak bir bu çok da daha de değil en gibi göre hangi hem her için ile ise kadar ki mi mı ne nerede o olan "
    "olarak sonra şu ve veya ya",
    "el": "από αυτό για δεν είναι ένα ένας η θα και κατά με μια να ο οι όπως που πως σε στη στην στο τα τη την της τι το "
    "τον του τους των ως",
    "ar": "أن إلى التي الذي ان او أو ثم على عن في قد كان كانت كل لا لم ما مع من هذا هذه هو هي و وفي كما بين",
    "ta": "",
}
STOPS: Final[dict[str, frozenset[str]]] = {code: frozenset(words.split()) for code, words in _LISTS.items()}
"""The commonest words of each language, in small letters."""

_SPOKEN_BY: Final[dict[str, tuple[str, ...]]] = {
    word: tuple(code for code in NAMES if word in STOPS[code])
    for words in STOPS.values()
    for word in words
    if len(word) > 1  # one letter is a name, a gene, a variable
}
_SCRIPTS: Final = (
    ("ru", re.compile(r"[\u0400-\u052f]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{2}")),
    ("ar", re.compile(r"[\u0620-\u064a]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
)


def guessed(text: str) -> str | None:
    """Return the code of the language that a text is probably in, None where nothing speaks for one.

    Notes
    -----
    The language with the most stop words among the first 200 words, if they are two at least and one word in twelve
    (words of one letter do not count); the script, where it has a stemmer. Equal counts: the order of ``NAMES``. The same text always gives the same answer.
    """
    words = text[:SAMPLE_CHARS].lower().split(maxsplit=SAMPLE_WORDS)[:SAMPLE_WORDS]
    counts = Counter(chain.from_iterable(_SPOKEN_BY[word] for word in words if word in _SPOKEN_BY))
    if counts:
        best = max(NAMES, key=lambda code: counts[code])  # the first of equals
        if counts[best] >= max(LEAST_STOPS, LEAST_SHARE * len(words)):
            return best
    if text.isascii():
        return None
    return next((code for code, script in _SCRIPTS if script.search(text)), None)
