"""The plots: what happens, step by step, and the many ways to say each step.

How to read them:

    [a|b|c]      one of these, chosen anew each time (may be nested, may be empty: [a|])
    {slot}       a word or phrase filled in by `corpus.py`; {^slot} starts with a capital
    ~ in front   the step is left out half of the time
    ("", "")     a step is a tuple of phrasings; a paragraph is a list of steps

Slots: {aH} "a small grey fox" (first mention), {H} "the fox" or its name, {he} {him} {his}
{himself}; {aT} "a lost key" (first mention), {T} "the key", {it} {itS} (object, subject) {was} {is};
{aP} "a lighthouse" (first mention), {inaP} "in a lighthouse" (first mention), {P} "the lighthouse",
{inP} "in the lighthouse", {liveP} "near a lighthouse"; {det} a clause about the place, {spot} a
hiding place there, {sit} one where somebody can sit; {ah} {h} the helper, who has no pronoun, so
that "she" is always the hero; {dear} why the thing is loved, {guide} how it saves the day in the
dark, {cheer} {cheer2} {cheer_all} how it cheers the hero, the hero and the helper, or a crowd,
{keep} what becomes of it, {mend} how it is mended. Every plot is written so that who has the thing
and where everyone is follow from the steps before: what is looked for in one place is found in
another, and a helper is met before it speaks.
"""

# ruff: noqa: E501 - a sentence is easier to read and to change on one line
from __future__ import annotations

from dataclasses import dataclass

Step = tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """One skeleton. `cats` limits it to things that fit, `not_cats` keeps others out."""

    name: str
    paragraphs: list[list[Step]]
    cats: frozenset[str] = frozenset()
    not_cats: frozenset[str] = frozenset()
    indoors: bool = False  # only for places with a roof
    lost_ok: bool = False  # the thing may be called "lost"
    not_hero: frozenset[str] = frozenset()  # adjectives that would contradict the plot
    not_things: frozenset[str] = frozenset()
    not_places: frozenset[str] = frozenset()
    breaks: bool = False  # only for things that can be broken


# --- pieces that several plots share -------------------------------------------------------------

OPENING: Step = (
    "once upon a time there was {aH} who lived {liveP}.",
    "once upon a time there was {aH} who lived {liveP}.",
    "once upon a time, {aH} lived {liveP}.",
    "once upon a time {aH} lived in a [little|small] house {liveP}.",
    "there was once {aH} who lived {liveP}.",
    "there once was {aH} who had a home {liveP}.",
    "long ago, {aH} lived {liveP}.",
    "long, long ago, {liveP}, there lived {aH}.",
    "{^liveP} lived {aH}.",
    "{^liveP} there lived {aH}.",
    "in a quiet corner of the world, {liveP}, there lived {aH}.",
    "not so long ago, {aH} lived {liveP}.",
    "{aH} lived {liveP}.",
    "this is the story of {aH} who lived {liveP}.",
    "far away, {byP}, there lived {aH}.",
)
# For plots with a long way to go: the hero lives elsewhere, and a later step brings the place in.
OPENING_AWAY: Step = (
    "once upon a time there was {aH} who lived in a [little|small] house at the end of a long road.",
    "once upon a time, {aH} lived in a [little|small] house with a green door.",
    "there was once {aH} who lived in a [little|small] house beside the road.",
    "long ago, {aH} lived in a [little|small] house with a red roof.",
    "this is the story of {aH} who lived in a [little|small] house far from here.",
)
DETAIL: Step = (
    "{P} was a [lovely|wonderful|special] place: {det}.",
    "{he} loved {P}, because {det}.",
    "{he} went to {P} as often as {he} could, because {det}.",
    "{^inP}, {det}.",
)
# A line about the hero that may follow the opening: by adjective, and by what the hero is.
TRAITS: dict[str, Step] = {
    "little": ("{he} was little, but {he} had big dreams.",),
    "small": ("{he} was small, but {his} heart was big.",),
    "tiny": ("{he} was so tiny that most people never saw {him} at all.",),
    "young": ("{he} was still young and had many questions.",),
    "brave": (
        "there was hardly anything that could frighten {him}.",
        "everyone knew how brave {he} was.",
    ),
    "shy": ("when somebody said hello, {he} turned red up to the ears.",),
    "curious": (
        "{he} looked under every stone and into every corner.",
        '{his} favorite word was "why".',
    ),
    "clever": ("if anyone had a problem, they came to {him}.", "{he} always had a good idea."),
    "sleepy": (
        "{he} could fall asleep anywhere, even standing up.",
        "{he} yawned from morning to evening.",
    ),
    "hungry": (
        "{he} was always hungry, even right after breakfast.",
        "{his} tummy rumbled all day long.",
    ),
    "gentle": ("{he} would not have hurt a fly.", "{his} voice was as soft as moss."),
    "old": (
        "{he} had seen many summers and many winters.",
        "{he} was so old that {he} could not count {his} own years.",
    ),
    "lonely": (
        "nobody ever came to visit {him}.",
        "{he} often talked to the moon, because there was nobody else.",
    ),
    "cheerful": (
        "{he} whistled from morning to evening.",
        "even on rainy days {he} was in a good mood.",
    ),
    "kind": ("{he} had a kind word for everyone.", "if somebody was sad, {he} always noticed."),
    "quiet": ("{he} did not say much, but {he} was a very good listener.",),
    "tired": ("{he} had worked so hard that {his} eyes kept closing.",),
    "forgetful": (
        "{he} often forgot where {he} had put things, and sometimes even {his} own birthday.",
        "once {he} even forgot to get up.",
    ),
    "patient": ("{he} never gave up.",),
    "friendly": ("{he} said good morning to every tree and every stone.",),
    "happy": ("{he} sang a little song every morning.",),
    "sad": ("{he} had not laughed for a long time.",),
    "busy": ("{he} had something to do from early morning to late at night.",),
    "funny": ("{he} knew more jokes than anyone else.",),
    "polite": ('{he} said "please" and "thank you" even to the rain.',),
    "poor": ("{he} had only one coat and two spoons.",),
    "famous": ("people came from far away to see {him}.",),
    "honest": ("{he} had never told a lie in all {his} life.",),
    "big": ("{he} was big and strong, and {his} heart was big, too.",),
    "rusty": ("{he} squeaked a little whenever {he} moved.",),
    "robot": (
        "{his} wheels squeaked a little when {he} was excited.",
        "when {he} was happy, a small green light blinked on {his} chest.",
    ),
    "dragon": (
        "{he} could breathe fire, but {he} only used it to make tea.",
        "{he} had shiny green scales and very soft eyes.",
    ),
    "snail": ("{he} carried {his} little house wherever {he} went.",),
    "turtle": ("{he} had a hard shell and a soft heart.",),
    "owl": ("{he} knew every star by name.",),
    "fox": ("{he} had a bushy tail and bright eyes.",),
    "cat": ("{he} had soft paws and long whiskers.",),
    "mouse": ("{he} had round ears and a very long tail.",),
    "rabbit": ("{he} had long ears that heard everything.",),
    "bear": ("{he} had big paws and a very deep voice.",),
    "penguin": ("{he} liked to slide on {his} belly.",),
    "frog": ("{he} could jump higher than anyone else.",),
    "elephant": ("{he} never forgot a friend.",),
    "giant": ("when {he} sneezed, the trees shook.",),
    "ghost": ("{he} was not scary at all, only a little pale.",),
    "wizard": ("{his} hat was taller than {he} was.",),
    "witch": ("{his} broom was old and a little crooked.",),
    "baker": (
        "{he} got up before the sun to make the bread.",
        "{his} bread was the best for miles around.",
    ),
    "gardener": ("{he} knew the name of every flower.",),
    "sailor": ("{he} had crossed all seven seas.",),
    "farmer": ("{he} had three cows and a very proud rooster.",),
    "fisherman": ("{he} went out in {his} boat every morning.",),
    "teacher": ("{he} always had chalk on {his} sleeves.",),
    "painter": ("{he} always had a little paint on {his} nose.",),
    "tailor": ("{he} could sew a coat for a flea.",),
    "clockmaker": ("{his} house ticked from top to bottom.",),
    "shoemaker": ("{he} made shoes for big feet and small feet.",),
    "librarian": ("{he} had read every book twice.",),
    "lighthouse keeper": ("every evening {he} climbed a hundred steps.",),
    "knight": ("{his} armor was a little too big.",),
    "pirate": ("{he} had a big hat and a very good heart.",),
    "king": ("{his} crown was heavy, and {he} took it off whenever nobody looked.",),
    "queen": ("{his} crown was heavy, and {he} took it off whenever nobody looked.",),
    "astronaut": ("{he} had been to the moon and back.",),
    "inventor": ("{his} pockets were full of screws and wires.",),
    "scarecrow": ("{he} liked birds far too much to scare them.",),
    "snowman": ("{his} nose was a fine long carrot.",),
    "mermaid": ("{his} tail shone like silver.",),
    "unicorn": ("{his} horn glittered in the sun.",),
    "beekeeper": ("{his} bees knew {him} by name.",),
    "postman": ("{he} knew every door in the land.",),
}
ONE_DAY = "[one|one|one] [morning|day|evening|afternoon|sunny morning|windy morning|autumn day|spring day]"
MORAL: Step = (
    "and {H} went to sleep that night with a smile.",
    "from that day on, {H} and {h} were the best of friends.",
    "and so {H} and {h} became friends, and they stayed friends [forever|all their lives].",
    "that night, {H} slept better than ever before.",
    "{H} never forgot that day {inP}.",
    "and whenever {H} saw {T} after that, {he} thought of {h} and smiled.",
    "and they lived happily for many, many years.",
    "and if you ever come to {P}, you may still hear this story.",
    "{keep}",
    "{keep}",
)

