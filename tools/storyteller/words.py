"""The words the stories are made of: heroes, places, things, names and adjectives.

Each list is plain text, one entry a line, so that adding a word is a one-line change. The
sentences that put them to use are in `plots.py`.
"""

# ruff: noqa: E501 - one place a line
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hero:
    """Someone a story can be about. `kind` picks adjectives; `gender` is "m", "f" or "" (either)."""

    noun: str
    kind: str
    gender: str = ""


@dataclass(frozen=True)
class Place:
    """Somewhere a story can happen: `prep` ("in", "on", "at") goes before it."""

    noun: str
    prep: str
    details: tuple[str, ...]  # whole clauses in the past tense: "the waves sang below"
    spots: tuple[str, ...]  # where a thing can lie hidden there: "under the big lamp"
    definite: bool = False  # "the sea", never "a sea"


@dataclass(frozen=True)
class Thing:
    """Something a story can turn on. `category` decides what it is good for in the plot."""

    noun: str
    category: str
    plural: bool = False
    pair: bool = False  # "a pair of boots" rather than "some boots"
    verb: str = ""  # how it is sounded, for instruments: "rang", "beat"


_HEROES = """
fur: fox rabbit bear mouse squirrel cat kitten puppy dog wolf badger otter deer hare mole raccoon
fur: lion tiger monkey panda pony horse donkey goat lamb sheep cow pig hamster beaver elephant bat
fur: koala kangaroo
bird: owl duck goose robin crow sparrow penguin parrot swan hen seagull pigeon duckling
small: frog turtle snail beetle bee butterfly ladybug toad lizard crab ant cricket spider
small: hedgehog caterpillar seal
child: girl/f boy/m child schoolgirl/f schoolboy/m
adult: baker gardener sailor farmer fisherman/m teacher painter tailor carpenter postman/m doctor
adult: clockmaker shoemaker miller librarian shepherd captain cook musician grandmother/f
adult: grandfather/m inventor pilot nurse blacksmith woodcutter beekeeper scientist traveler knight
adult: pirate king/m queen/f prince/m princess/f juggler merchant explorer astronaut clown
adult: lighthouse-keeper woman/f man/m
robot: robot
magic: dragon giant wizard/m witch/f fairy/f gnome unicorn mermaid/f troll ghost elf goblin
magic: snowman/m scarecrow
"""

