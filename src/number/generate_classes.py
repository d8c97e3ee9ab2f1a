#!/usr/bin/env python3
"""Writes classes.rs from libphonenumber's metadata: whose a number is, and what a call to it is likely to cost.

    pip install phonenumbers==9.0.43 && python3 src/number/generate_classes.py > src/number/classes.rs

The library tells both by trying a dozen patterns for each region of a calling code. Their languages are finite, so
for each calling code all of its patterns become one automaton, whose end states say what the library would say of
the number: the regions that have it, and its type. Of this automaton's tree the fewest prefixes are written from
which the longest that fits gives the same answer for every number that exists. For what doesn't exist any answer
will do, so the prefixes are short; a number of a range that is opened later gets the answer of its neighbours. Two
answers don't spread like this: that a call is free, and that an area code of North America is anybody's but the US'.
"""
import functools
import random
import sys
from collections import Counter

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import PhoneMetadata

try:
    import re._parser as sre
except ImportError:
    import sre_parse as sre

# the library's order: the first of them that fits is the number's type; then come fixed lines and mobiles
SPECIAL = ["premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail"]
TYPES = ["general_desc", *SPECIAL, "fixed_line", "mobile"]
# what is written for a type; all others, and fixed lines that may be mobiles, are N
CLASS = {"premium_rate": "P", "toll_free": "F", "shared_cost": "S", "personal_number": "S", "mobile": "M"}
# where numbers of two classes differ in their length alone, the dearer one is written for both
DEARER = "PSMNF"
# so many digits after the calling code are looked at for whose a number is, and of what class
DEPTH_MAX = 9
# so many numbers of each pattern of each region are asked of the library itself before anything is written
CHECKS = 50
# digits of an area code, or of what stands for one in free numbers (800)
STAYS_DIGITS = 3
# the longest line, so that the longest list (India's mobiles) doesn't become one line
LINE_MAX = 1000


def digits_of(node):
    """The set of digits that one item of a pattern matches."""
    op, value = str(node[0]), node[1]
    if op == "LITERAL":
        return {int(chr(value))}
    if op == "RANGE":
        return set(range(int(chr(value[0])), int(chr(value[1])) + 1))
    if op == "CATEGORY" and str(value) == "CATEGORY_DIGIT":
        return set(range(10))
    if op == "IN":
        return set().union(*map(digits_of, value))
    raise ValueError(f"{node} in a pattern; teach me what it means")


class Automaton:
    """All patterns of one calling code, with the tag of each at its end."""

    def __init__(self):
        self.steps = []  # for each place: [(digits or None for nothing, place)]
        self.tags = {}

    def place(self):
        self.steps.append([])
        return len(self.steps) - 1

    def sequence(self, nodes, at):
        for op, value in nodes:
            op = str(op)
            if op == "SUBPATTERN":
                at = self.sequence(value[3], at)
            elif op == "BRANCH":
                end = self.place()
                for branch in value[1]:
                    self.steps[self.sequence(branch, at)].append((None, end))
                at = end
            elif op == "MAX_REPEAT":
                least, most, inner = value
                for _ in range(least):
                    at = self.sequence(inner, at)
                end = self.place()
                self.steps[at].append((None, end))
                for _ in range(least, int(most)):
                    at = self.sequence(inner, at)
                    self.steps[at].append((None, end))
                at = end
            else:
                end = self.place()
                self.steps[at].append((digits_of((op, value)), end))
                at = end
        return at

    def add(self, pattern, tag, start):
        own = self.place()
        self.steps[start].append((None, own))
        self.tags[self.sequence(sre.parse(pattern), own)] = tag

    @functools.cache
    def closed(self, places):
        seen, todo = set(places), list(places)
        while todo:
            for digits, to in self.steps[todo.pop()]:
                if digits is None and to not in seen:
                    seen.add(to)
                    todo.append(to)
        # only places that do something are kept, so that equal futures are one state
        return frozenset(p for p in seen if p in self.tags or any(d is not None for d, _ in self.steps[p]))

    @functools.cache
    def after(self, state, digit):
        return self.closed(frozenset(to for p in state for digits, to in self.steps[p] if digits and digit in digits))


class CallingCode:
    def __init__(self, code):
        self.code = code
        self.regions = list(COUNTRY_CODE_TO_REGION_CODE[code])
        load = PhoneMetadata.metadata_for_nongeo_region if self.regions == ["001"] else None
        self.metadata = {r: load(code) if load else PhoneMetadata.metadata_for_region(r) for r in self.regions}
        self.automaton = a = Automaton()
        start = a.place()
        for region, metadata in self.metadata.items():
            for kind in TYPES:
                desc = getattr(metadata, kind)
                if desc and desc.national_number_pattern:
                    a.add(desc.national_number_pattern, (region, kind), start)
        self.start = a.closed(frozenset([start]))

    def lengths(self):
        return sorted({n for m in self.metadata.values() for n in m.general_desc.possible_length if n > 0})

    def type_in(self, region, kinds):
        """What the library's get_number_type_helper says."""
        if "general_desc" not in kinds:
            return None
        for kind in SPECIAL:
            if kind in kinds:
                return kind
        if "fixed_line" in kinds:
            return "fixed_line"
        return "mobile" if "mobile" in kinds else None

    @functools.cache
    def outcome(self, state):
        """The regions that have the number which ends here, in the library's order, and its class; None: no number."""
        kinds = {}
        for place in state:
            if place in self.automaton.tags:
                region, kind = self.automaton.tags[place]
                kinds.setdefault(region, set()).add(kind)
        types = {r: self.type_in(r, kinds[r]) for r in self.regions if r in kinds}
        types = {r: t for r, t in types.items() if t}
        if not types:
            return None
        classes = {CLASS.get(t, "N") for t in types.values()}
        return tuple(types), min(classes, key=DEARER.index)