# --- what each kind of thing is good for ---------------------------------------------------------
# `dear`: a clause in the past, after "because" or "and". The others are whole sentences.

DEAR: dict[str, Step] = {
    "*": (
        "{itS} had belonged to {his} grandmother",
        "{itS} reminded {him} of {his} grandfather",
        "{itS} {was} a gift from an old friend",
        "there was nothing else like {it} in the whole world",
    ),
    "food": ("{he} had made {it} {himself}", "{itS} smelled wonderfully good"),
    "fruit": ("{itS} looked so very good", "{he} had saved {it} for a special day"),
    "light": (
        "{its} warm glow always made {him} feel safe",
        "{itS} had lit {his} way so many times",
    ),
    "sound": ("{its} sound always made {him} happy", "{itS} had belonged to {his} grandmother"),
    "flower": ("{itS} had grown from a tiny seed that {he} had planted", "{itS} smelled of summer"),
    "seed": ("{his} grandmother had given {it} to {him}", "{he} wanted to plant {it} in spring"),
}
GUIDE: dict[str, Step] = {
    "key": (
        "then {H} found an old door in the dark. {^he} put {T} in the lock and turned it. Click! The door opened, and everyone hurried inside.",
        "there was a locked door in front of them. {H} tried {T}, and it fitted! Soon they were all safe and dry inside.",
    ),
    "light": (
        "{H} lit {T} and held it up high. Its golden light showed everyone the way.",
        "with shaking hands, {H} lit {T}. It shone like a small star, and they followed its light [home|to safety].",
    ),
    "sound": (
        "{H} {play} {T} again and again. Everyone followed the sound through the dark, and soon they were safe.",
        "{H} took {T} and {play} it with all {his} might. The others heard it and followed the sound [home|to safety].",
    ),
    "wear": (
        "{H} waved {T} high above {his} head. In the next flash of lightning everyone saw {him}, and they followed {him} to safety.",
    ),
    "toy": (
        "{H} held {T} up high. In the next flash of lightning everyone saw {him}, and they followed {him} to safety.",
    ),
    "gem": (
        "{H} held up {T}. {^itS} caught the last bit of light and sparkled, and everyone followed the sparkle to safety.",
        "in the {hands} of {H}, {T} began to shine softly. The light was small, but it was enough to show the way home.",
    ),
    "compass": (
        "{H} looked at {T}. The little needle pointed straight home, and {he} led the others, step by step, to safety.",
    ),
    "glass": (
        "{H} looked through {T}. Far away {he} saw a tiny light in a window. {^he} led the others to it, and soon they were safe.",
    ),
    "mirror": (
        "{H} held up {T}. It caught a flash of lightning and threw the light far and wide, and everyone saw the way home.",
    ),
    "read": (
        "{H} opened {T} and looked closely. Somebody had drawn a safe path there. They followed it, step by step, all the way home.",
        "{H} looked at {T} once more. It told of a safe path past an old oak. They followed it, and soon they were home.",
    ),
    "tool": (
        "{H} thought of {T}. It was just what they needed! With it, {he} brought everyone to safety, one after the other.",
    ),
}
CHEER: dict[str, Step] = {  # nobody else is needed for it
    "*": (
        "{H} carried {T} home like a treasure.",
        "{H} danced around {T} for joy.",
        "{H} looked at {T} again and again, and smiled.",
    ),
    "gem": (
        "{H} held {T} up to the light, and {itS} sparkled in every color.",
        "{H} carried {T} home like a treasure.",
    ),
    "glass": ("{H} looked through {T} and saw things that {he} had never seen before.",),
    "mirror": ("{H} looked into {T}, made a funny face and laughed.",),
    "clock": ("{H} held {T} to {his} ear. Tick, tock, it went, like a small heart.",),
    "compass": ("{H} turned around and around, but the little needle always pointed north.",),
    "light": ("{H} lit {T} and looked into its soft light.",),
    "sound": ("{H} {play} {T} and laughed for joy.",),
    "wear": ("{H} put on {T} at once, and {itS} fitted perfectly.",),
    "toy": ("{H} played with {T} again and again.",),
    "ride": ("{H} could hardly wait to set off with {T}.",),
}
# The same, when there is a crowd to cheer.
CHEER_ALL: dict[str, Step] = {
    "*": (
        "{H} held up {T} for all to see, and everybody clapped.",
        "everyone wanted to see {T}, and {H} was very proud.",
    ),
    "light": ("{H} lit {T}, and its soft light danced on every face.",),
    "sound": (
        "{H} {play} {T}, and everyone began to dance.",
        "{H} {play} {T} until everybody laughed and danced.",
    ),
    "wear": ("{H} put on {T} and danced around until everyone laughed.",),
    "food": ("{H} shared {T} with everyone, and everyone got a taste.",),
    "toy": ("{H} let everyone play with {T}, and they laughed until the sun went down.",),
    "flower": ("{H} held up {T}, and everyone came closer to smell {it}.",),
    "ride": ("{H} let everyone have a turn on {T}, and they laughed until the sun went down.",),
}
KEEP: dict[str, Step] = {
    "*": (
        "and {T}? {^H} kept {it} in a safe place and smiled each time {he} saw {it}.",
        "from then on, {T} had a place of honor on {his} shelf.",
        "and {H} kept {T} close for the rest of {his} days.",
    ),
    "light": (
        "from that day on, {T} shone in {his} window every evening.",
        "and every night, {T} glowed softly beside {his} bed.",
    ),
    "sound": (
        "and sometimes, on quiet evenings, you could hear {T} all over {P}.",
        "from that day on, {H} {play} {T} every evening, and everyone came to listen.",
    ),
    "read": ("and every evening, {H} looked at {T} and remembered.",),
    "wear": ("from that day on, {H} wore {T} on every special day.",),
    "food": ("and everyone agreed that food tastes best when it is shared.",),
    "seed": (
        "in spring, {H} planted {T}, and soon green leaves came up for everyone to see.",
        "{H} planted {T} beside the door, and every summer there were flowers for all.",
    ),
    "flower": ("and {H} put {T} in a vase by the window, where the sun could find {it}.",),
    "key": ("from that day on, {T} hung on a nail beside {his} door.",),
    "ride": ("and every summer, {H} and {h} went on a trip with {T}.",),
    "clock": ("and ever since, {T} ticked softly beside {his} bed.",),
}
# The same two, when there are only the hero and the helper.
GUIDE2: dict[str, Step] = {
    "*": (
        "they held {T} between them and walked home, step by step.",
        "{H} let {h} hold {T}, and side by side they walked through the night.",
    ),
    "light": (
        "{H} lit {T}, and its soft light showed them the way.",
        "{H} lit {T}. All at once the night was golden, and they could see the path home.",
    ),
    "sound": ("{H} {play} {T} softly, and the dark did not seem so deep anymore.",),
    "compass": ("{H} looked at {T}, and the little needle showed them the way home.",),
}
CHEER2: dict[str, Step] = {
    "*": (
        "they looked at {T} from all sides and told each other stories about {it}.",
        "{H} showed {T} to {h}, and they looked at {it} for a long time.",
    ),
    "light": ("{H} lit {T}, and they sat in its warm glow and told each other stories.",),
    "sound": ("{H} {play} {T}, and {h} danced until they both had to laugh.",),
    "read": ("they sat close together and looked at {T}, line by line.",),
    "wear": ("they took turns with {T} and laughed at how funny they looked.",),
    "food": ("they ate {T} together, and nothing had ever tasted so good.",),
    "toy": ("they played with {T} together and laughed and laughed.",),
    "flower": ("they sat down beside {T} and smelled {it} with closed eyes.",),
    "ride": ("first {H} had a turn on {T}, then {h}, and they laughed all the while.",),
    "key": ("they tried {T} in every lock they could find, and laughed and laughed.",),
    "glass": ("they looked through {T} and saw things they had never seen before.",),
    "mirror": ("they looked into {T} and made funny faces until they laughed.",),
}
# How the thing got broken, and how two together put it right.
BREAK: dict[str, Step] = {
    "*": (
        "{T} slipped from {his} {hands} and fell to the ground. Crack!",
        "{he} tripped, and {T} fell down with a crash.",
    ),
    "wear": ("{T} caught on a nail. Rip!", "{he} tripped, and there was a long tear in {T}."),
    "read": ("{T} slipped from {his} {hands}, and there was a long tear in it.",),
    "flower": ("{he} tripped, and {T} fell and was bent.",),
    "toy": ("{T} slipped from {his} {hands} and fell down. Crack!",),
}
MEND: dict[str, Step] = {
    "*": (
        "so they sat down side by side with glue and a little paint. Slowly, piece by piece, {T} {was} whole again.",
        "they worked together for a long time. In the end, {T} looked [even better than before|as good as new].",
    ),
    "wear": (
        "so they took a needle and thread and mended {T}, stitch by stitch, until {itS} looked as good as new.",
    ),
    "read": (
        "so they took paper and paste and mended {T} with great care, until {itS} looked as good as new.",
    ),
    "flower": ("so they put {T} in fresh water together, and by evening {itS} lifted up again.",),
}
# How the hero comes to make the thing with {his} own hands (the plot "gift").
MAKE: dict[str, Step] = {
    "food": ("{he} rolled up {his} sleeves, worked all morning, and made {aT}.",),
    "wear": (
        "so {H} took needle and thread and sewed {aT}, stitch by stitch.",
        "night after night, {he} sat by the lamp and made {aT}.",
    ),
    "toy": (
        "so {H} sat down at the table, worked all day, and made {aT}.",
        "{he} worked for three days, and then {aT} {wasA} ready.",
    ),
    "*": (
        "{H} looked everywhere and saved every coin, and at last {he} got {aT}.",
        "{he} thought and thought. Then {he} remembered {aT} that {he} had kept for a special day.",
    ),
}


