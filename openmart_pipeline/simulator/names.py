"""The words that made-up people are made of: names with their plain-letter form, and phone numbers.

Only data lives here.
"""

# (as written, as it stands in an address)
FIRST_NAMES = (
    ("Jane", "jane"), ("James", "james"), ("Maria", "maria"), ("José", "jose"), ("Zoë", "zoe"),
    ("Łukasz", "lukasz"), ("Søren", "soren"), ("Anaïs", "anais"), ("Michael", "michael"),
    ("Priya", "priya"), ("Björn", "bjorn"), ("美咲", "misaki"), ("Wei", "wei"), ("Chloé", "chloe"),
    ("Fatima", "fatima"), ("Ольга", "olga"), ("Νίκος", "nikos"), ("Jean-Luc", "jeanluc"),
    ("Siobhán", "siobhan"), ("David", "david"), ("Sarah", "sarah"), ("Mary Ann", "maryann"),
    ("Thành", "thanh"), ("Óscar", "oscar"), ("Emily", "emily"), ("Ahmed", "ahmed"),
    ("Ingrid", "ingrid"), ("Daniel", "daniel"), ("Şebnem", "sebnem"), ("Laura", "laura"),
    ("Žofia", "zofia"), ("Tom", "tom"),
)  # fmt: skip
LAST_NAMES = (
    ("Doe", "doe"), ("Smith", "smith"), ("García", "garcia"), ("Müller", "muller"),
    ("O'Brien", "obrien"), ("Kowalski", "kowalski"), ("Ångström", "angstrom"), ("Nguyễn", "nguyen"),
    ("佐藤", "sato"), ("Li", "li"), ("van der Berg", "vanderberg"), ("Dubois", "dubois"),
    ("Papadopoulos", "papadopoulos"), ("Silva", "silva"), ("Çelik", "celik"), ("Johnson", "johnson"),
    ("Иванова", "ivanova"), ("Hernández", "hernandez"), ("Novák", "novak"),
    ("Smith-Jones", "smithjones"), ("Patel", "patel"), ("Kim", "kim"), ("Haddad", "haddad"),
    ("Rossi", "rossi"), ("Jørgensen", "jorgensen"), ("MacDonald", "macdonald"), ("D'Angelo", "dangelo"),
    ("Lindqvist", "lindqvist"), ("Okafor", "okafor"), ("Weiß", "weiss"), ("Brown", "brown"),
    ("Yıldız", "yildiz"),  # noqa: RUF001  the Turkish letter is the point
)  # fmt: skip

# Prefixes of numbers kept free for fiction (NANP 555-01xx, Ofcom's and the Bundesnetzagentur's drama ranges)
# in the shapes that people's numbers come in; each is completed with two digits.
PHONE_SHAPES = (
    "+1415555{:04d}", "+1212555{:04d}", "+1512555{:04d}", "+1206555{:04d}", "(312) 555-{:04d}",
    "646-555-{:04d}", "+1 (305) 555-{:04d}", "404.555.{:04d}", "+1-617-555-{:04d}", "1 702 555 {:04d}",
    "+442079460{:03d}", "+44 20 7946 0{:03d}", "020 7946 0{:03d}", "+49 30 23125 {:03d}", "+493023125{:03d}",
    "+1 503 555 {:04d} ext. 12",
)  # fmt: skip
FICTIONAL_FROM = 100  # 555-0100 is the first of the hundred numbers that no subscriber gets
LINE_TYPES = ("MOBILE", "MOBILE", "MOBILE", "LANDLINE", "LANDLINE", "VOIP", "MOBILE", "VOIP")