class Prefixes:
    """The fewest prefixes that give the right value for every number; `value` is taken from an outcome.

    Entries are (prefix, length, value): a length of 0 stands for numbers of any length. Where digits decide nothing
    any more and only the length of the number does, there is an entry for all lengths and one for each that differs.
    `stays` says of a value whether it keeps to what exists; `instead` is what the rest then has, to STAYS_DIGITS.
    """

    def __init__(self, code, value, choose, stays, instead):
        self.a, self.outcome, self.value, self.choose = code.automaton, code.outcome, value, choose
        self.stays, self.instead = stays, instead
        self.entries = []
        self.undecided = []
        self.write(code.start, "", None, 0)

    @functools.cache
    def profile(self, state):
        """(digits left, value) of every number that goes on from here."""
        outcome = self.outcome(state)
        found = {(0, self.value(outcome))} if outcome else set()
        for digit in range(10):
            if after := self.a.after(state, digit):
                found |= {(left + 1, value) for left, value in self.profile(after)}
        return frozenset(found)

    @functools.cache
    def values(self, state):
        return frozenset(value for _, value in self.profile(state))

    @functools.cache
    def digits_decide_nothing(self, state):
        after = [s for d in range(10) if (s := self.a.after(state, d)) and self.profile(s)]
        by_length = [left for left, _ in self.profile(state)]
        return len(by_length) == len(set(by_length)) and len({self.profile(s) for s in after}) <= 1 \
            and all(map(self.digits_decide_nothing, set(after)))

    def is_leaf(self, state, depth):
        if depth < STAYS_DIGITS and any(map(self.stays, self.values(state))):
            return False
        return len(self.values(state)) == 1 or depth == DEPTH_MAX or self.digits_decide_nothing(state)

    def children(self, state, depth):
        """The digits that lead on to numbers, and where what leads nowhere may not have any value, those too (as None)."""
        for digit in range(10):
            after = self.a.after(state, digit)
            if after and self.profile(after):
                yield digit, after
            elif depth < STAYS_DIGITS:
                yield digit, None

    def wanted(self, state, depth):
        """The value at this prefix, if it must be a certain one: for numbers that end here, and at a leaf for all."""
        if self.is_leaf(state, depth):
            return self.choose(self.values(state))
        outcome = self.outcome(state)
        return self.value(outcome) if outcome else None

    @functools.cache
    def cost(self, state, inherited, depth):
        """How many prefixes are needed from here on, given the value from above."""
        if state is None:
            return int(self.stays(inherited))
        wanted = self.wanted(state, depth)
        if self.is_leaf(state, depth):
            return int(inherited != wanted)
        change = 1 + self.below(state, self.best(state, depth), depth)
        return change if wanted not in (None, inherited) else min(change, self.below(state, inherited, depth))

    @functools.cache
    def below(self, state, value, depth):
        return sum(self.cost(s, value, depth + 1) for _, s in self.children(state, depth))

    @functools.cache
    def best(self, state, depth):
        wanted = self.wanted(state, depth)
        if wanted is not None:
            return wanted
        return min(sorted(self.values(state)), key=lambda v: self.below(state, v, depth))

    def write(self, state, prefix, inherited, depth):
        if state is None:
            if self.stays(inherited):
                self.entries.append((prefix, 0, self.instead))
            return
        wanted = self.wanted(state, depth)
        if self.is_leaf(state, depth):
            if inherited != wanted:
                self.entries.append((prefix, 0, wanted))
            lengths = {}
            for left, value in self.profile(state):
                lengths.setdefault(depth + left, set()).add(value)
            self.undecided += [(prefix, n, v) for n, v in lengths.items() if len(v) > 1]
            for length, values in sorted(lengths.items()):
                if (value := self.choose(values)) != wanted:
                    self.entries.append((prefix, length, value))
            return
        value = inherited
        if wanted not in (None, inherited) or inherited is None \
                or self.below(state, inherited, depth) > 1 + self.below(state, self.best(state, depth), depth):
            value = self.best(state, depth)
            self.entries.append((prefix, 0, value))
        for digit, after in self.children(state, depth):
            self.write(after, prefix + str(digit), value, depth + 1)


def regions_of(outcome):
    return outcome[0]


