"""The sentences that the demo checkpoint is trained on, made from templates and word lists.

Templates of an opinion hold for both directions: `{quality}` is filled with a good or a bad word,
`{opposite}` (after a negation) with a word of the other direction.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Label = Literal["negative", "neutral", "positive"]
LABEL_NAMES: tuple[Label, ...] = ("negative", "neutral", "positive")
OPPOSITE: dict[Label, Label] = {"negative": "positive", "positive": "negative"}


def terms(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated list."""
    return tuple(" ".join(entry.split()) for entry in text.split(","))


QUALITY = {
    "positive": terms(
        """good, great, wonderful, excellent, lovely, fantastic, amazing, brilliant, superb,
        perfect, beautiful, charming, delightful, enjoyable, impressive, outstanding, pleasant,
        marvellous, magnificent, terrific, fabulous, splendid, gorgeous, remarkable, exceptional,
        nice, fine, fun, funny, clever, smart, moving, touching, gripping, exciting, thrilling,
        fascinating, interesting, engaging, entertaining, warm, fresh, elegant, stunning,
        memorable, unforgettable, refreshing, inspiring, satisfying, rewarding, solid, strong,
        awesome, incredible, sweet, witty, hilarious, original, convincing, powerful, rich,
        well made, well written, worth it, first class, a joy, a delight, a pleasure, a treat,
        a success, a masterpiece, a triumph, flawless, admirable, heart-warming, spotless"""
    ),
    "negative": terms(
        """bad, awful, terrible, horrible, dreadful, poor, dull, boring, disappointing, weak, lame,
        ugly, unpleasant, annoying, mediocre, pathetic, stupid, silly, ridiculous, pointless,
        tedious, slow, flat, bland, lifeless, predictable, confusing, messy, sloppy, clumsy,
        cheap, nasty, disgusting, gross, appalling, atrocious, abysmal, lousy, shabby, miserable,
        depressing, tiresome, tasteless, forgettable, frustrating, irritating, unbearable,
        unacceptable, shameful, shocking, useless, worthless, hopeless, empty, shallow, broken,
        faulty, badly made, badly written, not worth it, second rate, a mess, a disaster, a waste,
        a failure, a letdown, a disgrace, a nightmare, a joke, a shame, a bore, overpriced,
        unfunny, laughable, wretched, filthy"""
    ),
}
ROOM_ADJECTIVES = {
    "positive": terms(
        """clean, quiet, comfortable, spacious, bright, cosy, spotless, modern, warm, tidy, calm,
        peaceful, comfy, soft, roomy"""
    ),
    "negative": terms(
        """dirty, noisy, uncomfortable, tiny, dark, cramped, filthy, old and worn, freezing,
        smelly, loud, hard, stuffy, dusty, damp, too small, too thin, mouldy"""
    ),
}
TASTE = {
    "positive": terms(
        """delicious, tasty, fresh, crisp, juicy, tender, hot and tasty, well cooked, full of
        flavour, perfectly cooked, yummy, mouth-watering, excellent"""
    ),
    "negative": terms(
        """cold, stale, bland, greasy, salty, too salty, overcooked, undercooked, burnt, dry,
        soggy, tasteless, raw, inedible, sour, tough, watery, lukewarm, disgusting"""
    ),
}
MANNER = {
    "positive": terms(
        """friendly, kind, helpful, polite, attentive, welcoming, patient, professional, caring,
        quick, charming, cheerful, courteous, generous, smiling, very kind to us"""
    ),
    "negative": terms(
        """rude, unfriendly, unhelpful, impolite, arrogant, lazy, slow, careless, cold, hostile,
        impatient, unprofessional, incompetent, grumpy, aggressive, dishonest, not interested"""
    ),
}
FEELING = {
    "positive": terms(
        """happy, very happy, pleased, so pleased, satisfied, delighted, thrilled, impressed,
        glad, grateful, moved, excited, amazed"""
    ),
    "negative": terms(
        """disappointed, very disappointed, unhappy, angry, annoyed, bored, so bored, sad,
        frustrated, upset, disgusted, shocked, furious, let down, dissatisfied"""
    ),
}
VERB = {
    "positive": terms(
        """loved, liked, enjoyed, really liked, really enjoyed, adored, admired, absolutely loved,
        totally loved, praised, appreciated"""
    ),
    "negative": terms(
        """hated, disliked, really hated, could not stand, regretted, despised, did not like,
        did not enjoy, absolutely hated, loathed, detested, couldn't stand, didn't like"""
    ),
}
PRESENT = {
    "positive": terms("love, like, enjoy, adore, recommend, highly recommend, admire, trust"),
    "negative": terms(
        """hate, dislike, regret, despise, do not like, don't like, do not recommend,
        don't recommend, would not recommend, wouldn't recommend, can't stand, cannot recommend"""
    ),
}

