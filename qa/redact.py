"""Text → the same text with whatever names or numbers a person masked. Pure functions.

The last line of defence: nothing typed should reach a log at all (docs/architecture.md, "What is
never logged"). What is masked here is what would do most harm if it did.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date

# What people put between the digits of a number.
_GAP = r"[ \-‐‑–—·_]{0,3}"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_LONG_SURNAMES = (
    "欧阳|太史|端木|上官|司马|东方|独孤|南宫|万俟|闻人|夏侯|诸葛|尉迟|公羊|赫连|澹台|皇甫|宗政|濮阳|公冶|太叔|"
    "申屠|公孙|慕容|仲孙|钟离|长孙|宇文|司徒|鲜于|司空|闾丘|令狐"
)
_SURNAME = _LONG_SURNAMES + (
    "|[赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁"
    "韦昌马苗凤花方俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹"
    "姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱"
    "骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀羊惠"
    "甄曲封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘厉戎祖武符刘景詹束龙叶"
    "幸司韶郜黎蓟薄印宿白怀蒲邰从鄂索咸籍赖卓蔺屠蒙池乔阴胥能苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦雍璩桑桂濮牛"
    "寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国文寇广禄阙东殳"
    "沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾毋沙乜养鞠须丰巢关蒯相查后荆红游竺权逯盖益桓公岳帅缑亢况"
    "有琴商牟佘佴伯赏墨哈谯笪年爱阳佟肖付涂闫尧代冼覃农晋楚仉逢]"
)
_TITLE = "(?:先生|女士|小姐|同志|老师|大哥|大姐)"
_PARTY = (
    "(?:被申请人|申请人|被执行人|申请执行人|借款人|共同借款人|担保人|保证人|持卡人|当事人|债务人|欠款人|"
    "联系人|委托人|原告|被告|户名|姓名|我叫|我是|本人)"
)
# Of a few letters; or with a dot in it, as names of many peoples are written in Chinese.
_NAME = rf"(?:(?:{_SURNAME})[ ]?[{_HAN}][ ]?[{_HAN}*]?|[{_HAN}]{{1,12}}·[{_HAN}]{{1,12}})"
_LATIN = r"[A-Za-z]{2,20}(?: [A-Za-z]{2,20}){0,2}"
# Whom letters greet without naming anybody.
_NOBODY = f"(?!客户|用户|会员|{_TITLE}|当事人|法官|持卡人|借款人|被申请人|申请人|领导|各位)"

_YEAR = r"[12一二][ ]?(?:[0-9〇零一二三四五六七八九][ ]?){3}"
_CASE = re.compile(
    rf"(?:[(\[〔【][ ]?{_YEAR}[)\]〕】]|(?<![0-9]){_YEAR}(?!年))[ ]*"
    rf"[{_HAN}][{_HAN}0-9 ]{{1,24}}?[0-9][0-9 ]*号(?:之[一二三四五六七八九十0-9]+)?"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}+ ?@ ?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MOBILE = re.compile(rf"(?<![0-9])(?:\+?(?:00)?86{_GAP})?1{_GAP}[3-9](?:{_GAP}[0-9]){{9}}(?![0-9])")
_LANDLINE = re.compile(
    rf"(?<![0-9])\(?0(?:10|2[0-9]|[3-9][0-9]{{2}})\)?{_GAP}[2-9](?:{_GAP}[0-9]){{6,7}}(?![0-9])"
    "(?:[-转][0-9]{1,5})?"
)
_CALLED = re.compile(
    rf"(?:电话|手机|座机|致电|联系方式)(?:号码?)?[:是为 ]*([2-9](?:{_GAP}[0-9]){{6,7}})(?![0-9])"
)
# The name of a build or a sha256, which may hold digits in a row; letters and digits take turns.
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?=(?:[0-9]+[a-f]+|[a-f]+[0-9]+){2})[0-9a-f]{16}(?:[0-9a-f]{48})?(?![0-9A-Za-z])"
)
# Public hotlines in a row, which guidance prints.
_HOTLINES = re.compile(r"(?<![0-9])[0-9]{5}(?:[ ·-]{1,3}[0-9]{5})+(?![0-9])")
# Matches may overlap: a number may follow another with just a space between.
_IDENTITY = re.compile(rf"(?<![0-9])(?=([1-9](?:{_GAP}[0-9]){{16}}{_GAP}[0-9Xx])(?![0-9]))")
_OLD_IDENTITY = re.compile(rf"(?<![0-9])(?=([1-9](?:{_GAP}[0-9]){{14}})(?![0-9]))")
_CARDS = [
    re.compile(rf"(?<![0-9])(?=([1-9](?:{_GAP}[0-9]){{{digits - 1}}})(?![0-9]))")
    for digits in range(13, 20)
]
_GREETED = re.compile(
    rf"尊敬的[ ]?{_NOBODY}((?:[{_HAN}·* ]{{1,12}}?)(?={_TITLE}|[^{_HAN}·* ]|$)|{_NAME}|{_LATIN})"
)
_NAMED = re.compile(
    rf"{_PARTY}(?:[(][^()]{{0,8}}[)])?(?:[:是为]| )*{_NOBODY}"
    rf"({_NAME}|(?<=:)[ ]?[{_HAN}]{{2,4}}(?![{_HAN}])|{_LATIN})"
)
_TITLED = re.compile(rf"((?:{_SURNAME})[{_HAN}*]{{0,2}}?){_TITLE}")

_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
# GB 11643-1999: the weight of each of the first 17 digits, and the check digit by remainder.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"


def redact(text: str) -> str:
    """Return a text with identity, card, phone and case numbers, e-mail and names masked.

    Each is replaced by what it was, in brackets: ``[电话]``. Full-width forms and digits with
    spaces or dashes between count too; numbers of five digits, as public hotlines have, do not.
    """
    masked: list[str] = []
    done = 0
    for start, end, kind in _merged(sorted(_found(_folded(text)))):
        masked += [text[done:start], f"[{kind}]"]
        done = end
    return "".join([*masked, text[done:]])


def is_identity_number(digits: str) -> bool:
    """Tell whether 18 characters are an identity number.

    It has a date of birth and either the right check digit (GB 11643) or the code of a province:
    one that somebody mistyped names him still.
    """
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=False))
    checked = _CHECK_DIGITS[total % 11] == digits[17].upper()
    return _is_birth_date(digits[6:14]) and (checked or _PROVINCE.match(digits) is not None)


def is_card_number(digits: str) -> bool:
    """Tell whether 13 to 19 digits pass Luhn's check, as the numbers of bank cards do."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_old_identity_number(digits: str) -> bool:
    return _PROVINCE.match(digits) is not None and _is_birth_date(f"19{digits[6:12]}")


