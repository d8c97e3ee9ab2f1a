"""Calls through a plan of strowger's own: groups, forwards, schedules, lists and trunks, decided and dialled for real.

scenarios.py loads this file.
"""
import functools
import json

from harness import Failed, Telephones, between, equal, scenario

ADA = "+4930123456"
DONE = set()


def did(n):
    return f"+493099020{n:02}"


def furnish(w):
    """The plan, once for each strowger."""
    if w.strowger.data in DONE:
        return
    DONE.add(w.strowger.data)
    cli = w.strowger.cli
    groups = {
        "all": ("ringall", ["extension=102", "extension=101"]),
        "hunt": ("hunt", ["extension=102,timeout=1", "extension=103", "extension=101"]),
        "memoryhunt": ("memoryhunt", ["extension=102", "extension=101"]),
        "random": ("random", ["extension=103", "extension=104", "extension=105"]),
        "weighted": ("weighted", ["extension=103,weight=1", "extension=104,weight=9"]),
        "turns": ("rrmemory", ["extension=103", "extension=104"]),
        "least": ("leastrecent", ["extension=103", "extension=104"]),
        "machine": ("ringall", ["extension=201,name=Mobile,confirm", "extension=101,delay=2"]),
        "silent": ("ringall", ["extension=201,confirm,timeout=3"]),
        "family": ("ringall", ["extension=202,name=Mom,confirm", "extension=201,name=Dad,confirm", "extension=102,name=Grandma"]),
        "inner": ("hunt", ["extension=103", "extension=101"]),
        "outer": ("hunt", ["extension=104", "group=inner"]),
        "outside": ("ringall", ["extension=102", "number=+49305550001,name=Mobile,confirm"]),
        "busy": ("ringall", ["extension=103"]),
        "dnd": ("ringall", ["extension=301", "extension=101"]),
    }
    for group, (strategy, members) in sorted(groups.items(), key=lambda g: g[0] == "outer"):
        timeout = "1" if group == "memoryhunt" else "15"
        cli("group", "set", group, "--strategy", strategy, "--timeout", timeout, *[x for m in members for x in ("--member", m)])
    for extension, *settings in [
            ("301", "--dnd", "on"),
            ("302", "--forward-always", "101"),
            ("103", "--forward-busy", "101"),
            ("102", "--forward-no-answer", "101", "--ring-seconds", "1"),
            ("999", "--forward-unavailable", "101"),
            ("311", "--forward-busy", "312", "--dnd", "on"),
            ("312", "--forward-busy", "311", "--dnd", "on"),
            ("401", "--permissions", "internal,national,mobile", "--caller-id", "+493099000401"),
            ("402", "--permissions", "internal"),
    ]:
        cli("extension", "set", extension, *settings)
    cli("schedule", "set", "night", "--timezone", "Europe/Berlin", "--code", "1", "--open", "daily 00:00-24:00")
    cli("block", "set", "--country", "FR", "--action", "hangup")
    cli("block", "set", "--number", "+4930666001", "--action", "challenge:beep,timeout=2")
    cli("block", "set", "--verification", "failed", "--action", "busy")
    for n, *steps in [
            (1, "ring:all"), (2, "ring:hunt"), (3, "ring:memoryhunt"), (4, "ring:random", "dial:101"), (5, "ring:weighted", "dial:101"),
            (6, "ring:turns", "dial:101"), (7, "ring:least", "dial:101"), (8, "ring:machine"), (9, "ring:silent", "dial:101"),
            (10, "ring:family"), (11, "ring:outer"), (12, "ring:outside"), (13, "dial:302"), (14, "dial:103"), (15, "dial:102"),
            (16, "dial:999"), (17, "dial:311", "dial:101"), (18, "dial:301", "dial:101"), (19, "ring:dnd"),
            (20, "ring:busy", "dial:104", "voicemail:199"), (22, "dial:101"),
    ]:
        cli("route", "set", did(n), *[x for s in steps for x in ("--step", s)])
    cli("route", "set", did(21), "--step", "dial:101", "--schedule", "night", "--when", "closed=dial:201")


