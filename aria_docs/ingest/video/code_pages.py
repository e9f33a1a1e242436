"""Bytes → text, in whatever encoding they are: UTF-8 and UTF-16 are certain, a code page is told by its letters.

A code page with one byte a letter is judged by how often its language has the letters that it would give: Polish in
the page of Western Europe is full of ³ and ¿. Pages with two bytes a letter are told by charset-normalizer.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import charset_normalizer

if TYPE_CHECKING:
    from collections.abc import Iterator

# Letters above ASCII by how often a language has them, most often first, after the pages that it is written in.
LANGUAGES = """
cp1252 iso8859_15 mac_roman cp850 éèàêçâùôîûëïœ
cp1252 mac_roman cp850      áíóéñúü¿¡
cp1252 mac_roman            ãçáéóêíõúâôà
cp1252 iso8859_15 mac_roman cp850 üäößé
cp1252 mac_roman            äöåé
cp1252 mac_roman            åøæéò
cp1252 mac_roman            èàùòìé
cp1252 mac_roman            éëïèö
cp1252 mac_roman            àéèóíòçúïü·
cp1252                      áíúéóðþöýæ
cp1250 iso8859_2            ęąłóżśćńź
cp1250 iso8859_2            íáéěřýžčšůúťďňó
cp1250 iso8859_2            áíéčýžľšťúôňäóďĺŕ
cp1250                      áéöíőóüúű
cp1250                      ăţîşâ
cp1250 iso8859_2            čšžćđ
cp1254                      ışğüçöİâ
cp1257                      ėšųįžąūčę
cp1257                      āīšēņūļžģčķ
cp1257                      äõüöšž
cp1251 koi8_r cp866 iso8859_5 mac_cyrillic оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё
cp1251 koi8_u               оаніитверлскпудмязбьгчйшхжюцщїєфґ
cp1251                      аоиетнрсвлкпдмзъугбчяйцжхшщюфь
cp1251                      аоиенрјстувкдмплзбгчцшњжћхљђфџ
cp1253                      αοιεητσςνρίλπκμόυάέήδωγχθφβύώξζψϊϋΐΰ
cp1255                      יוהלאתשרבמנכםדקעחזןטפגסצךץףש
cp1256                      اليمنورتبهةعدفسكقحأجشخصضطىذزغإئءظثؤآپچژگ
"""
SIGNS = frozenset("“”„‘’‚‹›«»–—…•°·€£©®™§¿¡\xa0†№♪")  # that stand in texts of any language
SIGN, RARE, FOREIGN = math.log(0.1), math.log(0.001), math.log(0.0002)  # a sign, a letter of others, what is neither
PLAUSIBLE = -3.9  # texts of three lines had -3.4 and more in their own page, those of two bytes a letter -4.4 at most
TWO_BYTES = "cp932 euc_jp gb18030 big5 cp949 cp874".split()


def decode(data: bytes) -> str:
    """The text, without zeros."""
    return _decode(data).replace("\0", "").replace("\ufeff", "")


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return data.decode("utf-32", errors="replace")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    head = data[:1000]
    zeros = Counter(i % 2 for i, byte in enumerate(head) if not byte)
    if sum(zeros.values()) * 8 > len(head):  # digits and arrows in two bytes each
        return data.decode("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be", errors="replace")
    try:
        return data.decode("iso2022_jp" if b"\x1b$B" in data else "utf-8-sig")
    except UnicodeDecodeError:
        mended = data.decode("utf-8", errors="replace")
        n_broken, n_whole = mended.count("\ufffd"), sum(letter > "\x7f" and letter != "\ufffd" for letter in mended)
        return mended if n_broken * 3 < n_whole else data.decode(_code_page(data), errors="replace")


@dataclass(frozen=True, slots=True)
class _Alphabet:
    page: str
    likely: dict[str, float]  # letter → log of how often it is among those above ASCII
    is_latin: bool

    def of(self, words: list[bytes]) -> float:
        """The mean log of how likely the bytes above ASCII are; the others of a word are letters."""
        shares = [share for word in words for share in self._of_word(word.decode(self.page, errors="replace"))]
        return sum(shares) / len(shares)

    def _of_word(self, word: str) -> Iterator[float]:
        for at, letter in enumerate(word):
            if letter <= "\x7f":
                continue
            before, around = word[max(0, at - 1) : at], word[max(0, at - 1) : at] + word[at + 1 : at + 2]
            if letter in SIGNS:
                yield FOREIGN if len(around) == 2 and around.isalpha() and letter not in "’·" else SIGN
            elif not letter.isalpha() or (
                not self.is_latin and ((around and around.isascii()) or (before.islower() and letter.isupper()))
            ):
                yield FOREIGN
            elif self.is_latin and at > 1 and min(word[at - 2 : at]) > "\x7f":  # they stand alone or in twos
                yield RARE
            else:
                yield self.likely.get(letter.lower(), RARE)


@cache
def _alphabets() -> list[_Alphabet]:
    found = []
    for line in LANGUAGES.split("\n"):
        *pages, letters = line.split() or [""]
        often = [math.exp(-4 * rank / len(letters)) for rank in range(len(letters))]
        likely = {letter: math.log(share / sum(often)) for letter, share in zip(letters, often, strict=True)}
        found += [_Alphabet(page, likely, min(letters) < "\u0250") for page in pages]
    return found


def _code_page(data: bytes) -> str:
    words = re.findall(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*", data)[:4000]
    scored = [(alphabet.of(words), alphabet.page) for alphabet in _alphabets()]
    likely, page = max(scored, key=lambda one: one[0])
    in_words = sum(len(run) for word in words for run in re.findall(rb"[\x80-\xff]{3,}", word))
    n_latin = sum(len(re.findall(rb"[A-Za-z]", word)) for word in words)
    if likely > PLAUSIBLE or in_words * 7 <= (in_words + n_latin) * 2:
        return page
    kana = len(re.findall(rb"\xa4[\xa1-\xf3]", data)) * 2
    if kana * 5 > in_words and len(re.findall(rb"[\xa1-\xfe]{2}", data)) * 2 > 0.9 * in_words:
        return "euc_jp"  # there they look like rare signs of Chinese and Korean
    guess = charset_normalizer.from_bytes(data, cp_isolation=TWO_BYTES, threshold=0.6).best()
    return guess.encoding if guess else page