def class_of(outcome):
    return outcome[1]


def widest(values):
    return max(values, key=lambda regions: (len(regions), regions))


def dearest(values):
    return min(values, key=DEARER.index)


def wrapped(entries, indent):
    """Entries as text, in lines of some length."""
    line, lines = indent, []
    for entry in entries:
        if len(line) + len(entry) > LINE_MAX:
            lines.append(line)
            line = indent
        line += entry
    return [*lines, line]


def any_number(automaton, state):
    """A random number of those that go on from a state."""
    digits = ""
    while True:
        on = [(d, s) for d in range(10) if (s := automaton.after(state, d))]
        if not on or any(place in automaton.tags for place in state) and random.random() < 0.3:
            return digits
        digit, state = random.choice(on)
        digits += str(digit)


def looked_up(entries, national):
    """What lookup.rs finds."""
    table = {(prefix, length): value for prefix, length, value in entries}
    for n in range(min(DEPTH_MAX, len(national)), -1, -1):
        for length in (len(national), 0):
            if (national[:n], length) in table:
                return table[national[:n], length]


def check(calling, regions, classes):
    """Asks the library itself about random numbers of every pattern, and stops where it says anything else."""
    for region, metadata in calling.metadata.items():
        for kind in TYPES[1:]:
            desc = getattr(metadata, kind)
            if not desc or not desc.national_number_pattern:
                continue
            one = Automaton()
            start = one.place()
            one.add(desc.national_number_pattern, kind, start)
            for _ in range(CHECKS):
                national = any_number(one, one.closed(frozenset([start])))
                number = phonenumbers.PhoneNumber(country_code=calling.code, national_number=int(national))
                if national.startswith("0"):
                    number.italian_leading_zero = True
                    number.number_of_leading_zeros = len(national) - len(national.lstrip("0"))
                who = calling.regions
                if region != "001":
                    who = [r for r in who if phonenumbers.is_valid_number_for_region(number, r)]
                if not who:
                    continue
                named = phonenumbers.region_code_for_number(number)
                kinds = {phonenumbers.phonenumberutil._number_type_helper(national, calling.metadata[r]) for r in who}
                wanted = dearest({CLASS.get(phonenumbers.PhoneNumberType.to_string(k).lower(), "N") for k in kinds})
                got = looked_up(regions, national), looked_up(classes, national)
                if got != (tuple(who), wanted) or got[0][0] != named or len(national) not in calling.lengths():
                    sys.exit(f"+{calling.code} {national}: the library says {named}, {who}, {wanted}; the tables say {got}")
                yield number


def main():
    out = sys.stdout.write
    random.seed(1)
    out(f"//! Whose numbers are, what they cost and how long they are, from the metadata of libphonenumber {phonenumbers.__version__}.\n")
    out("//!\n//! Generated by `generate_classes.py` beside this file; do not edit by hand. `lookup.rs` says how it is read.\n\n")
    out("use super::lookup::{CallingCode, F, M, N, P, S};\n\n")
    rows, counts = [], Counter()
    for code in sorted(COUNTRY_CODE_TO_REGION_CODE):
        calling = CallingCode(code)
        regions = Prefixes(calling, regions_of, widest, lambda v: code == 1 and v != ("US",), ("US",))
        classes = Prefixes(calling, class_of, dearest, lambda v: v == "F", "N")
        for undecided in regions.undecided + classes.undecided:
            sys.stderr.write(f"+{code}: {DEPTH_MAX} digits don't decide {undecided}\n")
        sets = sorted({value for _, _, value in regions.entries}, key=lambda s: (-len(s), s))
        rows.append((code, calling.lengths(), sets, regions.entries, classes.entries))
        counts["checked numbers"] += sum(1 for _ in check(calling, regions.entries, classes.entries))
        counts["regions"] += len(regions.entries)
        counts["classes"] += len(classes.entries)
    sys.stderr.write(f"{len(rows)} calling codes, {dict(counts)}\n")
    out("/// Every calling code, sorted.\n")
    out(f"#[rustfmt::skip]\npub(super) static CALLING_CODES: [CallingCode; {len(rows)}] = [\n")
    for code, lengths, sets, regions, classes in rows:
        mask = sum(1 << n for n in lengths)
        regions = [f"({'1' + p},{n},{sets.index(v)})," for p, n, v in sorted(regions, key=lambda e: (int('1' + e[0]), e[1]))]
        classes = [f"({'1' + p},{n},{v})," for p, n, v in sorted(classes, key=lambda e: (int("1" + e[0]), e[1]))]
        out(f"    CallingCode {{ code: {code}, lengths: {mask:#b}, sets: &[")
        out("\n".join(wrapped(["&[" + ", ".join(f'"{r}"' for r in s) + "], " for s in sets], "")).strip(", "))
        out("], regions: &[")
        out("\n".join(wrapped(regions, "")).strip(", "))
        out("], classes: &[")
        out("\n".join(wrapped(classes, "")).strip(","))
        out("] },\n")
    out("];\n")


sys.setrecursionlimit(10_000)
main()