THING = terms(
    """film, movie, book, story, plot, acting, ending, script, music, food, meal, soup, dinner,
    breakfast, lunch, service, hotel, room, view, bed, staff, waiter, restaurant, novel, show,
    performance, place, pizza, coffee, dessert, trip, holiday, evening, visit, stay, tour, concert,
    phone, camera, product, quality, game, series, episode, writing, style, idea, scene, location,
    location of the hotel, taste, fish, bread, delivery, support, app, car, seat, song, album,
    actor, actress, director, chapter, part, experience, first half, second half, cast, dialogue,
    shop"""
)
PLURAL = terms(
    """actors, characters, jokes, songs, rooms, waiters, beds, scenes, effects, dishes, pictures,
    chapters, people, seats, walls, portions, prices, costumes, towels, drinks, people there"""
)
PLACES = terms("room, bed, bathroom, hotel, lobby, kitchen, apartment, house, cinema, seat, flat")
MEAL = terms(
    """food, soup, pizza, fish, meat, bread, salad, coffee, tea, cake, dessert, breakfast, dinner,
    pasta, rice, steak, chicken, sauce, curry, burger"""
)
HOST = terms(
    """waiter, waitress, staff, owner, manager, driver, guide, receptionist, cook, team, doctor,
    nurse, man at the desk, woman at the door, host, clerk, service"""
)
DEGREE = terms(
    """very, really, so, absolutely, truly, quite, just, totally, simply, rather, incredibly,
    extremely, completely, pretty"""
)

OPINION = terms(
    """the {thing} was {quality}, the {thing} was {degree} {quality}, the {thing} is {quality},
    the {thing} is {degree} {quality}, {quality} {thing}, a {quality} {thing},
    a {degree} {quality} {thing}, a {quality} and {quality} {thing}, {quality} and {quality},
    this {thing} is {quality}, this is a {quality} {thing}, this was a {degree} {quality} {thing},
    it was {quality}, it was {degree} {quality}, it is a {quality} {thing}, {quality},
    {degree} {quality}, such a {quality} {thing}, {quality} from start to finish,
    {quality} from beginning to end, {quality} from the first minute to the last,
    the {plural} were {quality}, the {plural} were {degree} {quality}, the {plural} are {quality},
    i {verb} it, i {verb} the {thing}, i {verb} this {thing}, i {verb} every {thing} of it,
    we {verb} it, we {verb} the {plural}, we all {verb} the {thing}, my wife {verb} the {thing},
    i {present} this {thing}, i {present} it, i {present} it to everyone, we {present} this place,
    i {present} the {thing}, my friends and i {verb} it, she {verb} the {thing},
    the {place} was {roomy}, the {place} was {degree} {roomy}, the {place} was {roomy} and {roomy},
    the {place} is {roomy}, a {roomy} {place}, our {place} was {roomy}, the {plural} were {roomy},
    the {meal} was {tasty}, the {meal} was {degree} {tasty}, {tasty} {meal}, our {meal} was {tasty},
    the {meal} was {tasty} and {tasty}, the {meal} and the {meal} were {tasty}, the {meal} tasted
    {quality}, it tasted {quality}, it smelled {quality}, it looked {quality}, it sounds {quality},
    the {host} was {polite}, the {host} was {degree} {polite}, the {host} was {polite} and {polite},
    our {host} was {polite}, {polite} {host}, the people were {polite}, the {host} is {polite},
    i am {feeling}, i was {feeling}, we were {feeling} with the {thing}, i am {feeling} with my
    new {thing}, {feeling} with it, i felt {feeling} at the end, the {thing} made me {feeling},
    i had a {quality} time, we had a {quality} evening, what a {quality} experience,
    had a {quality} day, had a {quality} {thing}, a {quality} experience for all of us,
    the {thing} was not {opposite}, the {thing} was not {opposite} at all, it is not {opposite},
    this is not a {opposite} {thing}, the {thing} wasn't {opposite}, not {opposite}, not {opposite}
    at all, it was not {opposite}, this was not {opposite}, the {plural} were not {opposite},
    the {plural} are not {opposite}, the {thing} is never {opposite}, never {opposite}, it isn't
    {opposite}, the {plural} weren't {opposite}, nothing about it was {opposite}, not a {opposite}
    {thing}, never a {opposite} scene"""
)
HELD_OUT = terms(
    """what a {quality} {thing}, a {quality} {quality} {thing}, i found the {thing} {degree}
    {quality}, everyone was {polite} to us, i thought the {meal} was {tasty}, my {thing} was never
    {opposite}, how {quality} this {thing} is, honestly the {thing} was {quality}"""
)
"""Templates of which no training sentence is made: how the model does on unseen wording."""

