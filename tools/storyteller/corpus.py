"""Writes the training corpus: small stories, and chats in which they are asked for.

Everything is drawn from a seeded generator, so the same seed gives the same text on every machine:
document number `i` depends on the seed and on `i` alone, which also lets several processes share
the work. Only `random.random()` is used, the one method whose sequence Python promises to keep.

A few (hero, place, thing) triples are held out, by a hash of the three words. They never occur
together in a training story, so the stories told about them show what the model has learned rather
than what it has memorised.

Run `python corpus.py` for a handful of samples.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))  # so that it imports from a test or another folder

import chat
import plots
import words
from plots import PLOTS, Plot
from words import HEROES, PLACES, THINGS, Hero, Place, Thing

T = TypeVar("T")
HELD_OUT_ONE_IN = 50
Message = dict[str, str]


class Dice:
    """The few random choices the generator needs, all built on `random()`."""

    def __init__(self, *seed: object) -> None:
        self.random = random.Random(":".join(map(str, seed))).random

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]


def held_out(hero: str, place: str, thing: str) -> bool:
    """Whether this triple is kept out of training. A hash, so no list has to be kept."""
    digest = hashlib.sha256(f"{hero}|{place}|{thing}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0


def article(phrase: str) -> str:
    """The phrase with "a" or "an" in front: "an owl", "a unicorn", "an honest man"."""
    word = phrase.lower()
    vowel = word[0] in "aeiou" and not word.startswith(("uni", "use", "eu", "one-"))
    return ("an " if vowel or word.startswith(("honest", "hour")) else "a ") + phrase


def join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


# --- who, where and what -------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """Everything a story is about, settled before the first word is written."""

    hero: Hero
    place: Place
    thing: Thing
    gender: str  # "m" or "f"; "" for a helper, who has no pronoun
    name: str = ""
    hero_adjective: str = ""
    hero_color: str = ""
    place_adjective: str = ""
    thing_adjective: str = ""

    @property
    def triple(self) -> tuple[str, str, str]:
        return self.hero.noun, self.place.noun, self.thing.noun

    @property
    def hero_words(self) -> str:
        return join(self.hero_adjective, self.hero_color, self.hero.noun)

    @property
    def thing_words(self) -> str:
        return join(self.thing_adjective, self.thing.noun)

    @property
    def place_words(self) -> str:
        return join(self.place_adjective, self.place.noun)

    def a_hero(self) -> str:
        return article(self.hero_words)

    def a_place(self) -> str:
        return f"the {self.place.noun}" if self.place.definite else article(self.place_words)

    def a_thing(self) -> str:
        if not self.thing.plural:
            return article(self.thing_words)
        return ("a pair of " if self.thing.pair else "some ") + self.thing_words


def invented_word(dice: Dice) -> str:
    """A word that does not exist. It can only be told of by copying it, which is its purpose."""
    onsets = "b br c ch d dr f fl g gr h j k kl l m n p pl r s sh sn st t tr v w z".split()
    vowels = "a e i o u a e i o oo ee ai".split()
    codas = "n r l m t k p s x nd lk rt ".split(" ")
    word = dice.pick(onsets) + dice.pick(vowels) + dice.pick(codas)
    while len(word) < 5 or dice.chance(0.3):
        word += dice.pick(onsets) + dice.pick(vowels) + dice.pick(codas)
    return word


def rare(dice: Dice, known: Sequence[str]) -> str:
    return invented_word(dice) if dice.chance(0.4) else dice.pick(known).replace("-", " ")


def any_hero(dice: Dice, asked: bool) -> Hero:
    if asked and dice.chance(0.12):
        kind = dice.pick(["fur", "bird", "small", "adult", "adult", "magic"])
        noun = rare(dice, words.RARE_HEROES[kind])
        return Hero(noun, kind, words.RARE_GENDERS.get(noun, ""))
    return dice.pick(HEROES)


def any_place(dice: Dice, asked: bool) -> Place:
    if asked and dice.chance(0.12):
        noun = rare(dice, words.RARE_PLACES)
        prep = "at" if noun in words.RARE_OPEN_PLACES else "in"
        return Place(noun, prep, words.ANYWHERE_DETAILS, words.ANYWHERE_SPOTS)
    return dice.pick(PLACES)


def any_thing(dice: Dice, asked: bool) -> Thing:
    if asked and dice.chance(0.15):
        roll = dice.random()
        if roll < 0.1:
            return Thing(dice.pick(words.RARE_FRUIT), "fruit")
        if roll < 0.16:
            return Thing(dice.pick(words.RARE_RIDES), "ride")
        return Thing(rare(dice, words.RARE_THINGS), "misc")
    return dice.pick(THINGS)


_YOUNG = {"kitten", "puppy", "duckling", "child", "girl", "boy", "schoolgirl", "schoolboy"}
_LARGE = {"giant", "elephant", "dragon", "bear", "horse", "cow", "lion", "tiger"}


def hero_adjective(dice: Dice, hero: Hero, adjectives: dict[str, list[str]]) -> str:
    adjective = dice.pick(adjectives[hero.kind])
    if (adjective == "old" and hero.noun in _YOUNG) or (
        adjective == "tiny" and hero.noun in _LARGE
    ):
        return "curious"
    return adjective


def make_name(dice: Dice, gender: str) -> str:
    if dice.chance(0.1):
        return invented_word(dice).capitalize()
    return dice.pick(words.NAMES_F if gender == "f" else words.NAMES_M)


def draw_cast(
    dice: Dice,
    *,
    hero: Hero | None = None,
    place: Place | None = None,
    thing: Thing | None = None,
    asked: frozenset[str] = frozenset(),
) -> Cast:
    """Draws whatever is not given, never a held-out triple. `asked` lists what was asked for."""
    while True:
        the_hero = hero or any_hero(dice, "hero" in asked)
        the_place = place or any_place(dice, "place" in asked)
        the_thing = thing or any_thing(dice, "thing" in asked)
        if held_out(the_hero.noun, the_place.noun, the_thing.noun):
            if hero and place and thing:
                raise ValueError("this triple is held out")
            continue
        if len({the_hero.noun, the_place.noun, the_thing.noun}) == 3:
            break
    return dress(dice, the_hero, the_place, the_thing)


def dress(dice: Dice, hero: Hero, place: Place, thing: Thing) -> Cast:
    """Adds a name and adjectives to the bare triple."""
    gender = hero.gender or dice.pick("mf")
    adjective = hero_adjective(dice, hero, words.HERO_ADJECTIVES) if dice.chance(0.6) else ""
    colors = words.HERO_COLORS[hero.kind]
    color = dice.pick(colors) if colors and dice.chance(0.18) else ""
    if color == "tin" and hero.kind != "robot":
        color = ""
    plain_place = place.definite or place.noun in words.PLACES_WITHOUT_ADJECTIVES
    place_adjective = "" if plain_place or dice.chance(0.7) else dice.pick(words.PLACE_ADJECTIVES)
    if place_adjective == "old" and place.noun in words.NATURE:
        place_adjective = "quiet"
    thing_adjective = dice.pick(words.THING_ADJECTIVES[thing.category]) if dice.chance(0.5) else ""
    if thing_adjective.split("en")[0] in thing.noun:  # "a golden golden egg", "a woolen wool hat"
        thing_adjective = ""
    return Cast(
        hero,
        place,
        thing,
        gender,
        make_name(dice, gender) if dice.chance(0.45) else "",
        adjective,
        color,
        place_adjective,
        thing_adjective,
    )


# --- from a plot to a story ----------------------------------------------------------------------

_CHOICE = re.compile(r"\[([^\[\]]*)\]")  # the innermost [a|b]
_SLOT = re.compile(r"\{(\^?)(\w+)\}")
_SENTENCE_START = re.compile(r'(^"?|[.!?] "?|[.!?]" (?="))([a-z])')
_PRONOUNS = {
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
}
NEAR = ["near", "near", "close to", "next to", "near", "not far from"]
_NEAR_SPECIAL = {"attic": "below", "kitchen": "next door to", "valley": "above"}
_HANDS = {"fur": "paws", "bird": "wings"}


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@dataclass
class Teller:
    """Fills the slots of one plot for one cast."""

    dice: Dice
    cast: Cast
    helper: Cast
    definite: bool = False  # "The fox lived …" rather than "A fox lived …"
    spot: str = ""
    detail: str = ""
    helper_seen: bool = field(default=False, init=False)

    def slot(self, key: str) -> str:
        dice, cast, helper = self.dice, self.cast, self.helper
        thing, place = cast.thing, cast.place
        pronouns = _PRONOUNS[cast.gender]
        if key in pronouns:
            return pronouns[key]
        match key:
            case "aH":
                first = f"the {cast.hero_words}" if self.definite else cast.a_hero()
                if cast.name:
                    first += f" {dice.pick(['named', 'named', 'called'])} {cast.name}"
                return first
            case "H":
                if cast.name and dice.chance(0.65):
                    return cast.name
                passing = cast.hero_adjective in words.PASSING_MOODS
                adjective = cast.hero_adjective if not passing and dice.chance(0.2) else ""
                return join("the", adjective, cast.hero.noun)
            case "ah":  # in a few plots an earlier step may have brought the helper in already
                first, self.helper_seen = not self.helper_seen, True
                return helper.a_hero() if first else f"the {helper.hero.noun}"
            case "h":
                adjective = helper.hero_adjective if dice.chance(0.15) else ""
                return join("the", adjective, helper.hero.noun)
            case "hn":
                return helper.hero.noun
            case "hands" | "hhands":
                owner = cast.hero if key == "hands" else helper.hero
                return _HANDS.get(owner.kind, "hands")
            case "aT":
                return cast.a_thing()
            case "bareT":
                return cast.thing_words if thing.plural else article(cast.thing_words)
            case "T":
                keep = cast.thing_adjective not in ("lost", "strange") and dice.chance(0.25)
                return join("the", cast.thing_adjective if keep else "", thing.noun)
            case "it":
                return "them" if thing.plural else "it"
            case "itS":
                return "they" if thing.plural else "it"
            case "its":
                return "their" if thing.plural else "its"
            case "was":
                return "were" if thing.plural else "was"
            case "is":
                return "are" if thing.plural else "is"
            case "wasA":  # beside "a pair of boots" rather than "the boots"
                return "were" if thing.plural and not thing.pair else "was"
            case "play":
                return thing.verb
            case "aP":
                return cast.a_place()
            case "P":
                passing = cast.place_adjective in words.LONELY_PLACES
                adjective = cast.place_adjective if not passing and dice.chance(0.2) else ""
                return join("the", adjective, place.noun)
            case "inaP":
                return f"{place.prep} {cast.a_place()}"
            case "inP":
                return f"{place.prep} the {place.noun}"
            case "liveP" | "byP":
                near = dice.pick(NEAR if key == "liveP" else NEAR[:-1])
                return f"{_NEAR_SPECIAL.get(place.noun, near)} {cast.a_place()}"
            case "det":
                return self.detail
            case "spot":
                return self.spot
            case "sit":  # somebody can sit there: beside the sand, not under it
                seats = [s for s in place.spots if s.startswith(("behind", "beside", "at"))]
                return self.spot if self.spot in seats or not seats else dice.pick(seats)
            case "spot2":  # after "from": "from behind the stairs", never "from in a cave"
                start = self.spot.split()[0]
                return self.spot if start in ("behind", "under", "below") else "around the corner"
            case _:
                return self.by_category(key)

    def by_category(self, key: str) -> str:
        table: dict[str, plots.Step] = getattr(plots, key.upper())
        category = self.cast.thing.category
        if category == "fruit" and "fruit" not in table and key not in ("make", "mend"):
            category = "food"
        options = table.get(category, ())
        if key == "dear" or category not in table:
            options += table.get("*", ()) if category not in ("food", "fruit") else ()
            options = options or table["*"]
        return self.fill(self.dice.pick(options))

    def fill(self, template: str) -> str:
        while "[" in template:
            template = _CHOICE.sub(lambda m: self.dice.pick(m[1].split("|")), template)
        return _SLOT.sub(lambda m: capital(self.slot(m[2])) if m[1] else self.slot(m[2]), template)

    def sentence(self, step: plots.Step) -> str:
        template = self.dice.pick(step)
        if template.startswith("~"):
            if template == "~" or self.dice.chance(0.5):
                return ""
            template = template[1:]
        return _SENTENCE_START.sub(lambda m: m[1] + m[2].upper(), self.fill(template))

    def trait(self) -> str:
        """A line that fits the hero, if there is one: not every adjective has its own."""
        options = plots.TRAITS.get(self.cast.hero_adjective, ())
        options += plots.TRAITS.get(self.cast.hero.noun, ())
        return self.sentence(options) if options else ""

    def story(self, plot: Plot) -> str:
        paragraphs = []
        for steps in plot.paragraphs:
            sentences = [self.sentence(step) for step in steps]
            if not paragraphs and self.dice.chance(0.5):
                sentences.insert(1, self.trait())
            paragraphs.append(" ".join(s for s in sentences if s))
        return "\n\n".join(paragraphs)


def fits(plot: Plot, cast: Cast) -> bool:
    category = cast.thing.category
    if plot.cats and category not in plot.cats:
        return False
    if category in plot.not_cats or (category == "fruit" and "food" in plot.not_cats):
        return False
    if plot.indoors and cast.place.noun not in words.INDOORS:
        return False
    if plot.breaks and cast.thing.noun in words.UNBREAKABLE:
        return False
    if cast.place.noun in plot.not_places or cast.thing.noun in plot.not_things:
        return False
    if cast.thing_adjective == "lost" and not plot.lost_ok:
        return False
    return cast.hero_adjective not in plot.not_hero


# Not the ones that may be meant by other words of a story ("his grandmother", "asked a child").
_HELPERS = [
    h
    for h in HEROES
    if h.noun not in ("child", "man", "woman", "ghost", "grandmother", "grandfather")
]


def draw_helper(dice: Dice, cast: Cast) -> Cast:
    while True:
        hero = dice.pick(_HELPERS)
        # A schoolgirl beside a girl, or a bear beside a teddy bear, would be hard to tell apart.
        if not any(hero.noun in noun or noun in hero.noun for noun in cast.triple):
            break
    choose = dice.chance(0.45) and words.HELPER_ADJECTIVES[hero.kind]
    adjective = hero_adjective(dice, hero, words.HELPER_ADJECTIVES) if choose else ""
    return Cast(hero, cast.place, cast.thing, hero.gender, hero_adjective=adjective)


def draw_detail(dice: Dice, cast: Cast) -> str:
    """Something that is true of the place, and of the adjective it has got."""
    details: Sequence[str] = cast.place.details
    if cast.place_adjective in words.LONELY_PLACES:
        details = [d for d in details if not any(crowd in d for crowd in words.CROWDS)]
    return dice.pick(details)


def draw_spot(dice: Dice, cast: Cast) -> str:
    """Where the thing can lie hidden, given its size."""
    spots: Sequence[str] = cast.place.spots
    if cast.thing.category == "ride" or cast.thing.noun in words.BULKY:
        spots = [s for s in spots if s.startswith(("behind", "beside"))] or spots
    return dice.pick(spots)


_OVERUSED = {"practice": 0.3, "strange music": 0.4, "locked door": 1.5}


def write_story(dice: Dice, cast: Cast, *, definite: bool = False, not_plot: str = "") -> str:
    """One story for this cast. Redrawn until hero, place and thing are each named twice."""
    choices = [p for p in PLOTS if fits(p, cast) and p.name != not_plot]
    if not choices:  # a "lost" cake, say: no plot has one, so any plot for a cake will do
        choices = [p for p in PLOTS if fits(p, without_adjectives(cast))]
    while True:
        plot = dice.pick(choices)
        if not dice.chance(_OVERUSED.get(plot.name, 1.0)):
            continue
        teller = Teller(dice, cast, draw_helper(dice, cast), definite)
        teller.spot = draw_spot(dice, cast)
        teller.detail = draw_detail(dice, cast)
        text = teller.story(plot)
        heroes = text.count(cast.hero.noun) + (text.count(cast.name) if cast.name else 0)
        if (
            heroes >= 3
            and text.count(cast.place.noun) >= 2
            and text.count(cast.thing.noun) >= 3
            and 70 <= len(text.split()) <= 165
        ):
            return text


def without_adjectives(cast: Cast) -> Cast:
    return Cast(cast.hero, cast.place, cast.thing, cast.gender, cast.name)


# --- asking for stories --------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """One training document: a plain text, or the messages of a chat."""

    text: str = ""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """A request, the story that answers it, and what the story had to contain."""

    request: str
    story: str
    cast: Cast
    asked: frozenset[str]


_ASKED = (
    ["hero place thing"] * 60
    + ["hero place"] * 9
    + ["hero thing"] * 7
    + ["place thing"] * 4
    + ["hero"] * 9
    + ["place"] * 3
    + ["thing"] * 3
    + [""] * 7
)


def word_request(dice: Dice, cast: Cast, asked: frozenset[str]) -> tuple[str, Cast]:
    """The reader's words, and the cast as those words describe it.

    An adjective that the reader does not say is free; one that is said must be used.
    """
    name_only = "hero" in asked and cast.hero.kind == "child" and cast.name and dice.chance(0.3)
    if name_only:
        hero = cast.name
    elif "hero" in asked and cast.name and dice.chance(0.2):
        hero = f"{cast.a_hero()} {dice.pick(['named', 'called'])} {cast.name}"
    else:
        hero = cast.a_hero()
    place, thing = cast.a_place(), cast.a_thing()
    if cast.thing.plural and not cast.thing.pair and dice.chance(0.5):
        thing = cast.thing_words
    if dice.chance(0.1):
        thing = f"the {cast.thing_words}"
    if dice.chance(0.1):
        place = f"the {cast.place_words}"
    slots = {
        "hero": hero,
        "place": place,
        "thing": thing,
        "in_place": f"{cast.place.prep} {place}",
        "bare_hero": cast.name if name_only else cast.hero_words,
        "bare_place": cast.place_words,
        "bare_thing": cast.thing_words,
    }
    key = " ".join(part for part in ("hero", "place", "thing") if part in asked)
    request = dice.pick(chat.REQUESTS[key]).format(**slots)
    if dice.chance(0.15):
        request = dice.pick(chat.POLITE_STARTS) + request[0].lower() + request[1:]
        request = request.rstrip(".") + "?"
    elif dice.chance(0.12):
        request = request.rstrip(".?!") + ", please."
    if dice.chance(0.25):
        request = request.rstrip(".")
    if dice.chance(0.15):
        request = request.lower()
    return request, cast


def exchange(dice: Dice, asked: frozenset[str] | None = None) -> Exchange:
    asked = frozenset(dice.pick(_ASKED).split()) if asked is None else asked
    cast = draw_cast(dice, asked=asked)
    request, cast = word_request(dice, cast, asked)
    return Exchange(request, write_story(dice, cast), cast, asked)


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def small_talk(dice: Dice) -> list[Message]:
    questions, answers = dice.pick(chat.SMALL_TALK)
    question = dice.pick(questions)
    if dice.chance(0.2):
        question = question.lower().rstrip(".!?")
    return [user(question), assistant(dice.pick(answers))]


def follow_up(dice: Dice, last: Exchange) -> list[Message]:
    """A second turn after a story."""
    cast = last.cast
    roll = dice.random()
    if roll < 0.3:
        cast = draw_cast(dice)
        return [user(dice.pick(chat.ANOTHER)), assistant(write_story(dice, cast))]
    if roll < 0.5:
        return [user(dice.pick(chat.AGAIN)), assistant(write_story(dice, cast))]
    if roll < 0.75:
        cast = draw_cast(dice, asked=frozenset({"hero"}))
        request = dice.pick(chat.NOW_ABOUT).format(hero=cast.a_hero())
        return [user(request), assistant(write_story(dice, cast))]
    if roll < 0.85:
        teller = Teller(dice, cast, draw_helper(dice, cast))
        teller.spot = draw_spot(dice, cast)
        teller.detail = draw_detail(dice, cast)
        epilogue = " ".join(teller.sentence(step) for step in chat.EPILOGUE)
        return [user(dice.pick(chat.AND_THEN)), assistant(epilogue)]
    return [user(dice.pick(chat.THANKS)), assistant(dice.pick(chat.WELCOME))]


def continued(dice: Dice) -> list[Message]:
    """The reader gives the first words; the answer starts with them."""
    cast = draw_cast(dice)
    story = write_story(dice, cast, definite=dice.chance(0.2))
    start = story.split(".")[0].split()
    cut = 4 + int(dice.random() * (len(start) - 4)) if len(start) > 5 else len(start)
    request = dice.pick(chat.CONTINUE).format(start=" ".join(start[:cut]))
    return [user(request), assistant(story)]


def document(seed: int, number: int) -> Document:
    """Document `number` of the corpus with this seed."""
    dice = Dice(seed, number)
    roll = dice.random()
    if roll < 0.2:
        cast = draw_cast(dice, asked=frozenset({"hero"}) if dice.chance(0.3) else frozenset())
        return Document(text=write_story(dice, cast, definite=dice.chance(0.15)))
    messages: list[Message] = []
    if dice.chance(0.15):
        messages.append({"role": "system", "content": dice.pick(chat.SYSTEM)})
    if roll < 0.26:
        messages += small_talk(dice)
        if dice.chance(0.4):
            messages += small_talk(dice)
        elif dice.chance(0.4):
            told = exchange(dice)
            messages += [user(told.request), assistant(told.story)]
    elif roll < 0.30:
        messages += continued(dice)
    else:
        told = exchange(dice)
        messages += [user(told.request), assistant(told.story)]
        if dice.chance(0.15):
            messages += follow_up(dice, told)
    return Document(messages=tuple(messages))


def documents(seed: int, start: int, stop: int) -> Iterator[Document]:
    for number in range(start, stop):
        yield document(seed, number)


def unseen_casts(seed: int, count: int) -> list[Cast]:
    """Held-out triples for judging the model: bare words, as a newcomer would type them."""
    dice = Dice(seed, "unseen")
    casts: list[Cast] = []
    while len(casts) < count:
        hero, place, thing = dice.pick(HEROES), dice.pick(PLACES), dice.pick(THINGS)
        if held_out(hero.noun, place.noun, thing.noun):
            casts.append(dress(dice, hero, place, thing))
    return casts


def render(doc: Document) -> str:
    """The document as people read it; the tokenizer adds the special tokens itself."""
    if doc.text:
        return doc.text
    return "\n".join(f"<{m['role']}> {m['content']}" for m in doc.messages)


if __name__ == "__main__":
    for sample in documents(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0, start=0, stop=12):
        print(render(sample), end="\n\n---\n\n")