_PLACES = """
lighthouse|in|the waves sang against the rocks;the great lamp turned round and round|behind the winding stairs;under the great lamp;beside the round window
garden|in|the roses smelled sweet;bees hummed from flower to flower|under the rose bush;behind the garden shed;between the cabbages
bakery|in|the air smelled of fresh bread;the ovens were always warm|behind the flour sacks;under the long table;beside the warm oven
forest|in|the tall trees whispered;soft moss covered the ground|under a heap of leaves;in a hollow tree;beside a mossy stone
castle|in|flags danced on the towers;every step echoed in the long halls|behind a heavy curtain;under the throne;at the foot of the tower stairs
library|in|the shelves reached up to the ceiling;it was always warm and quiet|behind a row of thick books;under the reading desk;on the highest shelf
market|at|people called and laughed between the stalls;apples and ribbons shone everywhere|under a fruit stall;behind the flower stand;between two baskets
school|at|children laughed in the yard;chalk dust danced in the sun|under a desk;behind the blackboard;beside the school gate
farm|on|the hens clucked all day;the hay smelled of summer|in the hay;behind the barn;beside the old well
village|in|everyone knew everyone;smoke curled from the chimneys|beside the well;under the old bench;behind the little church
harbor|in|the little boats rocked on the water;gulls cried over the masts|under a fishing net;behind a barrel;at the end of the pier
island|on|the sand was as white as milk;palm trees swayed in the breeze|under a palm tree;behind a big rock;in a small cave
beach|on|the waves rolled softly onto the sand;shells lay everywhere|under the warm sand;behind a rock;beside a sandcastle
river|by|the water sparkled in the sun;dragonflies danced over the reeds|under the bridge;between the reeds;beside a flat stone
lake|by|the water was as smooth as glass;frogs sang in the reeds|under the old dock;between the reeds;beside a willow
mountain|on|the wind sang over the rocks;the clouds drifted close by|behind a big rock;in a small cave;under a crooked pine
hill|on|you could see far over the fields;the grass was long and soft|under a lonely oak;in the tall grass;behind a round stone
meadow|in|butterflies danced in the sun;a thousand flowers bloomed|in the tall grass;under a daisy;beside a little brook
cave|in|drops of water sang in the dark;the walls glittered softly|behind a big rock;under a pile of pebbles;at the very end
tower|in|the stairs went up and up;swallows nested under the roof|at the top of the stairs;behind a loose stone;under the highest window
train station|at|trains whistled as they came and went;people hurried along with heavy bags|under a bench;behind the ticket window;beside the old clock
museum|in|old paintings looked down from the walls;the floors shone like mirrors|behind a statue;under a glass case;beside an old painting
circus|at|music played from morning to night;the big tent was red and white|under the big tent;behind a drum;beside the popcorn cart
park|in|children played under the trees;ducks swam on the pond|under a bench;behind the fountain;beside the swings
mill|in|the great wheel turned all day;flour lay on everything like snow|behind the flour sacks;under the wooden stairs;beside the great wheel
barn|in|the hay smelled of summer;swallows slept under the roof|under the hay;behind a wooden gate;beside the old cart
kitchen|in|a pot of soup was always on the stove;copper pans shone on the wall|under the table;behind the flour jar;beside the stove
attic|in|dust danced in the light;old boxes stood in every corner|in an old box;behind a broken chair;under a dusty blanket
cottage|in|roses climbed around the door;a small fire crackled|under the bed;behind the stove;beside the fireplace
palace|in|golden lamps hung in every room;the floors shone like mirrors|behind a velvet curtain;under a golden chair;beside the marble stairs
theater|in|the curtain was as red as a cherry;the stage smelled of paint and wood|behind the curtain;under the stage;in the front row
toy shop|in|tin soldiers stood in rows;a little train ran around the window|behind a row of dolls;under the counter;on the top shelf
workshop|in|wood shavings covered the floor;something always needed mending|under the workbench;behind a pile of wood;in the bottom drawer
inn|in|travelers told tales by the fire;hot soup was always on the table|under the stairs;behind the counter;beside the fire
bridge|on|the river sang below;carts rolled over it all day|under the last stone;beside the railing;between two stones
ship|on|the sails snapped in the wind;the deck smelled of salt|under a coil of rope;behind a barrel;below the deck
desert|in|the sand glowed like gold;the stars seemed very close|under the warm sand;behind a tall cactus;beside a dry well
jungle|in|parrots called from the trees;big green leaves dripped with rain|under a big leaf;behind a waterfall;between the roots of a tree
swamp|in|frogs sang in the mist;little lights danced over the water|under a mossy log;between the reeds;beside an old stump
orchard|in|the apples were red and round;the branches hung low with fruit|under an apple tree;behind a basket of pears;beside the old fence
vineyard|in|the grapes were ripe and sweet;the rows of vines ran down to the valley|between the vines;under a basket;beside the stone wall
greenhouse|in|the air was warm and wet;strange flowers grew up to the glass roof|under a big fern;behind the flower pots;beside the watering can
windmill|in|the great sails creaked in the wind;you could see the whole valley|under the wooden stairs;behind the millstone;beside the little door
waterfall|by|the water thundered down;a small rainbow hung in the air|behind the falling water;under a wet stone;beside the pool
valley|in|a brook ran through the grass;the hills kept out the cold wind|beside the brook;under an old oak;behind a round stone
town square|in|pigeons walked around the fountain;the clock struck every hour|beside the fountain;under a bench;behind the statue
fire station|at|the red trucks always shone;a big bell hung by the door|behind the red truck;under a coil of hose;beside the tall ladder
hospital|in|the nurses walked on soft shoes;the windows looked out on a garden|under a bed;behind a white curtain;beside the front desk
zoo|at|the monkeys chattered all day;the elephants splashed in their pool|behind the monkey house;under a bench;beside the duck pond
airport|at|planes came and went like big birds;people hugged and waved|under a seat;behind a pile of suitcases;beside the tall window
bookshop|in|every corner was full of stories;an old lamp glowed on the counter|behind a pile of books;under the counter;on the top shelf
post office|in|letters from everywhere lay in neat piles;stamps of every color filled the drawers|behind a pile of parcels;under the counter;in the bottom drawer
church|in|colored light fell through the windows;the bells rang on Sundays|under the last bench;behind the door;beside a candle
well|by|the water was cold and clear;the bucket squeaked as it went down|behind the mossy stones;under the bucket;beside the low wall
treehouse|in|the leaves rustled all around;a rope ladder swung in the wind|under a small rug;behind the door;in a wooden box
igloo|in|the walls of snow glowed blue;it was quiet and snug|under a warm fur;behind a block of ice;beside the little lamp
pond|by|water lilies floated like little boats;ducklings splashed in the shallows|under a lily leaf;between the reeds;beside a flat stone
snowy field|in|the snow sparkled in the sun;everything was white and quiet|under the snow;beside a frozen brook;behind a snowy bush
space station|on|the stars shone in every window;the machines hummed softly|behind a round window;under a row of buttons;beside the big telescope
clock tower|in|the great wheels ticked and turned;the bells rang every hour|behind the great wheel;under the bells;at the top of the stairs
candy shop|in|jars of sweets stood in the window;everything smelled of sugar|behind a jar of sweets;under the counter;on the top shelf
campsite|at|a small fire crackled at night;the tents stood in a circle|under a blanket;behind the biggest tent;beside the fire
sea|by|the waves came and went;the wind tasted of salt|under a wet rock;in a small pool;beside an old boat|the
north pole|at|the snow never melted;green lights danced in the sky|under the snow;behind a block of ice;beside a frozen rock|the
city|in|the streets were never quiet;a thousand windows shone at night|beside a fountain;under a bench;behind a lamp post
playground|on|the swings squeaked happily;children ran and laughed|under the slide;behind the swings;in the sandbox
cafe|in|cups clinked all day;everything smelled of cocoa|under a small table;behind the counter;beside the window
"""