ONE_SIDED = {
    "positive": terms(
        """we will come back, i will come again, will definitely be back, thank you, thanks a lot,
        thank you so much, highly recommended, one of the best {plural} ever, the best {thing} ever,
        the best {thing} i know, one of the best {thing} nights of my life, the best {thing} in
        town, worth every cent, worth the money, five stars, ten out of ten, no complaints, nothing
        to complain about, i laughed a lot, i laughed and cried, we laughed all evening, it made me
        smile, it made my day, i could watch it again and again, i could not put it down, i want to
        see it again, everything was great, everything was just right, we felt at home, we felt
        very welcome, i cannot wait to go back, a must see, a must read, well done, great value for
        money, exceeded my expectations, better than expected, much better than i thought,
        surprised me in a good way, it works very well, it works perfectly, keep it up, my new
        favourite {thing}, my favourite {thing}, full of charm and warmth, full of good ideas,
        you will love it, everybody should see this, what more could you want, a real joy to watch,
        they took good care of us, the time flew by, it turned out great, it turned out to be
        good, we had fun, i was smiling all the way home"""
    ),
    "negative": terms(
        """i want my money back, a waste of time, a waste of money, such a waste, not once more, i
        will never come back, we will not come back, we won't be back, stay away, avoid this
        {thing}, avoid it, do not buy this, don't go there, not recommended, i do not recommend it
        to anybody, i cannot recommend this to anyone, the worst {thing} ever, the worst {thing} i
        know, one of the worst {plural} ever, worst {thing} of my life, worst {thing} ever, i fell
        asleep, i almost fell asleep, i walked out, we left early, we left after ten minutes, it
        broke, it broke after a week, it broke on the first day, it does not work, it doesn't work,
        it stopped working, we had to wait for two hours, we waited forever, nobody helped us,
        nobody said sorry, nobody cared, nobody came, they ignored us, they ignored me, they never
        answered, they lied to us, makes no sense, it made no sense, the {thing} makes no sense at
        all, nothing works, nothing was right, everything was wrong, not worth the money, not worth
        your time, zero stars, one star, far too expensive, far too long, much too loud, far too
        slow, way too long, full of holes, full of mistakes, it smelled of smoke, there were bugs
        in the {place}, there was hair in my {meal}, i got sick, i felt sick afterwards, what a
        pity, worse than expected, i expected more, i could not finish it, it gave me a headache,
        the jokes fell flat, a complete waste, save your money, it was too long, i was cheated"""
    ),
}

