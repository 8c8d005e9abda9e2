"""Made-up notices about nobody, with everything in them that must not be written down."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from urllib.parse import quote

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
AREAS = ("110105", "310115", "440304", "510107", "330106", "420111", "610113", "230103")
SURNAMES = ("张", "王", "李", "赵", "欧阳", "刘", "陈", "诸葛", "黄", "周", "司马", "吴", "郑")
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰鑫浩宇轩梓涵昊琪萌瑶"
COURTS = ("京0105", "沪0115", "粤0304", "川0107", "浙0106", "鄂0111", "陕0113", "黑0103")
KINDS = ("民诉前调", "民初", "诉前调", "执保", "民特")
WIDE = str.maketrans("0123456789X()", "０１２３４５６７８９Ｘ（）")
# Of letters that no guidance has: a piece of one found anywhere came from a notice.
STREETS = "薜荔葳蕤橐龠罘罳饕餮旖旎鹡鸰螽斯蝼蛄觳觫佶屈聱牙"


@dataclass(frozen=True)
class Notice:
    text: str
    private: tuple[str, ...]  # each as it stands in the text
    unique: str  # a phrase of this notice alone


def identity(random: random.Random) -> str:
    born = f"{random.randint(1950, 2005)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
    digits = f"{random.choice(AREAS)}{born}{random.randint(1, 999):03}"
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True))
    return digits + "10X98765432"[total % 11]


def old_identity(random: random.Random) -> str:
    born = f"{random.randint(50, 99)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
    return f"{random.choice(AREAS)}{born}{random.randint(1, 999):03}"


def card(random: random.Random, length: int = 19) -> str:
    digits = "62" + "".join(str(random.randint(0, 9)) for _ in range(length - 3))
    doubled = [int(d) * (2 - i % 2) for i, d in enumerate(reversed(digits))]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return digits + str(-total % 10)


def mobile(random: random.Random) -> str:
    return f"1{random.choice('3456789')}{random.randint(0, 999999999):09}"


def landline(random: random.Random) -> str:
    area = random.choice(("010", "021", "0755", "028", "0571"))
    return f"{area}-{random.choice('2345678')}{random.randint(0, 9999999):07}"


def name(random: random.Random) -> str:
    return random.choice(SURNAMES) + "".join(random.sample(GIVEN, random.choice((1, 2))))


def email(random: random.Random) -> str:
    return f"u{random.randint(10000, 99999)}.li@mail{random.randint(1, 99)}.example.com"


def case(random: random.Random) -> str:
    number = random.randint(1, 99999)
    return f"({random.randint(2023, 2026)}){random.choice(COURTS)}{random.choice(KINDS)}{number}号"


def written(random: random.Random, number: str) -> str:
    """Return a number as somebody might write it."""
    style = random.randrange(4)
    if style == 0:
        return number.translate(WIDE)
    if style == 1:
        gap = random.choice(" -")
        return gap.join(number[i : i + 4] for i in range(0, len(number), 4))
    return number


def notice(random: random.Random) -> Notice:
    person = name(random)
    number, bank, phone = (written(random, make(random)) for make in (identity, card, mobile))
    court = case(random).translate(WIDE) if random.random() < 0.5 else case(random)
    desk, mail = landline(random), email(random)
    street = "".join(random.sample(STREETS, 8))
    text = (
        f"尊敬的{person}先生，您与花呗的借款纠纷已由调解中心受理，案号{court}。"
        f"被申请人：{person}，身份证号{number}，住{street}路。"
        f"请于三日内联系调解员，电话{desk}，或发邮件到{mail}。"
        f"还款请转入卡号{bank}。我的手机是{phone}，这样的短信要不要回？"
    )
    return Notice(text, (person, number, bank, phone, court, desk, mail, street), street)


def notices(count: int, seed: int = 20261125) -> list[Notice]:
    source = random.Random(seed)
    return [notice(source) for _ in range(count)]


def leaks(where: str, made: list[Notice]) -> list[str]:
    """Return what of some notices stands in a text: private items, or six letters of a phrase."""
    found = []
    where = "\n".join(
        set(re.split(r", |\n", where))
    )  # most of it says the same, and no item has ", "
    for one in made:
        pieces = [one.unique[i : i + 6] for i in range(len(one.unique) - 5)]
        found += [part for part in (*one.private, *pieces) if part in where]
        # As JSON or an address would have them.
        found += [part for part in one.private if part.encode("unicode_escape").decode() in where]
        found += [part for part in one.private if quote(part) in where]
    return found