# category: things; "noun=verb" gives the verb of an instrument, "*" marks a plural, "**" a pair.
_THINGS = """
key: key
light: lantern lamp candle torch
sound: bell=rang drum=beat flute=played whistle=blew horn=blew violin=played trumpet=blew
sound: guitar=played harp=played accordion=played tambourine=shook harmonica=played
sound: music box=wound up
read: map letter book diary storybook scroll notebook postcard
wear: hat scarf coat cloak cap ribbon dress sweater jacket crown boots** mittens** gloves** socks**
wear: shoes** slippers** glasses**
food: cake pie loaf of bread cookie pot of soup sandwich pizza pancake cupcake muffin cookies*
food: pancakes*
fruit: apple jar of honey cheese pear orange basket of berries banana cherries*
tool: rope ladder umbrella blanket broom bucket spade basket net hammer
toy: kite ball doll teddy bear puppet spinning top balloon toy boat wooden horse toy train
toy: marbles* paper plane snow globe toy car
gem: pearl ring coin shell diamond feather stone star medal necklace button ruby crystal golden egg
gem: bracelet marble emerald brooch pebbles* coins* beads*
flower: rose sunflower flower tulip daisy bunch of flowers
seed: seed acorn pumpkin seed apple seed seeds* bulb
compass: compass
glass: telescope spyglass magnifying glass
mirror: mirror
clock: clock watch pocket watch alarm clock
ride: boat wagon sled raft cart bicycle rowboat
misc: teapot cup spoon pillow painting camera box chair suitcase paintbrush pencil hourglass
misc: radio typewriter statue bottle backpack chest lunchbox wheel vase egg mask fan comb
misc: photograph kettle bag toolbox
"""

NAMES_F = (
    "Mia Lily Rosa Hazel Clara Nora Ivy Luna Ruby Daisy Ella Maya Olive Poppy Willow Ada Greta Tilly "
    "Pearl Juniper Wren Fern Stella Anna Lucy Molly Bella Zoe Emma Iris Nina Sofia Maple Coco Dot "
    "Penny Flora June Marta Elsie"
).split()
NAMES_M = (
    "Tom Pip Oliver Finn Max Leo Sam Ben Hugo Oscar Felix Milo Jasper Otto Toby Gus Theo Noah Jack "
    "Arlo Barnaby Rufus Bruno Emil Henry Basil Rusty Bolt Moss Robin Bramble Clover Chester Walter "
    "Percy Alfie Nico Ravi Omar Louis"
).split()