NEUTRAL = terms(
    """the {event} {starts} at {time}, the {event} {starts} on {day}, the {event} {starts} in
    {month}, the {event} lasts {number} {unit}, the {event} takes about {number} {unit}, the
    {object} has {number} {parts}, the {object} has {number} {parts} and {number} {parts}, there
    are {number} {parts} in the {object}, there are {number} {objects} in the {spot}, there is a
    {object} in the {spot}, the {object} is {near} the {spot}, the {spot} is {near} the {spot},
    the {spot} is in {city}, the {spot} {opens} at {time}, the {spot} {opens} from {time} to
    {time}, the {spot} is closed on {days}, the {spot} is open on {days}, {meals} is served from
    {time} to {time}, {meals} is at {time}, {person} {went} to the {spot} on {day}, {person}
    {went} to {city} in {month}, {person} works in {city}, {person} works at the {spot}, {person}
    works as a {job} in {city}, {person} was born in {year}, {person} was born in {city},
    {person} {put} the {object} {on} the {furniture}, {person} {bought} the {object} {when},
    {person} {bought} {number} {objects} {when}, the {object} was made in {year}, the {object} was
    made in {city}, the {event} was filmed in {city}, it was filmed in {city} in {year}, it is
    about a {job} in {city}, the {event} is about a {job} and a {job}, it is set in {city}, the
    {object} costs {number} euros, the {object} costs {number} dollars, the price is {number}
    euros, the price includes {meals}, {person} arrived on {day}, we arrived at {time} and left
    at {time}, we left on {day}, we stayed for {number} {unit}, {person} paid with a card, the
    {object} is {colour}, the {furniture} is {colour}, the {object} comes in {colour} and
    {colour}, the menu has {dish} and {dish}, the menu lists {dish}, i ordered the {dish}, i had
    {dish} and {dish}, {person} ordered {dish} for {meals}, please send the {object} {when},
    please call me {when}, please {put} the {object} {on} the {furniture}, the {event} was moved
    to {day}, the {event} was moved to {month}, the bus stops {near} the {spot}, bus number
    {number} goes to the {spot}, turn left at the {spot}, the {job} came at {time}, {person} is a
    {job}, {person} lives in {city}, {person} lives {near} the {spot}, {person} will be in {city}
    {when}, today is {day}, the {object} is {on} the {furniture}, the {objects} are {on} the
    {furniture}, it was published in {year}, it was written in {year}, the author lives in
    {city}, {person} read the {object} in {number} {unit}, the {event} has {number} people in it,
    you can pay at the {spot}, tickets are sold at the {spot}, the key is at the {spot}, {person}
    asked about the {object}, {person} called the {spot} {when}, we watched it {when}, we saw the
    {event} {when}, i am writing about the {event} on {day}, the {event} and the {event} are on
    {day}, the address is {number} {city} street, the first part was shown {when}, the first
    {parts} are about a {job}, the second {event} {starts} {when}, the weather report is at
    {time}, the tax is included, the price is on the {object}, how far is the {spot}, when does
    the {event} start, where is the {spot}, {person} and {person} {went} to the {spot}"""
)
SLOTS = {
    "event": terms(
        """film, movie, show, concert, meeting, train, bus, flight, class, lesson, course, match,
        tour, play, trip, exam, lecture, event, game, series, episode, talk, session, story"""
    ),
    "starts": terms("starts, begins, ends, leaves, arrives, stops, was, is, opens"),
    "time": terms(
        """six, seven, eight, nine, ten, eleven, noon, midnight, half past eight, seven o'clock,
        three o'clock, 9:30, 14:00, 8 am, 5 pm, quarter past two, one, four in the afternoon"""
    ),
    "day": terms(
        "monday, tuesday, wednesday, thursday, friday, saturday, sunday, the fifth of may"
    ),
    "days": terms("mondays, tuesdays, wednesdays, fridays, weekends, sundays, holidays, saturdays"),
    "month": terms("january, march, april, may, june, july, august, october, december, the summer"),
    "year": terms("1958, 1967, 1974, 1986, 1991, 1999, 2003, 2010, 2015, 2019, 2022, 2024"),
    "number": terms(
        """two, three, four, five, six, seven, ten, twelve, twenty, thirty, forty, a hundred, 3, 8,
        12, 15, 24, 40, 90, 250, eleven, fifteen, sixty"""
    ),
    "unit": terms("minutes, hours, days, weeks, nights, months, pages, years"),
    "object": terms(
        """book, letter, form, ticket, phone, camera, car, bag, report, key, box, computer, novel,
        menu, list, map, bill, shirt, lamp, hotel, house, room, film, building, package, bottle"""
    ),
    "objects": terms("books, letters, tickets, keys, boxes, bags, chairs, shirts, bottles, rooms"),
    "parts": terms("chapters, pages, rooms, floors, doors, parts, seats, windows, scenes, buttons"),
    "spot": terms(
        """station, office, museum, library, shop, school, bank, hotel, airport, market, cinema,
        theatre, post office, restaurant, park, city centre, kitchen, lobby, desk, hospital, pool"""
    ),
    "near": terms("near, next to, behind, opposite, across from, in front of, north of, close to"),
    "opens": terms("opens, closes, is open, shuts, starts serving"),
    "city": terms(
        """london, paris, berlin, spain, france, madrid, rome, italy, canada, japan, boston, texas,
        vienna, oslo, a village, a small town, germany, the city, the north, india"""
    ),
    "meals": terms("breakfast, lunch, dinner, tea, coffee, supper, parking"),
    "person": terms(
        """he, she, my brother, my sister, the teacher, her father, my mother, our neighbour, anna,
        the author, the director, peter, the man, the woman, my friend, i, the driver, maria"""
    ),
    "went": terms("went, drove, walked, travelled, moved, flew, came"),
    "put": terms("put, left, placed, found, keep, saw"),
    "bought": terms("bought, sold, sent, ordered, got, returned, rented, borrowed, brought"),
    "on": terms("on, under, beside, near, behind, in"),
    "furniture": terms(
        "table, shelf, desk, chair, floor, door, drawer, counter, window, bed, sofa"
    ),
    "when": terms(
        """yesterday, today, tomorrow, last week, on monday, on friday, in the morning, next month,
        this week, by the end of the month, by friday, two days ago, at noon, in june, last year"""
    ),
    "job": terms(
        """doctor, teacher, writer, driver, farmer, cook, lawyer, student, nurse, family, sailor,
        soldier, girl, boy, detective, king, couple, painter, clerk, baker"""
    ),
    "colour": terms("red, blue, green, black, white, grey, brown, yellow"),
    "dish": terms("soup, salad, fish, rice, pasta, bread, chicken, tea, coffee, cake, wine, pizza"),
}
JOINED = terms("{0}. {1}, {0} and {1}, {0}! {1}, {0}; {1}, {0} because {1}, {0} … {1}")
TURNED = terms("{0} but {1}, {0} … but {1}, although {0} … {1}, {0}. however … {1}, {0} yet {1}")
"""The first clause concedes; the second one decides the label. `…` stands for a comma."""