def _is_birth_date(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return 1880 <= born.year <= date.today().year


# What a rule finds is masked: its group where it has one. A test may have the last word.
_RULES: list[tuple[str, re.Pattern[str], Callable[[str], bool] | None]] = [
    ("案号", _CASE, None),
    ("邮箱", _EMAIL, None),
    ("身份证号", _IDENTITY, is_identity_number),
    ("身份证号", _OLD_IDENTITY, _is_old_identity_number),
    *(("银行卡号", card, is_card_number) for card in _CARDS),
    ("电话", _MOBILE, None),
    ("电话", _LANDLINE, None),
    ("电话", _CALLED, None),
    ("姓名", _GREETED, None),
    ("姓名", _NAMED, None),
    ("姓名", _TITLED, None),
]


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield what is to be masked: start, end, kind; in no order, and it may overlap."""
    ours = [match.span() for kept in (_HEX, _HOTLINES) for match in kept.finditer(text)]
    for kind, pattern, test in _RULES:
        for match in pattern.finditer(text):
            start, end = match.span(pattern.groups)
            if test is not None and not test(re.sub("[^0-9Xx]", "", text[start:end])):
                continue
            if not any(first <= start and end <= last for first, last in ours):
                yield start, end, kind


def _merged(spans: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Yield sorted spans; those that overlap as one, of the first one's kind."""
    last: tuple[int, int, str] | None = None
    for start, end, kind in spans:
        if last and start < last[1]:
            last = (last[0], max(last[1], end), last[2])
            continue
        if last:
            yield last
        last = (start, end, kind)
    if last:
        yield last


def _folded(text: str) -> str:
    """Return a text of the same length with plain digits, letters and brackets."""
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 else character