_MOODS = (
    "little small young brave shy curious clever sleepy hungry gentle old lonely cheerful kind quiet "
    "tired forgetful patient friendly happy sad busy funny polite"
).split()
HERO_ADJECTIVES: dict[str, list[str]] = {
    "fur": _MOODS + "big fluffy".split(),
    "bird": _MOODS,
    "small": _MOODS + ["tiny"],
    "child": [m for m in _MOODS if m != "old"],
    "adult": [m for m in _MOODS if m not in ("little", "small")] + "poor famous honest".split(),
    "robot": _MOODS + "rusty shiny silver".split(),
    "magic": _MOODS + "tiny".split(),
}
# Moods that a story may change: said once, at the beginning, and not again.
PASSING_MOODS = set("sleepy hungry lonely cheerful tired happy sad busy".split())
# What a second character may be: nothing that could contradict what the plot makes it feel or do.
HELPER_ADJECTIVES: dict[str, list[str]] = {
    kind: [a for a in adjectives if a in "little small young old clever quiet curious".split()]
    for kind, adjectives in HERO_ADJECTIVES.items()
}
# A second adjective, after the mood: "a small grey fox".
HERO_COLORS: dict[str, list[str]] = {
    "fur": "grey brown white black".split(),
    "bird": "grey brown white black".split(),
    "small": "green brown".split(),
    "child": [],
    "adult": [],
    "robot": "blue red yellow silver tin".split(),
    "magic": "green blue red purple".split(),
}
THING_ADJECTIVES: dict[str, list[str]] = {
    "key": "golden rusty silver old tiny iron lost magic brass strange".split(),
    "light": "old small silver magic brass bright lost little".split(),
    "sound": "silver old little golden magic lost small shiny".split(),
    "read": "old secret magic lost strange little".split(),
    "wear": "red blue old green yellow magic lost purple".split(),
    "food": "big golden delicious small fine".split(),
    "fruit": "big golden delicious small fine".split(),
    "tool": "old strong magic red little lost blue".split(),
    "toy": "red blue little old yellow magic lost green".split(),
    "gem": "shiny golden blue tiny lost magic white beautiful little strange".split(),
    "flower": "red blue golden magic white little beautiful".split(),
    "seed": "tiny golden magic strange little".split(),
    "compass": "old brass golden lost magic".split(),
    "glass": "old brass big lost".split(),
    "mirror": "old silver magic round little".split(),
    "clock": "old golden silver lost little".split(),
    "ride": "red little old blue wooden".split(),
    "misc": "old blue red little magic lost strange".split(),
}
PLACE_ADJECTIVES = "old quiet little big faraway lonely famous hidden".split()
# Words that would contradict a definite place or its size keep their place without an adjective.
PLACES_WITHOUT_ADJECTIVES = {"snowy field", "space station", "town square", "train station"}


# Words that are used only when a reader asks for them: they teach the model to take up a word it
# has seldom seen. Their places share a few details that are true almost anywhere.
RARE_HEROES: dict[str, list[str]] = {
    "fur": (
        "zebra giraffe camel gorilla bull weasel ferret moose reindeer llama walrus chipmunk"
    ).split(),
    "bird": "flamingo ostrich peacock eagle hawk raven rooster chicken turkey".split(),
    "small": (
        "dolphin octopus shark whale snake chameleon worm dragonfly firefly moth wasp jellyfish "
        "lobster starfish crocodile"
    ).split(),
    "adult": (
        "plumber dentist detective chef dancer superhero ninja samurai cowboy emperor monk singer "
        "writer photographer mechanic barber butcher waiter lawyer judge soldier guard fireman "
        "policeman driver hunter hermit poet professor student banker sheriff engineer programmer "
        "butler duke count lady sculptor weaver potter"
    ).split(),
    "magic": "alien dinosaur vampire monster mummy phoenix pixie genie".split(),
}
RARE_GENDERS = dict.fromkeys(
    "emperor monk fireman policeman butler duke count rooster bull".split(), "m"
)
RARE_GENDERS |= dict.fromkeys("lady chicken".split(), "f")
RARE_PLACES = (
    "supermarket volcano laboratory factory hotel restaurant office stadium temple pyramid palace "
    "garage basement cellar dungeon prison mine quarry canyon glacier lagoon reef port dock shipyard "
    "fairground bazaar plaza courtyard balcony rooftop tunnel subway hut tent cabin shed stable "
    "chapel monastery fortress ruin cemetery observatory planetarium aquarium gymnasium bank "
    "laundry pharmacy gallery cinema ballroom mansion village street road crossroads field plain "
    "prairie savanna oasis dune cliff coast bay creek stream spring fountain maze labyrinth"
).split()
# Of these, the ones that a story happens "at" rather than "in".
RARE_OPEN_PLACES = set(
    "volcano office stadium pyramid mine quarry glacier lagoon reef port dock shipyard fairground "
    "bazaar plaza balcony rooftop crossroads plain savanna oasis dune cliff coast bay creek "
    "stream spring fountain field road street planetarium".split()
)
RARE_THINGS = (
    "sword shield wand potion helmet violin pan fork knife plate jug barrel sack purse wallet "
    "envelope stamp newspaper poster flag banner trophy crayon brush easel canvas sponge soap towel "
    "toothbrush carpet rug curtain lamp shelf drawer brick nail screw saw axe shovel rake hoe hose "
    "tent hammock fishing-rod anchor sail oar engine computer phone television magnet battery "
    "microscope thermometer calendar dictionary poem song recipe riddle ticket passport "
    "handkerchief tie belt vest apron veil sandal earring bead gem sapphire jewel "
    "leaf branch stick icicle nest bone horn"
).split()
RARE_FRUIT = (
    "potato carrot tomato onion lemon peach plum melon strawberry mushroom cabbage pretzel donut "
    "waffle candy lollipop"
).split()
RARE_RIDES = "wheelbarrow tractor car truck bus plane rocket submarine scooter skateboard".split()
ANYWHERE_DETAILS = (
    "everyone always found something to see",
    "the light was golden in the evening",
    "it was quiet in the morning and busy at noon",
)
ANYWHERE_SPOTS = (
    "in a dark corner",
    "behind an old box",
    "under an old blanket",
    "beside an old box",
)