def with_plan(f):
    @functools.wraps(f)
    def run(w):
        furnish(w)
        f(w)
    return run


def places(call):
    return [e["Where"] for e in call.all() if e["Where"].startswith("phone-")]


def reached(w, n, phone="answered-101", **kw):
    call = w.call(did(n), ADA, **kw)
    call.seen(phone, 12)
    return call


# ---- strategies ------------------------------------------------------------------------------------
@scenario("plan: ringall rings all, and the first to answer has the call")
@with_plan
def _(w):
    equal("rang", set(places(reached(w, 1))), {"phone-101", "phone-102"})


@scenario("plan: hunt rings one after the other, each for his own time")
@with_plan
def _(w):
    call = reached(w, 2)
    equal("rang", places(call), ["phone-102", "phone-103", "phone-101"])
    between("seconds", call.seen("phone-103")["at"] - call.seen("phone-102")["at"], 0.8, 3)


@scenario("plan: memoryhunt adds one at a time")
@with_plan
def _(w):
    equal("rang", sorted(places(reached(w, 3))), ["phone-101", "phone-102", "phone-102"])


@scenario("plan: random and weighted ring each member once, and go on to the next step")
@with_plan
def _(w):
    equal("random", sorted(places(reached(w, 4))), ["phone-101", "phone-103", "phone-104", "phone-105"])
    equal("weighted", sorted(places(reached(w, 5))), ["phone-101", "phone-103", "phone-104"])


@scenario("plan: rrmemory and leastrecent begin with the other member the next time")
@with_plan
def _(w):
    for n in (6, 7):
        first, second = places(reached(w, n)), places(reached(w, n))
        equal(f"route {n}: the first two of two calls", sorted([first[0], second[0]]), ["phone-103", "phone-104"])


@scenario("plan: a group in a group rings in its place")
@with_plan
def _(w):
    equal("rang", places(reached(w, 11)), ["phone-104", "phone-103", "phone-101"])


# ---- members who press 1 -----------------------------------------------------------------------------
@scenario("plan: a voicemail that answers first does not steal the call from the desk phone")
@with_plan
def _(w):
    call = reached(w, 8)
    between("seconds", call.seen("answered-101")["at"] - call.seen("answered-201")["at"], 1, 6)


@scenario("plan: nobody presses 1 in his time, and the next step rings")
@with_plan
def _(w):
    call = w.call(did(9), ADA)
    between("seconds", call.seen("answered-101", 25)["at"] - call.seen("answered-201")["at"], 11, 22)
    equal("rang", places(call), ["phone-201", "phone-101"])


@scenario("plan: a family rings at once; the first to press 1 wins, and the others stop")
@with_plan
def _(w):
    call = w.call(did(10), ADA)
    call.seen("pressed-202", 12)
    equal("rang", set(places(call)), {"phone-201", "phone-202", "phone-102"})
    call.seen("gone", 8)


@scenario("plan: an outside member rings through a trunk, asked to press 1, beside the desk phone")
@with_plan
def _(w):
    phones = Telephones(w.asterisk.phone_port, {"+49305550001": b"answer"})
    try:
        call = w.call(did(12), ADA)
        equal("the mobile rang", phones.until(lambda p: "+49305550001" in p.invites), True)
        call.seen("phone-102")
        equal("nobody pressed 1 and nobody has the call", call.all("answered-101"), [])
    finally:
        w.clear()
        phones.stop()


# ---- what users have set -----------------------------------------------------------------------------
@scenario("plan: forwards: always, busy, no answer, not reachable")
@with_plan
def _(w):
    for n, way in ((13, ["phone-101"]), (14, ["phone-103", "phone-101"]), (15, ["phone-102", "phone-101"]), (16, ["phone-101"])):
        equal(f"route {n}", places(reached(w, n)), way)
        w.clear()


@scenario("plan: forwards in a circle end, and the next step rings")
@with_plan
def _(w):
    equal("rang", places(reached(w, 17)), ["phone-101"])