# --- the plots -----------------------------------------------------------------------------------

PLOTS: list[Plot] = [
    Plot(
        "lost and found",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{he} had one dear treasure: {aT}. {^he} loved {it}, because {dear}.",
                    "{he} had {aT}, and {he} took {it} everywhere, because {dear}.",
                    "more than anything {he} loved {aT}, for {dear}.",
                ),
            ],
            [
                (
                    ONE_DAY + ", {H} came home from {P}, and {T} {was} gone.",
                    ONE_DAY
                    + ", {H} came home from {P} and reached for {T}, but {itS} {was} not there.",
                    ONE_DAY + ", {H} spent a long time {inP}. Back at home, {T} {was} missing.",
                ),
                (
                    '"Oh no!" [cried|said] {H}. "Where can {itS} be?"',
                    "{he} looked in every corner of the house, but {itS} {was} nowhere to be found.",
                    "{he} searched the whole house, and {his} heart grew heavy.",
                ),
                (
                    "just then {ah} came [by|to the door].",
                    "{he} sat down in front of the house and sighed, and {ah} [heard {him}|sat down beside {him}].",
                ),
                (
                    '"I have lost {T}," said {H}. "Then we must look {inP}," said {h}.',
                    '"Do not worry," said {h}. "Let us go to {P} and look there. Four eyes see more than two."',
                    '"I must have lost {it} {inP}," said {H}. "I will help you look," said {h} kindly.',
                ),
            ],
            [
                (
                    "so they went to {P} together and looked in every corner, and there, {spot}, {was} {T}!",
                    "side by side they walked to {P} and searched. At last {h} called out, and there, {spot}, lay {T}.",
                    "they went to {P} and looked closely. And there {itS} {was}: {T} lay {spot}, [safe and sound|just waiting].",
                ),
                (
                    '"Thank you!" said {H}, and hugged {h}.',
                    "{H} was so happy that {he} [danced|jumped for joy|laughed out loud].",
                    '"You found {it}!" cried {H}. "You are a true friend."',
                    "~{H} held {T} close and promised to take better care of {it}.",
                ),
                MORAL,
            ],
        ],
        not_cats=frozenset({"food", "ride"}),
    ),
    Plot(
        "the owner",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    ONE_DAY + ", {he} found {aT} {inP}. {^itS} lay {spot}.",
                    ONE_DAY + " {inP}, {he} saw something {spot}. It was {aT}!",
                    ONE_DAY + ", {H} was {inP} when {he} found {aT} {spot}.",
                ),
            ],
            [
                (
                    '"Somebody must miss {it} very much," thought {H}.',
                    '"Who could have lost {it}?" {he} wondered.',
                    "{he} wanted to keep {it}, but {he} knew that {T} belonged to somebody else.",
                    '"How pretty!" said {H}. "But {itS} {is} not mine."',
                ),
                (
                    "so {he} went from [door to door|one to the next] and asked everyone. Nobody knew.",
                    "{he} asked all the neighbors, but they shook their heads.",
                    "for many days {he} asked everyone {he} met, but nobody had lost anything.",
                ),
                (
                    "then {he} heard somebody crying. It was {ah}.",
                    "then {he} met {ah} who was looking for something on the ground.",
                    "at last {he} came to {ah} who sat all alone and looked very sad.",
                ),
                (
                    '"Have you lost something?" asked {H}. "Yes," said {h}. "I have lost {T}, and I have looked everywhere."',
                    '"I have lost {T}," said {h} in a small voice. "I cannot sleep without {it}."',
                    '"What is the matter?" asked {H}. "I lost {T} {inP}," said {h}.',
                ),
            ],
            [
                (
                    '{H} smiled and held out {T}. "Here you are," {he} said.',
                    "{H} smiled and gave {T} back at once.",
                    '"Look what I found!" said {H}, and held out {T}.',
                ),
                (
                    "{h} laughed and cried at the same time.",
                    '"Thank you, thank you!" said {h}. "You are so honest and kind."',
                    "how happy {h} was! {^h} hugged {H} for a long, long time.",
                    '"You have made me the happiest {hn} in the world," said {h}.',
                ),
                (
                    "~they shared a cup of [tea|cocoa|warm milk] and talked until the stars came out.",
                    "~as a thank-you, {h} invited {H} to supper.",
                ),
                (
                    "from that day on, they met every week {inP}.",
                    "{H} had given {T} away, but {he} had found a friend, and that was much better.",
                    "and {H} learned that giving something back can make you very rich.",
                    "and so, because of {T}, {H} and {h} became the best of friends.",
                    "{H} walked home under the stars, and {his} heart felt as light as a feather.",
                ),
            ],
        ],
        lost_ok=True,
        not_cats=frozenset({"food", "flower", "ride"}),
    ),
    Plot(
        "fear",
        [
            [
                OPENING,
                (
                    "{he} was afraid of only one thing: the dark.",
                    "{he} had a secret: {he} was afraid of the dark.",
                    "when night fell, {he} always hid under the blanket, for {he} was afraid of the dark.",
                ),
                (
                    "the only thing that helped was {aT}, because {dear}.",
                    "every night {he} held {aT} tight, because {dear}.",
                    "{he} always kept {aT} close, for {dear}.",
                ),
            ],
            [
                (
                    "one night, there was a small cry outside. It came from {P}.",
                    "one night, {he} heard a voice from {P} calling for help.",
                    "one dark night, somebody was calling from {P}.",
                ),
                (
                    "{^his} knees shook. But {he} took {T} and went out into the night, to {P}.",
                    '"I must be brave," whispered {H}. {^he} took {T} and walked to {P}.',
                    "{H} took a deep breath, picked up {T}, and went to {P}.",
                ),
                (
                    "there, {sit}, sat {ah} who had lost the way.",
                    "{inP} {he} found {ah} who could not find the way home.",
                    "who was it? It was {ah}, all alone {sit}.",
                ),
                (
                    '"I am so afraid of the dark," said {h}. "So am I," said {H}. "Let us be afraid together."',
                    '"Do not cry," said {H}. "I am here now."',
                    '"I am glad you came," said {h}. "It is so dark here."',
                ),
                ("{guide2}",),
            ],
            [
                (
                    "when they came to the house of {h}, {H} saw that {he} had forgotten to be afraid.",
                    "on the way they talked and looked at the stars, and soon neither of them was afraid.",
                    '"Look how beautiful the stars are!" said {h}. {^H} looked up, and for the first time {he} loved the night.',
                ),
                (
                    "from then on, the dark was [a friend|just the time when stars come out].",
                    "and from that night on, {H} slept [soundly|peacefully] with {T} beside {him}.",
                    "{H} was still a little afraid sometimes. But now {he} knew that {he} could be brave, too.",
                    "from then on, {H} and {h} often sat {inP} at night, with {T} beside them, and told each other stories.",
                ),
            ],
        ],
        cats=frozenset(
            {"light", "sound", "toy", "gem", "compass", "wear", "key", "read", "mirror", "clock"}
        ),
        not_hero=frozenset({"brave", "famous"}),
    ),
    Plot(
        "gift",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{^his} best friend was {ah}, and the birthday of {h} was coming soon.",
                    "{he} had a dear friend, {ah}, who was going to have a birthday soon.",
                    "{he} had one good friend, {ah}. And {h} was going to have a birthday.",
                ),
            ],
            [
                (
                    '"What can I give {h}?" wondered {H}.',
                    "{H} wanted to give {h} something special.",
                    '"I want to make {h} happy," thought {H}.',
                ),
                ("{make}",),
                (
                    "then {he} carried {T} to {P}, where {h} was waiting.",
                    "{he} wrapped {T} in bright paper and set off for {P}, where {h} was waiting.",
                    "carrying {T} with great care, {he} walked to {P} to meet {h}.",
                ),
                (
                    "~on the way, {H} hummed a little song.",
                    "~{he} held {T} tight and could hardly wait.",
                    "~nobody had ever carried a present so carefully.",
                ),
                (
                    '"For you," said {H}, and held out {T}.',
                    '"Happy birthday, my friend!" said {H}, and gave {T} to {h}.',
                    "{inP}, {he} put {T} into the {hhands} of {h}.",
                ),
            ],
            [
                (
                    "{h} was too happy to speak.",
                    '"For me?" whispered {h}. "This is the best present of my life."',
                    "the eyes of {h} grew as big as plates.",
                    '"Oh, thank you!" cried {h}, and danced in a circle.',
                ),
                (
                    "then they spent the whole day together {inP}.",
                    "they sat side by side {inP} until the sun went down.",
                    "that evening they laughed and told each other stories {inP}.",
                ),
                (
                    "and {H} saw that giving is just as lovely as getting.",
                    "and {H} was just as happy as {h}.",
                    '"The best part of a present," thought {H}, "is the friend you give it to."',
                    "{h} never forgot the day when {H} came with {T}.",
                    "{h} often told everyone about {T}, and about {H}.",
                ),
            ],
        ],
        not_cats=frozenset({"key", "ride"}),
        not_things=frozenset({"coin", "coins", "crown", "glasses"}),
        not_hero=frozenset({"lonely"}),
    ),
    Plot(
        "stuck",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    ONE_DAY
                    + ", {he} saw {aT} {inP}, but {itS} {was} stuck [between two heavy stones|in a deep crack|behind a heavy box].",
                    ONE_DAY
                    + " {inP}, {he} found {aT}, stuck [between two big stones|in a deep crack|behind a heavy box].",
                ),
            ],
            [
                (
                    "{H} pulled and pulled, but {T} would not move.",
                    "{he} pushed, {he} pulled, {he} even jumped, but nothing helped.",
                    "{he} tried with a stick. {^he} tried with all {his} strength. {^T} did not move at all.",
                ),
                (
                    '"I will never get {it} out," sighed {H}.',
                    '"I am not strong enough," said {H}, and sat down.',
                    "~{H} almost gave up.",
                ),
                (
                    'then {ah} came by. "May I help you?" asked {h}.',
                    '{ah} had been watching. "Two are stronger than one," said {h}.',
                    '{ah} heard {him} and came closer. "Let us try together," said {h}.',
                ),
                (
                    '"You are very kind," said {H}. "Let us try!"',
                    '"Oh yes, please!" said {H}.',
                    "{H} had never asked anyone for help before, but now {he} nodded.",
                ),
            ],
            [
                (
                    "one, two, three! They pulled together, and {T} came free.",
                    "they counted to three and pulled with all their might. Pop! {^T} {was} free.",
                    "{h} pushed and {H} pulled, and all at once {T} came loose.",
                ),
                (
                    "they fell over backwards and laughed and laughed.",
                    '"We did it!" they cried.',
                    '"See?" said {h}. "Together it was easy."',
                ),
                ("{cheer2}",),
                (
                    "and from that day on, {H} was never too proud to ask for help.",
                    "from then on, {H} and {h} did everything together {inP}.",
                    "and {H} knew: with a friend, nothing is too heavy.",
                    "{keep}",
                ),
            ],
        ],
        lost_ok=True,
        not_cats=frozenset({"food", "flower", "seed", "ride"}),
    ),
    Plot(
        "mistake",
        [
            [
                OPENING,
                (
                    "{^his} friend, {ah}, had {aT} and was very proud of {it}.",
                    "{^his} neighbor was {ah} who had {aT}.",
                    "next door lived {ah} who loved {aT} more than anything.",
                ),
                (
                    ONE_DAY + ", {h} let {H} carry {T} to {P}.",
                    '"May I borrow {it} for one day?" asked {H}. "Of course," said {h}. "But be careful."',
                    ONE_DAY + ", {H} borrowed {T} and took {it} along to {P}.",
                ),
            ],
            [
                (
                    "but {inP}, {break}",
                    "everything went well until, {inP}, {break}",
                    "but then it happened: {break}",
                ),
                (
                    "{H} [turned pale|felt hot and cold]. What would {h} say?",
                    '"Oh no! What have I done?" whispered {H}.',
                    "{H} wanted to run away and hide.",
                ),
                (
                    "~first {he} thought of hiding {it} {spot}. But that did not feel right.",
                    "~at first {he} thought of a little lie. But a lie would only make {his} heart heavier.",
                ),
                (
                    "so {he} went back to {h} and told the truth.",
                    'so {he} walked back to {h} and said, "I am so sorry. I was not careful enough."',
                    'with tears in {his} eyes {he} went to {h}. "It was my fault," {he} said.',
                ),
            ],
            [
                (
                    '{h} was quiet for a moment, and then smiled. "Thank you for telling me," said {h}.',
                    '"I am sad about it," said {h}, "but I am glad that you told me the truth."',
                    '"Anyone can make a mistake," said {h}. "Let us put it right together."',
                ),
                ("{mend}",),
                (
                    "and their friendship was stronger than before, too.",
                    "and {H} felt as light as a bird.",
                    '"A friend is worth more than [anything you can break|the finest thing]," said {h}.',
                    "and {H} learned that the truth is the best glue of all.",
                    "after that, {h} let {H} borrow {T} again, because now they trusted each other even more.",
                ),
            ],
        ],
        not_cats=frozenset({"key", "compass", "ride", "tool", "seed", "gem", "food"}),
        breaks=True,
        not_hero=frozenset("lonely brave".split()),
    ),
    Plot(
        "quest",
        [
            [
                OPENING_AWAY,
                (
                    ONE_DAY
                    + ", {he} heard an old [tale|song]: somewhere far away, {inaP}, {aT} {wasA} hidden.",
                    ONE_DAY
                    + ", {his} grandmother told {him} a secret: far away, {inaP}, {aT} {wasA} waiting for someone with a kind heart.",
                    "everyone said that {aT} lay hidden far away, {inaP}, but nobody had ever found {it}.",
                ),
                (
                    '"I will find {it}!" said {H}, and set out the next day.',
                    "{H} packed some bread and set out at once.",
                    '"I want to see {it} with my own eyes," said {H}, and off {he} went.',
                ),
            ],
            [
                (
                    "on the way to {P}, {he} met {ah} who was stuck in the mud. {H} stopped and pulled {h} out.",
                    "at the side of the road sat {ah} who was [too tired to go on|very hungry]. {H} stopped and shared {his} bread and water.",
                    "on the way to {P}, {he} met {ah} who was cold and hungry. Everyone else had walked past, but {H} stopped and helped.",
                ),
                (
                    '"You helped me, so I will help you," said {h}. "Look {spot}, and you will find {it}."',
                    '"Thank you," said {h}. "Now I will tell you a secret: look {spot}."',
                    '"You have a kind heart," said {h}. "I know my way around {P}. Come, I will show you."',
                ),
            ],
            [
                (
                    "they went on together, and when they came to {P}, {H} looked {spot}. There {itS} {was}: {T}!",
                    "so they walked to {P} side by side. And there, {spot}, {H} found {T}.",
                    "they went on together until they came to {P}. And truly, there, {spot}, lay {T}.",
                ),
                ("{cheer2}",),
                (
                    '"I was looking for a treasure," said {H}, "and I found a friend as well."',
                    "{H} had found what {he} was looking for, and a friend as well.",
                    "and {H} knew that {he} would never have found {it} without a kind heart.",
                    "{keep}",
                    "then they went home, and {H} told everyone how {h} had helped {him}.",
                ),
            ],
        ],
        lost_ok=True,
        not_cats=frozenset({"food", "flower"}),
    ),
    Plot(
        "misunderstanding",
        [
            [
                OPENING,
                (
                    "{he} shared {his} home with {ah}, and they were good friends.",
                    "{^his} best friend was {ah}.",
                    "{he} and {his} friend, {ah}, did everything together.",
                ),
                (
                    "{H} owned {aT} and loved {it}, because {dear}.",
                    "in {his} room there {wasA} {aT}. {H} loved {it}, because {dear}.",
                ),
            ],
            [
                (
                    ONE_DAY + ", {T} {was} gone, and {h} was gone, too. Fresh tracks led to {P}.",
                    ONE_DAY + ", {H} saw {h} hurry away to {P} with {T}.",
                ),
                (
                    '"{^h} has taken {it}!" thought {H}, and {he} was very angry.',
                    "{H} felt hurt. How could a friend do such a thing?",
                    '"I thought we were friends," said {H} to {himself}.',
                ),
                (
                    "{he} ran to {P} as fast as {he} could.",
                    "{he} went after {h}, all the way to {P}.",
                    "{he} followed the tracks all the way to {P}.",
                ),
                (
                    "there was {h}, {sit}, cleaning {T} with a soft cloth.",
                    "and there, {sit}, sat {h} with {T}, working busily.",
                ),
            ],
            [
                (
                    '"Surprise!" said {h}. "I wanted to make {it} as good as new for your birthday."',
                    '"Oh, you are too early!" said {h}. "I wanted to surprise you. Look how clean {itS} {is} now!"',
                    '"I know how much you love {it}," said {h}, "so I wanted to make {it} as good as new."',
                ),
                (
                    '{H} turned red. "I am sorry," {he} said. "I thought something bad about you."',
                    '{H} was ashamed. "I should have asked you first," {he} said softly.',
                ),
                (
                    '"That is all right," said {h}. "Next time, just ask me."',
                    "{h} only laughed and hugged {him}.",
                ),
                (
                    "that evening they sat together {inP}, with {T} between them.",
                    "and from then on, {H} always asked before {he} got angry.",
                    "and {T} always reminded them both to trust each other.",
                ),
            ],
        ],
        cats=frozenset("key light sound toy gem compass glass mirror clock misc read wear".split()),
        not_hero=frozenset("lonely gentle patient happy cheerful".split()),
    ),
    Plot(
        "contest",
        [
            [
                OPENING,
                (
                    "every year there was a great race to {P}, and this year the prize was {aT}.",
                    ONE_DAY + ", there was a great race to {P}. The winner would get {aT}.",
                    "in spring, everyone met for the big race to {P}. The winner would get {aT}.",
                ),
                (
                    '"I would love to win {it}," said {H}.',
                    "{H} had dreamed of {T} all winter long.",
                    "{H} practiced every single day, in sun and in rain.",
                ),
            ],
            [
                (
                    '"Ready, steady, go!" Everyone ran, and {H} was [one of the fastest|faster than most].',
                    "the race began. {H} ran like the wind and [passed one after the other|was soon among the fastest].",
                ),
                (
                    "but then, at the side of the road, {he} saw {ah} who had fallen down.",
                    "but close to the finish, {ah} tripped and fell, right in front of {him}.",
                ),
                (
                    "should {H} run on? {^he} looked at the finish, and then {he} turned around.",
                    "{H} could see {P} already. But {he} stopped and turned back.",
                ),
                (
                    '"Hold on to me," {he} said, and helped {h} up.',
                    '"Are you hurt?" asked {H}, and helped {h} to stand.',
                ),
                (
                    "together they walked to {P}, the very last of all.",
                    "arm in arm they came to the finish, and everyone else was already there.",
                ),
            ],
            [
                (
                    "but everybody clapped louder than for the winner.",
                    "it was quiet for a moment. Then everyone cheered.",
                ),
                (
                    'the winner came to {H} with {T}. "You should have {it}," said the winner. "You have the biggest heart."',
                    '"{^T} {is} for you," said the old judge to {H}, "because kindness is worth more than speed."',
                ),
                ("{cheer_all}",),
                (
                    "from that day on, {H} and {h} were best friends.",
                    "and that was the best race there ever was.",
                    "{keep}",
                ),
            ],
        ],
        not_hero=frozenset("old sleepy tired lonely".split()),
        not_places=frozenset({"attic", "kitchen"}),  # no road leads there
    ),
    Plot(
        "storm",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "wherever {he} went, {he} took {aT} along, because {dear}.",
                    "{H} never left the house without {aT}, because {dear}.",
                    "{he} had {aT}, and {dear}.",
                ),
                ('~"What do you need {it} for?" asked {ah}. "You never know," said {H}.',),
            ],
            [
                (
                    "one evening a great storm came up. The sky turned black and the wind howled.",
                    "one night there was a terrible storm. Thunder rolled over {P}.",
                    "then, one autumn night, a storm came. It rained so hard that nobody could see a thing.",
                ),
                (
                    "some children and {ah} were still out in the dark near {P}, and they could not find the way.",
                    "{ah} and some little ones were still outside near {P}, wet and afraid.",
                ),
                (
                    '"Help!" they called. "Where are you?"',
                    '"We must help them!" said {H}, and ran out into the rain.',
                    "{H} heard them calling and did not wait a moment.",
                ),
                ("{guide}",),
            ],
            [
                (
                    "when the storm was over, the stars came out one by one.",
                    "in the morning, the sun shone again, and a rainbow stood over {P}.",
                    "soon they all sat by a warm fire with cups of cocoa, and outside the storm grew tired.",
                ),
                (
                    '"You and {T} saved us," said {h}. "Thank you!"',
                    '"How good that you had {T}!" said {h}, and everyone cheered.',
                ),
                (
                    "after that, everyone was glad that {H} took {T} along wherever {he} went.",
                    "and {H} just smiled and was glad that everyone was safe.",
                    "{keep}",
                    "from that day on, {H} was the hero of {P}.",
                ),
            ],
        ],
        cats=frozenset(GUIDE),
    ),
    Plot(
        "strange sound",
        [
            [
                OPENING,
                (
                    "one night, {he} woke up. A strange sound came from {P}.",
                    "one night, there was a strange sound {inP}. Nobody knew what it was.",
                ),
                (
                    '"It must be a monster," said the neighbors. But {H} wanted to know for sure.',
                    '"Perhaps it is a monster," whispered the neighbors. "I will go and see," said {H}.',
                ),
            ],
            [
                (
                    "{he} went to {P} on tiptoe and listened. There was the sound again!",
                    "{^his} heart beat fast, but {he} followed the sound to {P}, step by step.",
                ),
                (
                    "there, {sit}, sat {ah} with {aT}, crying quietly.",
                    "it was no monster at all. It was {ah}, who was holding {aT} and sobbing.",
                ),
                (
                    '"Why are you crying?" asked {H}.',
                    '"What is wrong?" asked {H} softly.',
                ),
                (
                    '"I am new here," said {h}. "I have {T}, but I have nobody to share {it} with."',
                    '"{^T} {is} all I have," said {h}, "and I am so alone."',
                    '"I wanted to share {T} with somebody," said {h}, "but I do not know anyone here."',
                ),
                (
                    '"Now you have me," said {H}. "Come with me, and bring {T} along!"',
                    '"Then come with me," said {H}, and {h} nodded.',
                ),
            ],
            [
                (
                    "in the morning, {H} brought {h} to all the neighbors. {^h} showed them {T}, and they were full of wonder.",
                    "the next day, there was a little party {inP}. Everyone wanted to see {T} and to meet {h}.",
                ),
                (
                    "after that night, nobody heard the strange sound again. They heard laughter instead.",
                    "from then on, the nights {inP} were quiet, and {h} was never alone again.",
                    "and the neighbors laughed, because their monster had turned into a friend.",
                ),
            ],
        ],
        not_cats=frozenset({"sound", "ride"}),
        not_hero=frozenset({"shy"}),
    ),
    Plot(
        "strange music",
        [
            [
                OPENING,
                (
                    "every night, a soft sound came from {P}, and nobody knew what it was.",
                    "one night, {he} woke up, because there was music {inP}.",
                ),
            ],
            [
                (
                    "{he} followed the sound on tiptoe to {P}, and there, {sit}, {he} found {ah} with {aT}.",
                    "{H} went to {P} to look. There, {sit}, sat {ah} with {aT}.",
                ),
                (
                    '"I did not want to wake you," said {h}. "I only play {T} at night, because I am too shy to play by day."',
                    '"Please do not laugh," said {h}. "I am still learning."',
                ),
                (
                    '"But it is beautiful!" said {H}. "Everyone should hear it."',
                    '"I have never heard anything so lovely," said {H}.',
                ),
            ],
            [
                (
                    "{H} sat down beside {h} and clapped softly. With a friend there, {h} felt braver.",
                    "night after night, {H} came to listen, and slowly {h} became braver.",
                ),
                (
                    "at the next feast {inP}, {h} {play} {T} in front of everyone.",
                    "soon {h} {play} {T} in the middle of the day, and everyone stopped to listen.",
                ),
                (
                    "how they cheered! And nobody cheered louder than {H}.",
                    "everyone danced, and {H} danced most of all.",
                ),
                (
                    "and on quiet nights, you can still hear the two of them making music {inP}.",
                    "from then on, there was music {inP} every evening.",
                ),
            ],
        ],
        not_things=frozenset({"music box"}),  # it plays by itself
        cats=frozenset({"sound"}),
    ),
    Plot(
        "locked door",
        [
            [
                OPENING,
                (
                    "{inP} there was a small door that nobody could open.",
                    "there was a secret {inP}: an old door that had been locked for a hundred years.",
                ),
                (
                    ONE_DAY + ", {he} found {aT} {spot}.",
                    ONE_DAY + ", {he} saw something shine {spot}. It was {aT}!",
                ),
            ],
            [
                (
                    '"Could {itS} open the little door?" {he} wondered.',
                    "{^his} heart beat faster. Could this be the right one?",
                ),
                (
                    "{he} asked {ah} to come along, because two are braver than one.",
                    "{ah} came along to hold the lamp.",
                ),
                (
                    "{H} put {T} into the lock and turned it. Click! Slowly, the door swung open.",
                    "at first {T} would not turn. {^h} blew the dust from the lock, {H} tried again, and the door opened.",
                ),
            ],
            [
                (
                    "behind the door was a room full of old [toys|books], and they had waited so long for somebody to [play|come].",
                    "behind the door lay a tiny garden, full of flowers that nobody had ever seen.",
                    "behind the door was a round window, and through it they could see the whole wide world.",
                ),
                (
                    '"It is beautiful," whispered {h}.',
                    '"Oh!" said {H}. "Everyone must see this!"',
                ),
                (
                    "from that day on, the door {inP} was open for everyone, and {H} took good care of {T}.",
                    "they told all their friends, and {H} hung {T} on a nail by the door, so that anyone could come in.",
                    "and {H} kept {T} in a safe place and often came back with {h}.",
                ),
            ],
        ],
        cats=frozenset({"key"}),
        lost_ok=True,
        not_hero=frozenset("lonely".split()),
    ),
    Plot(
        "sharing",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{he} had {aT}, and {he} did not want to share {it} with anyone.",
                    "{he} was very proud of {aT} that {he} had, and {he} kept {it} all to {himself}.",
                ),
            ],
            [
                (
                    ONE_DAY
                    + ', {he} sat {inP} with {T}, and {ah} came by. "Will you share {it} with me?" asked {h}.',
                    ONE_DAY
                    + ', {he} was {inP} with {T}. "What do you have there?" asked {ah}. "Will you share {it} with me?"',
                ),
                (
                    '"No," said {H}. "{^itS} {is} mine." And {h} went home sadly.',
                    '"{^itS} {is} only for me," said {H}, and {h} walked home with a sad face.',
                ),
                (
                    "now {H} was alone {inP} with {T}. It was very quiet.",
                    "{H} stayed behind with {T}. But somehow {T} gave {him} no joy anymore.",
                ),
                (
                    '"What good {is} {itS}," thought {H}, "if I have nobody to be happy with?"',
                    "{he} looked at {T} and sighed. {^he} missed having a friend.",
                ),
                (
                    "{H} jumped up and ran down the road after {h}.",
                    "{H} ran to the house of {h} as fast as {he} could.",
                ),
            ],
            [
                (
                    '"I am sorry," {he} said. "Please come back. I want to share with you."',
                    '"I was not kind to you," {he} said. "Would you like to share {T} with me?"',
                ),
                (
                    "{h} smiled at once, and together they went back to {P}.",
                    '"I would love to!" said {h}, and they walked back to {P} side by side.',
                ),
                ("{cheer2}",),
                (
                    "and {H} saw that a joy shared is twice as big.",
                    "from then on, {H} shared everything, and {he} was never lonely again.",
                    "it was the happiest day {H} had ever had {inP}.",
                ),
            ],
        ],
        not_cats=frozenset({"seed"}),
        not_hero=frozenset("kind gentle friendly polite honest".split()),
    ),
    Plot(
        "practice",
        [
            [
                OPENING,
                (
                    ONE_DAY + ", {his} grandfather gave {him} {aT}.",
                    "for {his} birthday {he} got {aT}.",
                ),
                (
                    "{H} {play} {T}, but it sounded terrible. Everyone covered their ears.",
                    "but when {H} {play} {T} for the first time, it sounded like a cat in the rain.",
                ),
            ],
            [
                (
                    '"I will never learn it," said {H} sadly, and went to {P} to be alone.',
                    "{H} was so ashamed that {he} went to {P} to be alone.",
                ),
                (
                    'there {ah} saw {him}. "I fell down a hundred times before I could walk," said {h}. "Try again!"',
                    'there {ah} sat down beside {him}. "Every master was a beginner once," said {h}.',
                ),
                (
                    "so {H} tried again. {^he} practiced {inP} every day, a little longer each time.",
                    "so {he} practiced [every morning|day after day] {inP}, where nobody could hear {him} but {h}.",
                ),
                ("~slowly, very slowly, it began to sound like music.",),
            ],
            [
                (
                    "when the summer feast came, {H} stood in front of everyone. {^his} knees shook, but {h} smiled at {him}.",
                    "at last the day of the great feast came. {H} took a deep breath.",
                ),
                (
                    "then {he} {play} {T}, and it was so beautiful that even the birds were silent.",
                    "then {he} {play} {T}, and everybody danced until midnight.",
                ),
                (
                    '"I knew you could do it," said {h}.',
                    "and {H} was glad that {he} had not given up.",
                ),
                ("~{keep}",),
            ],
        ],
        not_things=frozenset({"music box"}),  # it plays by itself
        cats=frozenset({"sound"}),
        not_hero=frozenset("brave famous happy cheerful".split()),
    ),
    Plot(
        "planting",
        [
            [
                OPENING,
                (
                    "but nothing grew in front of {his} house, and the ground was bare and brown.",
                    "there was not one flower beside {his} door, and that made {H} sad.",
                ),
                (
                    ONE_DAY + ", {inP}, {he} found {aT} {spot}.",
                    ONE_DAY
                    + ', {inP}, {ah} gave {him} {aT}. "{^itS} will need water and time," said {h}.',
                ),
            ],
            [
                (
                    "{H} went home, made a hole in the ground and planted {T} with great care.",
                    "{he} went home and planted {T} in good dark earth, right beside the door.",
                ),
                (
                    "every day {he} carried water. Every day {he} looked. Nothing happened.",
                    "{he} gave {it} water every morning and waited. But nothing came up.",
                ),
                (
                    '"You must give {it} time," said {ah}.',
                    '"Maybe {itS} {is} asleep," said {ah}. "You must be patient."',
                ),
                (
                    "{H} did not give up. {^he} sang to {T} every evening.",
                    "so {H} waited, and watered, and waited some more.",
                ),
            ],
            [
                (
                    "then, after a warm rain, something green came up out of the ground.",
                    "and one fine morning, two tiny green leaves looked up at {him}.",
                ),
                (
                    '"Look!" cried {H}. "{^itS} {is} growing!"',
                    '"Hello, little plant," said {H}, and {h} came running to see.',
                ),
                (
                    "by summer, flowers bloomed all around the house, and people came from {P} to see them.",
                    "soon there was a great green plant full of flowers, and everyone came from {P} to see it.",
                ),
                (
                    '"You were right to wait," said {h}.',
                    "and it had all begun with {T} and a little patience.",
                    "and {H} gave a flower to everyone who came.",
                ),
            ],
        ],
        cats=frozenset({"seed"}),
        not_hero=frozenset("happy cheerful patient".split()),
    ),
    Plot(
        "feast",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    ONE_DAY + ", {he} packed {aT} and set off for a picnic {inP}.",
                    ONE_DAY
                    + ", {he} took {aT} to {P}, because {he} wanted to have a quiet supper there.",
                    ONE_DAY + ", {he} was on the way to {P} with {aT}.",
                ),
            ],
            [
                (
                    "there {he} met {ah} who looked very hungry.",
                    "there, {sit}, sat {ah} who had not eaten all day.",
                ),
                (
                    '"That looks so good," said {h} in a small voice.',
                    '"What do you have there?" asked {h} softly.',
                ),
                (
                    "{H} looked at {T}, and then at {h}.",
                    "{H} had been looking forward to {T}. But {he} did not think for long.",
                ),
                (
                    '"Sit down with me," said {H}. "There is enough for two."',
                    '"Half for you and half for me," said {H}.',
                ),
            ],
            [
                (
                    "they ate {T} together and told each other stories.",
                    "side by side they ate {T}, and {itS} tasted better than ever before.",
                ),
                (
                    'the next day, there was a basket in front of {his} door. It was full of berries, and on top lay a note: "For my friend."',
                    'when they had finished, {h} said, "Tomorrow you must come to me!" And the next day, {h} cooked the best soup in the world.',
                ),
                (
                    "from then on, they had a picnic {inP} every Sunday.",
                    "and {H} never ate alone again.",
                    "and {H} knew that food tastes best when it is shared.",
                ),
            ],
        ],
        cats=frozenset({"food", "fruit"}),
    ),
    Plot(
        "cake thief",
        [
            [
                OPENING,
                (
                    ONE_DAY + ", at home, {he} made {aT} for the great feast {inP}.",
                    "{he} was famous for one thing: nobody could make {bareT} like {him}. So, at home, {he} made {aT} for the summer feast {inP}.",
                ),
                (
                    "but when {he} turned around, {T} {was} gone!",
                    "{he} went to wash {his} {hands}. When {he} came back, {T} {was} gone!",
                ),
            ],
            [
                (
                    "there were only some crumbs on the ground. {H} followed them, one by one.",
                    "but {H} saw little crumbs on the floor, and {he} followed them.",
                ),
                (
                    "the crumbs led {him} all the way to {P}, and there, {sit}, sat {ah} with a full mouth.",
                    "they led to {P}. There, {sit}, {he} found {ah} with sticky cheeks.",
                ),
                (
                    '"I am so sorry," said {h}. "It smelled so good, and I was so hungry."',
                    '"It was me," said {h}, and looked at the ground. "Please do not be angry."',
                ),
                (
                    '{H} wanted to be angry, but then {he} had to laugh. "You could have asked me," {he} said. "Come, you can help me to make more."',
                    '"Well," said {H}, "if you ate {it}, you can help me to start again."',
                ),
            ],
            [
                (
                    "so they mixed and stirred and laughed, and soon everything was ready again.",
                    "{h} turned out to be a wonderful helper, and everything was ready just in time.",
                ),
                (
                    "at the feast, everyone said that nothing had ever tasted so good.",
                    "everyone {inP} got a piece, and {h} handed them around.",
                ),
                (
                    "from that day on, {H} and {h} always cooked together.",
                    "and {h} never took anything again without asking.",
                ),
            ],
        ],
        cats=frozenset({"food"}),
        not_things=frozenset({"pot of soup"}),  # leaves no crumbs
    ),
    Plot(
        "newcomer",
        [
            [
                (
                    "once upon a time, {aH} moved to a new home {liveP}.",
                    "once upon a time there was {aH} who had just come to live {liveP}.",
                    "not long ago, {aH} came to live {liveP}.",
                ),
                (
                    "{he} did not know anybody, and the days were long and quiet.",
                    "everything was new, and {he} felt very much alone.",
                ),
                ("all {he} had brought along {wasA} {aT}, and {dear}.",),
            ],
            [
                (
                    ONE_DAY + ", {he} took {T} and sat down {inP}.",
                    ONE_DAY + ", {he} went to {P} and took {T} along.",
                ),
                (
                    '{ah} stopped and looked. "What do you have there?" asked {h}.',
                    '{ah} peeked out from {spot2}. "Oh, what is that?" asked {h}.',
                ),
                (
                    '"Would you like to see {it}?" asked {H} shyly.',
                    '"Come closer," said {H}, "and I will show you."',
                ),
                ("{cheer2}",),
                (
                    "soon others came, too, and everyone wanted to know {his} name.",
                    "then more and more neighbors came, and {he} had to tell the story of {T} again and again.",
                ),
            ],
            [
                (
                    '"Will you come again tomorrow?" asked {h}. "Yes!" said {H}.',
                    '"You must meet my family," said {h}. "We are having soup tonight."',
                ),
                (
                    "that night, {H} was not lonely anymore. The new place had become a home.",
                    "when {H} walked home that evening, everyone waved. Now {he} belonged {inP}, too.",
                    "and so, thanks to {T}, {H} found a home and a friend.",
                ),
            ],
        ],
        not_cats=frozenset({"seed", "food", "ride"}),
        not_hero=frozenset("famous happy cheerful busy friendly".split()),
    ),
    Plot(
        "wish",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{he} wished for only one thing: {aT}.",
                    "more than anything, {he} wanted {aT}.",
                    "every night {he} dreamed of {aT}.",
                ),
            ],
            [
                (
                    "but {he} had no money. So {he} looked for work {inP}.",
                    '"You must earn {it}," said the neighbors. So {he} went to {P} to ask for work.',
                ),
                (
                    '{ah} was working there. "If you help me for seven days," said {h}, "you will get your wish."',
                    'there {he} met {ah}. "I have so much to do," said {h}. "Help me for a week, and I will help you."',
                ),
                (
                    "{H} swept and carried and cleaned from morning to evening.",
                    "for seven days {H} worked hard, and {he} even sang while {he} worked.",
                ),
                (
                    "~soon {he} knew every corner and every stone there.",
                    "~and every evening, {h} told {him} a story.",
                ),
            ],
            [
                (
                    'on the last day, {h} smiled. "You worked well," said {h}, and gave {him} {aT}.',
                    'on the seventh evening, {h} went away and came back with {aT}. "For you," said {h}.',
                ),
                (
                    "{H} could not believe it. {^he} looked at {T} from all sides.",
                    '"Thank you!" cried {H}. {^he} had never been so proud.',
                ),
                ("{cheer}",),
                (
                    "but the next day, {he} went back to {P}, because {he} had learned to love the work and the stories.",
                    "and {H} loved {T} all the more, because {he} had earned {it} {himself}.",
                    "and for many years, {H} still visited {h} {inP}.",
                ),
            ],
        ],
        not_cats=frozenset({"food", "flower", "seed"}),
    ),
    Plot(
        "flower",
        [
            [
                OPENING,
                (
                    "{he} loved {aT} that grew in a big pot {inP}, {sit}.",
                    ONE_DAY + ", {he} found {aT} in a little pot {inP}, {sit}.",
                ),
            ],
            [
                (
                    "but one week, everyone forgot to water {it}, even {H}, and {T} began to hang {its} head.",
                    "but then everyone was busy, even {H}, and nobody watered {it}. Soon {T} looked thirsty and tired.",
                ),
                (
                    '"I will help you," said {H}. {^he} carried water from far away, drop by drop.',
                    "so {H} ran to fetch water, again and again, until {his} arms hurt.",
                ),
                (
                    '{ah} saw {him}. "Why do you work so hard for {aT}?" asked {h}. "Because {itS} needs a friend," said {H}.',
                    '"You are tired," said {ah}. "Let me carry the water for a while." And so they took turns.',
                    '{ah} came by and wanted to help. "We can take turns," said {H}, and they did.',
                ),
            ],
            [
                (
                    "the next morning, {T} stood tall again and shone in the sun.",
                    "and after seven days, {T} bloomed more beautifully than ever.",
                ),
                (
                    "everyone who came to {P} stopped to look at {it}.",
                    "{h} and {H} sat beside {it} all day long.",
                ),
                (
                    "and in autumn there were a hundred seeds, one for each of {his} friends.",
                    "and the year after, there were flowers all over {P}.",
                    "and {H} knew that even a small kindness can bloom.",
                ),
            ],
        ],
        cats=frozenset({"flower"}),
        not_things=frozenset({"bunch of flowers"}),  # no longer grows
    ),
    Plot(
        "quiet place",
        [
            [
                OPENING,
                (
                    "but lately nobody came to {P} anymore, and it was quiet and sad {inP}.",
                    "in the old days it was full of laughter {inP}. But now nobody came anymore.",
                ),
                (
                    ONE_DAY + ", {he} was cleaning up {inP} when {he} found {aT} {spot}.",
                    ONE_DAY + ", {he} found {aT} {spot}, all covered with dust.",
                ),
            ],
            [
                (
                    '"I have an idea!" {he} said to {his} friend, {ah}.',
                    '{he} showed {it} to {his} friend, {ah}. "Everyone will want to see this," said {h}.',
                ),
                (
                    'they painted a big sign: "Come and see {T}!"',
                    "they told the mice, the birds and all the children to come at noon the next day.",
                ),
                (
                    "then they swept and scrubbed, hung up colored ribbons, and put {T} in the middle.",
                    "{h} hung up colored ribbons, and {H} cleaned {T} until {itS} looked as good as new.",
                ),
                (
                    "~at noon they waited. First nobody came. Then one came, then two, then a whole crowd.",
                ),
            ],
            [
                ("{cheer_all}",),
                (
                    "by evening, {P} was full of laughter and music.",
                    "they stayed until the stars came out, and nobody wanted to go home.",
                ),
                (
                    '"Will you do this again?" asked a child. "Every Sunday!" said {H}.',
                    "from that day on, it was never quiet and sad {inP} again.",
                    "and so {T} had brought everyone back to {P}.",
                ),
            ],
        ],
        not_cats=frozenset({"food", "flower", "seed"}),
        not_hero=frozenset({"lonely"}),
    ),
    Plot(
        "kindness returns",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{he} had {aT}, and {he} loved {it}, because {dear}.",
                    "{he} owned {aT} and looked after {it} well, because {dear}.",
                ),
            ],
            [
                (
                    "one cold day, {inP}, {he} met {ah} who looked very sad.",
                    ONE_DAY + ", {ah} sat {inP} and cried.",
                ),
                (
                    '"I have never had anything of my own," said {h}.',
                    '"I wish I had something beautiful to look at," said {h}.',
                ),
                (
                    '{H} thought for a while. Then {he} put {T} into the {hhands} of {h}. "Keep {it}," {he} said.',
                    '{H} swallowed hard. Then {he} held out {T}. "For you," {he} said.',
                ),
                (
                    "{h} could hardly believe it and thanked {him} a hundred times.",
                    "{h} hugged {him} and smiled for the first time in a long while.",
                ),
            ],
            [
                (
                    "weeks later, {H} lost {his} way near {P} in a thick fog.",
                    "when winter came, {H} was caught in the snow near {P} and could not see the path.",
                ),
                (
                    "then {he} heard a voice. It was {h}, holding {T}.",
                    "just then, somebody came out of the white. It was {h}, with {T}.",
                ),
                (
                    '"You helped me once," said {h}. "Now I will help you." And together they went safely home.',
                    "{h} knew the way and brought {him} safely home.",
                ),
                (
                    "and {H} knew that every kindness finds its way back.",
                    "from then on, {T} belonged to both of them, and so did every happy day.",
                    "that evening they drank cocoa by the fire, and {T} lay on the table between them.",
                ),
            ],
        ],
        not_cats=frozenset({"food", "flower", "seed", "ride"}),
        not_hero=frozenset("poor".split()),
    ),
    Plot(
        "two want it",
        [
            [
                OPENING,
                (
                    "{^his} neighbor was {ah}, and most days they got along very well.",
                    "{he} often went for a walk with {his} friend, {ah}.",
                ),
                (
                    ONE_DAY + " {inP}, they both saw {aT} {spot} at the very same moment.",
                    ONE_DAY + ", the two of them found {aT} {inP}, {spot}.",
                ),
            ],
            [
                (
                    '"I saw {it} first!" said {H}. "No, I did!" said {h}.',
                    '"Mine!" cried {H}. "No, mine!" cried {h}.',
                ),
                (
                    "they pulled and pushed, and in the end they both went home angry and left {T} behind.",
                    "they argued until the sun went down. Then each of them went home alone, and {T} stayed {inP}.",
                ),
                (
                    "that night, {H} could not sleep. What good {was} {T} without a friend?",
                    "at home, {H} sat at the window. The evening was long without {h}.",
                ),
            ],
            [
                (
                    "early in the morning, {he} ran back to {P}. And who was already there, beside {T}? It was {h}!",
                    "at sunrise, {he} went back to {P}, and there stood {h} beside {T}.",
                ),
                (
                    '"You can have {it}," said {H}. "No, you," said {h}. Then they both had to laugh.',
                    '"I am sorry," they said at the same time, and then they laughed.',
                ),
                (
                    "so they decided to share: one week {T} stayed with {H}, and the next week with {h}.",
                    "from then on, {T} belonged to both of them, and they never argued about {it} again.",
                ),
                (
                    "~and on Sundays, they met {inP} and looked at {it} together.",
                    "~and that was the best idea they ever had.",
                ),
            ],
        ],
        lost_ok=True,
        not_cats=frozenset({"food", "flower", "seed"}),
        not_hero=frozenset("lonely kind gentle polite happy cheerful patient".split()),
    ),
    Plot(
        "delivery",
        [
            [
                OPENING_AWAY,
                (
                    ONE_DAY
                    + ", {his} grandmother gave {him} {aT} for {ah} who was waiting far away, {inaP}.",
                    ONE_DAY
                    + ", {he} was asked to bring {aT} to {ah} who was waiting far away, {inaP}.",
                ),
                (
                    '"I will take good care of {it}," said {H}, and set off.',
                    "{H} packed {T} carefully and set off for {P}.",
                ),
            ],
            [
                (
                    "first came a muddy road. {H} held {T} high, so that not a drop of mud touched {it}.",
                    "first {he} had to cross a brook. {^he} jumped from stone to stone and held {T} tight.",
                ),
                (
                    'then the wind came. "Give me {T}!" it howled. But {H} held on with all {his} might.',
                    "then it began to rain. {H} wrapped {T} in a blanket and got wet to the skin.",
                ),
                (
                    'soon {he} was so tired that {he} wanted to sit down. "Only a few more steps," {he} told {himself}.',
                    "the last part was the steepest. {H} counted {his} steps: one, two, three, a hundred.",
                ),
            ],
            [
                (
                    "at last {he} was there. {^inP}, {H} found {h} {sit} and held out {T}.",
                    "when {he} came to {P}, {h} was already standing there. {^H} gave {T} to {h}.",
                ),
                (
                    '"You carried {it} all this way?" said {h}. "Now I will make you some soup."',
                    '"I have waited for {it} so long," said {h}, and smiled from ear to ear.',
                ),
                (
                    "they sat together for a long time, warm and dry, and {T} lay between them on the table.",
                    "and {H} was so proud that {he} forgot {his} tired feet.",
                    "and from that day on, {H} visited {h} {inP} every week, even when there was nothing to bring.",
                ),
            ],
        ],
        not_cats=frozenset({"ride"}),
        not_things=frozenset({"blanket"}),
        not_hero=frozenset({"lonely"}),
    ),
    Plot(
        "nobody wanted it",
        [
            [
                OPENING,
                ("~",) + DETAIL,
                (
                    "{inP}, {spot}, there {wasA} {aT} that nobody wanted.",
                    "for a long time, {aT} had been lying {inP}, {spot}, and nobody wanted {it}.",
                ),
            ],
            [
                (
                    '"Too old," said one. "Too plain," said another, and they all walked past.',
                    "people came and people went, but nobody looked at {it} twice.",
                ),
                (
                    "but {H} stopped and looked for a long time.",
                    ONE_DAY + ", {H} bent down and picked {it} up.",
                ),
                (
                    '"I think you are beautiful," {he} said, and took {it} home.',
                    '"You can live with me," {he} said to {T}.',
                ),
                (
                    "{he} cleaned {it} with a soft cloth until {itS} looked like new.",
                    "{he} wiped away the dust, and underneath {itS} {was} as lovely as could be.",
                ),
            ],
            [
                (
                    'the next day, {ah} came by. "Where did you find {it}?" asked {h}. "I have never seen anything so fine!"',
                    'then {ah} came by, saw {it} and stood still. "How wonderful!" said {h}.',
                ),
                (
                    '"{^itS} {was} there all the time," said {H}. "You only have to look closely."',
                    '"Everyone walked past," said {H}, "but I took a second look."',
                ),
                ("{cheer2}",),
                (
                    "and after that, everyone {inP} looked a little more closely at old things, and at each other.",
                    "and {h}, who had often felt plain, too, smiled all the way home.",
                    "{keep}",
                ),
            ],
        ],
        not_cats=frozenset({"food", "flower", "seed", "ride"}),
    ),
    Plot(
        "rainy day",
        [
            [
                OPENING,
                (
                    "one day it rained and rained, and {H} sat {inP} with {his} friend, {ah}. They had nothing to do.",
                    "one [day|morning|afternoon], {H} and {his} friend, {ah}, wanted to play outside, but it rained, so they sat {inP}.",
                ),
                (
                    '"I am so bored," {H} sighed. Then {H} saw {aT} {spot}.',
                    "{H} looked around, and {spot} {he} found {aT}.",
                ),
            ],
            [
                (
                    '"What if this was the treasure of a pirate king?" said {H} to {h}.',
                    '{h} came closer to see. "Let us pretend that {itS} {is} magic!" said {H}.',
                ),
                (
                    "{h} was the captain, and {H} was the guardian of {T}.",
                    "{H} was a great explorer, and {h} carried {T} on a cushion.",
                ),
                (
                    "in their game, {P} became a ship, and the rain became the sea. They sailed past whales and islands and were nearly eaten by a sea monster.",
                    "in their game, {P} became a far land full of dragons. They climbed the highest mountain and made friends with a three-headed lion.",
                ),
            ],
            [
                (
                    '"Look," said {h} at last, "the rain has stopped." Neither of them had noticed.',
                    "when the sun came out, they were almost sorry.",
                ),
                (
                    '"Where shall we go tomorrow?" asked {h}. "To the moon!" said {H}, and held {T} tight.',
                    '"Let us hope for more rain tomorrow," said {H}.',
                ),
                (
                    "and since that day, {H} was never bored {inP} again.",
                    "and ever since, {T} {was} the greatest treasure of {P}.",
                    "{keep}",
                ),
            ],
        ],
        indoors=True,
        lost_ok=True,
        not_cats=frozenset({"food", "flower", "seed", "ride"}),
        not_hero=frozenset({"lonely", "busy"}),
        not_places=frozenset({"space station"}),  # no rain there
    ),
    Plot(
        "sleepless",
        [
            [
                OPENING,
                (
                    "one night, {he} could not sleep. {^he} turned to the left and {he} turned to the right.",
                    "one night, the moon was so bright that {he} could not sleep.",
                ),
                (
                    "so {he} took {aT} and went for a walk to {P}.",
                    "at last {he} got up, took {aT}, and walked to {P}.",
                ),
            ],
            [
                (
                    "there, {sit}, sat {ah}, wide awake.",
                    "somebody was there already. It was {ah}, looking at the moon.",
                ),
                (
                    '"Can you not sleep either?" asked {H}. "No," said {h}. "I have too many thoughts in my head."',
                    '"I cannot sleep," said {h}. "I miss my home so much." "Then I will stay with you," said {H}.',
                ),
                ("{cheer2}",),
                (
                    "then {h} told a long story about home, and {H} listened.",
                    "they counted slowly together, and they got as far as a hundred and three.",
                ),
            ],
            [
                (
                    "soon {h} yawned. Then {H} yawned, too.",
                    "at last their eyes grew heavy.",
                ),
                (
                    '"Good night," whispered {h}. "Good night," whispered {H}.',
                    "the moon went behind a cloud, and everything was still.",
                ),
                (
                    "in the morning, they woke up side by side {inP}, with {T} between them.",
                    "and when the sun came up, they were both fast asleep, and {T} lay beside them.",
                ),
                (
                    "and ever since, they both knew where to go when they could not sleep.",
                    "and from then on, neither of them was ever alone with the moon again.",
                ),
            ],
        ],
        not_hero=frozenset({"sleepy", "tired"}),
        not_cats=frozenset({"food", "flower", "ride", "key", "seed", "tool"}),
    ),
    Plot(
        "surprise party",
        [
            [
                OPENING,
                (
                    "{^his} best friend was {ah}, who was always there for everyone.",
                    "{^his} best friend was {ah}, and everybody loved {h}.",
                ),
                (
                    '"{^h} does so much for us," said {H} one day. "Let us have a party {inP}!"',
                    '{H} had a plan. "Let us surprise {h} with a party {inP}," {he} told the neighbors.',
                ),
            ],
            [
                (
                    "some made lemonade, some practiced a song, and {H} brought {aT} as a present.",
                    "the neighbors hung up ribbons and practiced a song, and {H} found a present: {aT}.",
                ),
                (
                    "{he} hid {T} {spot} and told everyone to be very quiet.",
                    "they all hid, and {H} hid {T} {spot}.",
                ),
                (
                    'in the evening, {h} came. "Why is it so dark?" asked {h}. "Is nobody here?"',
                    "in the evening, {h} came along slowly. It was dark, and nobody was to be seen.",
                ),
                (
                    '"Surprise!" they all shouted at once.',
                    '"Surprise!" cried {H}, and a hundred little lights went on.',
                ),
            ],
            [
                (
                    '{H} brought out {T}. "For you," {he} said.',
                    'then {H} gave {h} the present. "We all love you," {he} said.',
                ),
                (
                    "{h} laughed and cried at the same time.",
                    '"For me?" said {h}, and looked at {T} with shining eyes.',
                ),
                (
                    "they danced {inP} until midnight, and {h} danced with every single guest.",
                    "it was the loveliest party there ever was {inP}.",
                    "and {H} thought that the best parties are the ones you make for somebody else.",
                ),
            ],
        ],
        not_cats=frozenset({"ride", "seed"}),
        not_hero=frozenset("lonely busy".split()),
    ),
    Plot(
        "too small",
        [
            [
                OPENING,
                (
                    '{he} wanted to help everyone, but they always said, "Not now. You are only in the way."',
                    'whenever there was work to do {inP}, the others said, "We can do it without you."',
                ),
                (
                    "{H} went away sadly. All {he} had {wasA} {aT}.",
                    "so {H} often sat alone with {aT} and dreamed.",
                ),
            ],
            [
                (
                    ONE_DAY + ", {ah} slipped into a deep ditch near {P} and could not climb out.",
                    ONE_DAY + ", {ah} fell into a deep hole near {P} and could not get out.",
                ),
                (
                    "everyone ran around and shouted, and nobody knew what to do.",
                    "the strong ones pulled, the loud ones shouted, but nothing helped.",
                ),
                (
                    '"Wait," said {H}. "I have an idea." And {he} came running with {T}.',
                    "{H} looked at the trouble, then at {T}, and began to smile.",
                ),
                (
                    '{he} reached down with {T}. "Hold on!" {he} called to {h}. "And now, everyone, pull!"',
                    '"Hold on to {it}!" {he} called to {h}. "And now, everyone, pull!"',
                ),
            ],
            [
                (
                    "and in a moment {h} was free.",
                    "and out came {h}, a little dusty, but safe.",
                ),
                (
                    '"What would we have done without you?" said {h}.',
                    '"Forgive us," said the others. "We should have asked you much sooner."',
                ),
                (
                    "from that day on, whenever there was work to do {inP}, they called {H} first.",
                    "and nobody ever told {H} again that {he} was in the way.",
                    "and {T} got a place of honor {inP}, where everyone could see {it}.",
                ),
            ],
        ],
        cats=frozenset({"tool"}),
        not_hero=frozenset("famous lonely big happy cheerful".split()),
    ),
]