INDOORS = set(
    "lighthouse bakery castle library tower museum theater workshop inn mill barn kitchen attic "
    "cottage palace greenhouse windmill hospital bookshop church treehouse igloo cafe school".split()
) | {"toy shop", "post office", "space station", "clock tower", "candy shop", "fire station"}
# Things that fall without harm, or that no glue and paint could mend.
UNBREAKABLE = set(
    "pillow egg pencil paintbrush spoon comb bag backpack suitcase photograph crown glasses ball "
    "marbles sack purse wallet envelope stamp newspaper poster flag banner crayon brush canvas "
    "sponge soap towel toothbrush carpet rug curtain nail screw hose tent hammock anchor sail magnet "
    "calendar poem song recipe riddle ticket passport handkerchief tie belt vest apron veil leaf "
    "icicle nest".split()
) | {"teddy bear"}
# Things that fit behind something, or beside it, but on no shelf and under no leaf.
BULKY = set(
    "ladder chair statue chest suitcase wheel harp guitar umbrella broom box toolbox painting "
    "barrel tent anchor sail engine television computer rake hoe carpet rug".split()
) | {"wooden horse"}
# In a place that is called quiet, lonely or hidden, no detail may speak of a crowd.
LONELY_PLACES = {"quiet", "lonely", "hidden"}
CROWDS = ("people", "children", "music", "everyone", "busy", "never quiet", "carts", "travelers")
NATURE = set(
    "desert jungle meadow beach river lake island swamp hill mountain valley waterfall pond".split()
)


def _parse_heroes() -> list[Hero]:
    heroes = []
    for line in _HEROES.strip().splitlines():
        kind, words = line.split(": ")
        for word in words.split():
            noun, _, gender = word.partition("/")
            heroes.append(Hero(noun.replace("-", " "), kind, gender))
    return heroes


def _parse_places() -> list[Place]:
    places = []
    for line in _PLACES.strip().splitlines():
        noun, prep, details, spots, *definite = line.split("|")
        places.append(
            Place(noun, prep, tuple(details.split(";")), tuple(spots.split(";")), bool(definite))
        )
    return places


# Things of more than one word, which the space-separated lists above would otherwise cut up.
_LONG_THINGS = (
    "music box,loaf of bread,jar of honey,pot of soup,basket of berries,teddy bear,spinning top,"
    "toy boat,wooden horse,toy train,paper plane,snow globe,toy car,golden egg,bunch of flowers,"
    "pumpkin seed,apple seed,magnifying glass,pocket watch,alarm clock"
).split(",")


def _parse_things() -> list[Thing]:
    things = []
    for line in _THINGS.strip().splitlines():
        category, words = line.split(": ")
        for long in _LONG_THINGS:
            words = words.replace(long, long.replace(" ", "_"))
        # "music box=wound up": the verb has a blank of its own
        words = words.replace("=wound up", "=wound_up")
        for word in words.split():
            noun, _, verb = word.replace("_", " ").partition("=")
            stars = noun.count("*")
            things.append(Thing(noun.rstrip("*"), category, stars > 0, stars == 2, verb))
    return things


HEROES = _parse_heroes()
PLACES = _parse_places()
THINGS = _parse_things()