@scenario("plan: do not disturb: the telephone doesn't ring, alone or in a group")
@with_plan
def _(w):
    for n in (18, 19):
        equal(f"route {n}", places(reached(w, n)), ["phone-101"])
        w.clear()


@scenario("plan: a star code switches do not disturb on and off, and the very next call sees it")
@with_plan
def _(w):
    dnd = lambda: json.loads(w.strowger.cli("--json", "extension", "show", "105")).get("dnd", False)
    equal("played", w.call("*78", "105", context="from-phones").ended()["Playback"], "SUCCESS")
    equal("on", dnd(), True)
    equal("played", w.call("*79", "105", context="from-phones").ended()["Playback"], "SUCCESS")
    equal("off", dnd(), False)


# ---- hours -----------------------------------------------------------------------------------------
@scenario("plan: night mode sends calls elsewhere until it is taken back, by command and by star code")
@with_plan
def _(w):
    reached(w, 21)
    w.strowger.cli("schedule", "override", "night", "closed", "--until", "2h")
    reached(w, 21, "answered-201").never("phone-101")
    w.clear()
    w.call("*281", "105", context="from-phones").ended()
    reached(w, 21)


# ---- screening ---------------------------------------------------------------------------------------
@scenario("plan: a caller from a blocked country, and one whose number is false, ring nobody")
@with_plan
def _(w):
    call = w.call(did(22), "+33123456789")
    equal("reason", call.ended()["Reason"], "blocked")
    call.never("phone-101")
    false = w.call(did(22), ADA, verstat="TN-Validation-Failed")
    equal("reason", false.ended(14)["Reason"], "unverified")
    false.never("phone-101")


@scenario("plan: a challenged caller who presses 1 is put through, and a silent one is not")
@with_plan
def _(w):
    w.call(did(22), "+4930666001", then="1").seen("answered-101", 10)
    w.clear()
    silent = w.call(did(22), "+4930666001")
    silent.ended(10)
    silent.never("phone-101")


# ---- to the end --------------------------------------------------------------------------------------
@scenario("plan: every step fails, and the last one takes the call")
@with_plan
def _(w):
    call = w.call(did(20), ADA)
    call.seen("phone-104", 10)
    end = w.asterisk.ami.wait(lambda e: e.get("Event") == "Newexten" and "VoiceMail(199" in e.get("AppData", ""), 8, call.start)
    if end is None:
        raise Failed(f"no mailbox took it; {call.places()}")
    equal("rang", places(call), ["phone-103", "phone-104"])


# ---- out ---------------------------------------------------------------------------------------------
@scenario("plan: a call out takes the cheapest trunk, the next one when that can't, and shows what each wants")
@with_plan
def _(w):
    w.strowger.cli("trunk", "set", "trunk", "--rate", "+49=0.01", "--format", "national", "--caller-id-format", "e164")
    number = "+49305550777"
    phones = Telephones(w.asterisk.phone_port)
    try:
        w.call(number, "401", context="from-phones")
        equal("rang as dialled in the country", phones.until(lambda p: "0305550777" in p.invites), True)
        if "sip:493099000401@" not in phones.sender("0305550777"):
            raise Failed(f"number shown: {phones.sender('0305550777')}")
        w.clear()
        refused = w.call(number, "402", context="from-phones")
        equal("reason", refused.ended(14)["Reason"], "not-permitted")
        equal("rang", sorted(phones.invites), ["0305550777"])
    finally:
        w.clear()
        phones.stop()
        w.strowger.cli("trunk", "rm", "trunk")


@scenario("plan: an emergency call goes out over every trunk there is, whoever calls, its digits untouched")
@with_plan
def _(w):
    w.strowger.cli("trunk", "set", "trunk", "--rate", "+=9", "--format", "e164", "--tech-prefix", "77", "--caller-id", "+493099000000")
    phones = Telephones(w.asterisk.phone_port)
    try:
        w.call("112", "402", context="from-phones")
        equal("rang", phones.until(lambda p: "112" in p.invites), True)
    finally:
        w.clear()
        phones.stop()
        w.strowger.cli("trunk", "rm", "trunk")
