"""Where the web's letters differ from those of Python's codecs.

Pairs of bytes are compared: those of the Encoding Standard's indexes, and those of Python 3.10 to
3.13. A test compares all pairs with what Chromium makes of them.
"""

from __future__ import annotations

_BIG5 = """\
877a:㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋
8e69:箸 8e6f:簆 8e7e:糎 8eab:緒 8eb4:縝 8ecd:者 8ed0:耨 8f57:菁 8f69:蒨 8f6e:萏 8fcb:覦覩
8ffe:起 906d:都 907a:銹 90dc:靜 90f1:響 91bf:鼖 9244:蔃 92af:兙兛兝兞 92c8:鍮 92d1:瑹 9447:浧
94ca:禛 95d9:邗 9644:靝 96ed:瀞 96fc:嬨 9b76:爁 9b78:矗 9b7b:纇 9bc6:駖 9bde:釔 9bec:惞
9bf6:澶 9c42:輶 9c53:侻 9c62:營 9c68:鄄 9c6b:鷰 9c77:菏 9cbc:尐秣 9cd0:婧 9d57:輋 9d5a:筑
9dc4:拐 9ea9:恢 9eef:痹 9efd:汊 9f60:鬮 9f66:鼗 9fcb:僭 9fd8:弌 a063:蠏 a077:拎 a0d5:瑨
a0df:煢 a0e4:牐 a3c0:␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡€ c6cf:廴 c6d3:无 c6d5:癶
c6d7:隶 c6de:〃仝 fa5f:倩 fa66:偽 fabd:包 fac5:卄 fad5:卿 fb48:嘅 fbb8:婷 fbf3:幵 fbf9:廐
fc4f:彘 fc6c:悤 fcb9:撐 fce2:晴 fcf1:杞 fdb7:沜渝 fdbb:港 fdf1:煮 fe52:猪 fe6f:瑜 feaa:瓩
fedd:砉
"""
_LAST_OF_FIRST_TRAILS, _FIRST_OF_LAST_TRAILS = 0x7E, 0xA1


def _pairs(table: str) -> dict[bytes, str]:
    pairs = {}
    for run in table.split():
        begin, _, letters = run.partition(":")
        lead, trail = bytes.fromhex(begin)
        for letter in letters:
            pairs[bytes((lead, trail))] = letter
            trail = _FIRST_OF_LAST_TRAILS if trail == _LAST_OF_FIRST_TRAILS else trail + 1
    return pairs


BIG5_ADDED = _pairs(_BIG5)
"""Letters of the web's Big5 that ``big5hkscs`` lacks, by their bytes."""

BIG5_OTHERS = dict(zip("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡", strict=True))
"""Letters of ``big5hkscs`` that are others on the web."""

BIG5_RARE = {b"\xa2A": "∕", b"\xa2B": "﹨"}
"""Letters that ``big5hkscs`` confuses with others."""

EUC_JP_OTHERS = dict(zip("〜‖−¢£¬", "～∥－￠￡￢", strict=True))
"""Letters of ``euc_jp`` that are others on the web."""

EUC_JP_RARE = {b"\x8f\xa2\xb7": "～"}
"""Letters that ``euc_jp`` confuses with others."""

GB18030_OTHERS = dict(
    zip(
        "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
        "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
        "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
        "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
        strict=True,
    )
)
"""Letters of ``gb18030`` that are others on the web, which follows the edition of 2022."""

GB18030_RARE = {b"\x81\x35\xf4\x37": "\ue7c7"}
"""Letters that ``gb18030`` confuses with others."""

SHIFT_JIS_OTHERS = dict.fromkeys("\uf8f0\uf8f1\uf8f2\uf8f3", "\ufffd")
"""Letters of ``cp932`` that are wrong bytes on the web."""

SINGLE_BYTES = {
    "koi8-u": {0xAE: "ў", 0xBE: "Ў"},
    "windows-1255": {0xCA: "\u05ba"},
}
"""Letters of encodings of one byte that Python has not or has otherwise."""