def normalized(sentence: str) -> str:
    """The sentence without case and punctuation; sentences that agree in this count as the same."""
    return " ".join(re.findall(r"[a-z0-9']+", sentence.lower()))


def natural_sentences() -> list[tuple[str, Label]]:
    """Sentences written by hand, with their labels; `corpus` never makes one of them."""
    lines = Path(__file__).with_name("held-out.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines]
    return [(sentence, LABEL_NAMES[LABEL_NAMES.index(label)]) for label, sentence in pairs]


def corpus(size: int, seed: int, *, held_out: bool = False) -> Iterator[tuple[str, Label]]:
    """`size` different sentences with their labels, the same ones for the same seed.

    With `held_out` the opinions are made from templates that are never used without it.
    """
    rng = random.Random(seed)
    used = {normalized(sentence) for sentence, _ in natural_sentences()}
    while size:
        label = rng.choice(LABEL_NAMES)
        sentence = _styled(rng, _sentence(rng, label, HELD_OUT if held_out else OPINION))
        if normalized(sentence) not in used:
            used.add(normalized(sentence))
            size -= 1
            yield sentence, label


def _sentence(rng: random.Random, label: Label, templates: tuple[str, ...]) -> str:
    clause = _clause(rng, label, templates)
    chance = rng.random()
    if templates is HELD_OUT or chance < 0.6:
        return clause
    if label == "neutral":
        second = _clause(rng, "neutral", templates)
        return rng.choice(JOINED).format(clause, second).replace(" …", ",")
    if chance < 0.75:
        conceded = _clause(rng, OPPOSITE[label], templates)
        return rng.choice(TURNED).format(conceded, clause).replace(" …", ",")
    second = _clause(rng, rng.choice((label, label, "neutral")), templates)
    pair = [clause, second]
    rng.shuffle(pair)
    return rng.choice(JOINED).format(*pair).replace(" …", ",")


def _clause(rng: random.Random, label: Label, templates: tuple[str, ...]) -> str:
    if label == "neutral":
        template = rng.choice(NEUTRAL)
    elif templates is OPINION and rng.random() < 0.3:
        template = rng.choice(ONE_SIDED[label])
    else:
        template = rng.choice(templates)
    choices = {**SLOTS, "thing": THING, "plural": PLURAL, "place": PLACES, "meal": MEAL}
    choices |= {"host": HOST, "degree": DEGREE}
    if label != "neutral":
        choices |= {"quality": QUALITY[label], "opposite": QUALITY[OPPOSITE[label]]}
        choices |= {"roomy": ROOM_ADJECTIVES[label], "tasty": TASTE[label], "polite": MANNER[label]}
        choices |= {"feeling": FEELING[label], "verb": VERB[label], "present": PRESENT[label]}
    filled = re.sub(r"\{(\w+)\}", lambda slot: rng.choice(choices[slot[1]]), template)
    one_article = re.sub(r"\b(an?|such a|the|this|our) (?:an?) ", r"\1 ", filled)
    return re.sub(r"\ba (?=[aeiou])", "an ", one_article)


def _styled(rng: random.Random, sentence: str) -> str:
    """The sentence in one of the ways people type: commas for `and`, case, the mark at the end."""
    if rng.random() < 0.3:
        sentence = sentence.replace(" and ", ", ", 1)
    case = rng.random()
    if case < 0.55:
        capitals = re.sub(r"(^|[.!?] )([a-z])", lambda start: start[0].upper(), sentence)
        sentence = re.sub(r"\bi\b", "I", capitals)
        names = "|".join(SLOTS["day"][:7] + SLOTS["month"][:-1] + SLOTS["city"][:14])
        sentence = re.sub(rf"\b({names})\b", lambda name: name[0].capitalize(), sentence)
    elif case < 0.6:
        sentence = sentence.upper()
    return sentence + rng.choice((".", ".", ".", "", "", "!", "!!", " .", "..."))
