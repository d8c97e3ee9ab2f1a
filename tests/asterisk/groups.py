"""Calls of groups, to the outside, with a challenge, and star codes: what dialplan/asterisk/strowger.conf makes of answers.

A scripted server says what strowger says. scenarios.py loads this file.
"""
import time

from harness import Failed, ScriptedServer, Telephones, between, equal, scenario

ADA, DID = "+4930123456", "+4930990001"


def arguments(environment):
    return [line.split(": ", 1)[1] for line in environment if line.startswith("agi_arg_")]


def rings(*legs, **more):
    """An answer that rings these: a dial string, or (dial string, delay, timeout, confirm)."""
    answer, target = dict(STATUS="found", ACTION="dial", TIMEOUT="30"), []
    for leg in legs:
        if isinstance(leg, str):
            target.append(leg)
            continue
        n = sum(1 for k in answer if k[0] == "_") + 1
        answer[f"_STROWGER_LEG{n}"] = leg[0]
        target.append("Local/{}-{}-{}-{}@strowger-member/n".format(n, *leg[1:]))
    return {**answer, "TARGET": "&".join(target), **more}


def inside(number):
    return f"Local/{number}@phones/n"


def gone(call, phone, seconds=8):
    """When a telephone was let go, whether it had answered or not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = [e for e in call.all("gone") if e["At"] == f"phone-{phone}"]
        if found:
            return found[0]
        time.sleep(0.02)
    raise Failed(f"telephone {phone} went on; {call.places()}")


def serving(*answers):
    """Gives a scenario a scripted server with these answers, and ends it."""
    def wrap(f):
        def run(w):
            phones = Telephones(w.asterisk.phone_port)
            server = ScriptedServer(*[a(phones) if callable(a) else a for a in answers])
            try:
                f(w, server, phones)
            finally:
                w.clear()
                phones.stop()
                server.stop()
        return run
    return wrap


def sip(w, server, **kw):
    return w.sip(DID.encode(), b'"Ada" <sip:%s@127.0.0.1>' % ADA.encode(), agent=server.address, **kw)


ELSEWHERE = ["SIP;cause=200;text=\"Call completed elsewhere\"", "Q.850;cause=26"]


def told_elsewhere(phones, user):
    if not phones.until(lambda p: user in p.reasons):
        raise Failed(f"{user} was never told to stop")
    equal(f"reasons that {user} was told", sorted(phones.reasons[user]), sorted(ELSEWHERE))


def free(w, call, seconds):
    """All legs of a group are gone, their Local channels too."""
    opened = lambda: {e["Channel"] for e in w.asterisk.ami.events[call.start:] if e.get("Event") == "Newchannel"
                      and "@strowger-member" in e["Channel"]}
    closed = lambda: {e["Channel"] for e in w.asterisk.ami.events[call.start:] if e.get("Event") == "Hangup"}
    end = time.monotonic() + seconds
    while opened() - closed() and time.monotonic() < end:
        time.sleep(0.02)
    equal("channels that are left", opened() - closed(), set())
    if not opened():
        raise Failed("no leg was ever dialled")


# ---- members who press 1 ---------------------------------------------------------------------------
@scenario("a member who presses 1 has the call, and the caller hears it ring until then")
@serving(rings((inside(202), 0, 0, 1)))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("answered-202")
    equal("answered before the key", caller.code, None)
    call.seen("pressed-202")
    equal("caller answered after the key", caller.answered.wait(1.5), True)
    equal("dial status", call.ended()["Dial"], "ANSWER")


@scenario("a voicemail that answers first doesn't steal the call: the desk phone rings on and has it")
@serving(lambda p: rings((inside(201), 0, 0, 1), p.at("late1")))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("answered-201")
    equal("caller answered", caller.answered.wait(6), True)
    gone(call, 201, 4)
    equal("the desk phone was hung up meanwhile", phones.ended, [])
    caller.cancel()
    equal("dial status", call.ended()["Dial"], "ANSWER")


@scenario("a wrong key: that member is let go, and the others ring on")
@serving(lambda p: rings((inside(203), 0, 0, 1), p.at("late1")))
def _(w, server, phones):
    caller, call = sip(w, server)
    between("seconds", gone(call, 203, 4)["at"] - call.seen("answered-203")["at"], 0.3, 2)
    equal("answered by the wrong key", caller.code, None)
    equal("caller answered by the desk phone", caller.answered.wait(5), True)


@scenario("a member who hangs up in the middle of the question hasn't taken the call")
@serving(lambda p: rings((inside(204), 0, 0, 1), p.at("late1")))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("answered-204")
    gone(call, 204, 2)
    equal("answered by hanging up", caller.code, None)
    equal("caller answered by the desk phone", caller.answered.wait(5), True)


@scenario("silence: a member is let go after some fifteen seconds, and the others ring on")
@serving(lambda p: rings((inside(201), 0, 0, 1), p.at("ring1")))
def _(w, server, phones):
    caller, call = sip(w, server)
    began = call.seen("answered-201")["at"]
    between("seconds", gone(call, 201, 25)["at"] - began, 11, 20)
    equal("the desk phone was told to stop", phones.reasons, {})
    equal("caller's answer", caller.code, None)


@scenario("a key that comes late in the question counts")
@serving(rings((inside(206), 0, 0, 1)))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("pressed-206")
    equal("caller answered", caller.answered.wait(2), True)


@scenario("nobody pressed 1: the outcome is NOANSWER")
@serving(rings((inside(203), 0, 0, 1), (inside(204), 0, 0, 1), STEP="2.x"), dict(STATUS="found", ACTION="continue"))
def _(w, server, phones):
    w.call(DID, ADA, agent=server.address).seen("default")
    equal("outcome", arguments(server.environments[1])[3:], ["step=2.x", "status=NOANSWER"])


@scenario("a family rings at once; the first to press 1 wins, and the others are told that it was answered elsewhere")
@serving(lambda p: rings(p.at("ring1"), (p.at("ring2"), 0, 0, 0), (p.at("ring3"), 0, 0, 1), (inside(201), 0, 0, 1),
                         (inside(205), 0, 0, 1), **{"CALLERID(name)": "Ada Lovelace"}))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("answered-201")
    for user in ("ring1", "ring2", "ring3"):
        equal(f"{user} rang", phones.until(lambda p: user in p.invites), True)
    call.seen("pressed-205")
    equal("caller answered", caller.answered.wait(2), True)
    for user in ("ring1", "ring2", "ring3"):
        told_elsewhere(phones, user)
    gone(call, 201, 4)
    for user in ("ring1", "ring2", "ring3"):
        sender = phones.sender(user)
        if '"Ada Lovelace"' not in sender or f"sip:{ADA}@" not in sender:
            raise Failed(f"{user}'s display: {sender}")


# ---- delays and times ------------------------------------------------------------------------------
@scenario("a delayed member rings later")
@serving(rings(inside(102), (inside(202), 2, 0, 0)))
def _(w, server, phones):
    call = w.call(DID, ADA, agent=server.address)
    between("seconds", call.seen("phone-202")["at"] - call.seen("phone-102")["at"], 1.8, 3)
    call.seen("answered-202")
    gone(call, 102, 2)


@scenario("a delayed member doesn't ring at all if somebody answered before")
@serving(rings(inside(101), (inside(202), 1, 0, 0)))
def _(w, server, phones):
    call = w.call(DID, ADA, agent=server.address)
    call.seen("answered-101")
    free(w, call, 1)
    time.sleep(1)
    call.never("phone-202")


@scenario("a member's own time ends his ringing, and the others ring on")
@serving(lambda p: rings((p.at("ring1"), 0, 1, 0), (p.at("ring2"), 1, 1, 1), p.at("late1")))
def _(w, server, phones):
    caller, call = sip(w, server)
    equal("the first stops", phones.until(lambda p: "ring1" in p.reasons, 2.5), True)
    if any("26" in r or "cause=200" in r for r in phones.reasons["ring1"]):
        raise Failed(f"he was told that somebody had answered: {phones.reasons['ring1']}")
    equal("caller answered", caller.answered.wait(4), True)


# ---- the caller gives up ---------------------------------------------------------------------------
@scenario("a caller who hangs up while a member's delay runs frees the leg at once, and it never rings")
@serving(rings((inside(102), 3, 0, 0), (inside(102), 3, 0, 1)))
def _(w, server, phones):
    caller, call = sip(w, server)
    call.seen("begin")
    time.sleep(0.5)
    caller.cancel()
    equal("dial status", call.ended()["Dial"], "CANCEL")
    free(w, call, 1)
    call.never("phone-102")


@scenario("a caller who hangs up while a member's telephone rings stops it, and nobody answered elsewhere")
@serving(lambda p: rings((p.at("ring1"), 0, 0, 1), (p.at("ring2"), 0, 20, 0)))
def _(w, server, phones):
    caller, call = sip(w, server)
    equal("both ring", phones.until(lambda p: len(p.invites) == 2), True)
    time.sleep(0.3)
    caller.cancel()
    call.ended()
    free(w, call, 1)
    equal("both stop", phones.until(lambda p: len(p.reasons) == 2), True)
    for user, reasons in phones.reasons.items():
        if any("26" in r or "cause=200" in r for r in reasons):
            raise Failed(f"{user} was told that somebody had answered: {reasons}")


@scenario("a caller who hangs up while a member is asked for the key frees him within two seconds or so")
@serving(rings((inside(201), 0, 0, 1)))
def _(w, server, phones):
    for wait in (0.2, 2.6):
        caller, call = sip(w, server)
        call.seen("answered-201")
        time.sleep(wait)
        caller.cancel()
        ended = call.ended()["at"]
        between("seconds", gone(call, 201)["at"] - ended, -0.5, 2.6)
        free(w, call, 1)


# ---- outcomes --------------------------------------------------------------------------------------
OUTCOMES = [("busy", "BUSY"), ("decline", "CHANUNAVAIL"), ("absent", "NOANSWER"), ("congested", "CONGESTION"),
            ("unknown", "CHANUNAVAIL")]


@scenario("busy, declined, absent, congested, unknown: the outcome is the same behind a member's leg as without one")
@serving(dict(STATUS="found", ACTION="continue"))
def _(w, server, phones):
    seen = {}
    for kind, _expected in OUTCOMES:
        for way in ("direct", "leg", "confirmed"):
            user = f"{kind}-{way}"
            leg = phones.at(user) if way == "direct" else (phones.at(user), 0, 5, int(way == "confirmed"))
            server.answers[:] = [rings(leg, STEP="2.x"), dict(STATUS="found", ACTION="continue")]
            call = w.call(DID, ADA, agent=server.address)
            seen[user] = (call.seen("default")["Dial"], arguments(server.environments[-1])[-1])
            w.clear()
    for kind, expected in OUTCOMES:
        for way in ("direct", "leg", "confirmed"):
            equal(f"{kind}, {way}", seen[f"{kind}-{way}"], (expected, f"status={expected}"))


@scenario("all busy is BUSY, some busy and some silent is NOANSWER, behind members' legs too")
@serving(dict(STATUS="found", ACTION="continue"))
def _(w, server, phones):
    for legs, expected in [([(phones.at("busy1"), 0, 5, 0), (phones.at("busy2"), 1, 5, 1), phones.at("busy3")], "BUSY"),
                           ([(phones.at("busy4"), 0, 5, 0), (phones.at("ring1"), 0, 1, 0)], "NOANSWER"),
                           ([(phones.at("busy5"), 0, 5, 0), ("PJSIP/nobody-there", 0, 5, 0)], "BUSY"),
                           ([("PJSIP/nobody-there", 0, 5, 0)], "CHANUNAVAIL")]:
        server.answers[:] = [rings(*legs, STEP="2.x"), dict(STATUS="found", ACTION="continue")]
        w.call(DID, ADA, agent=server.address).seen("default")
        equal(f"outcome of {legs}", arguments(server.environments[-1])[-1], f"status={expected}")
        w.clear()


# ---- a challenge -----------------------------------------------------------------------------------
CHALLENGE = dict(STATUS="found", ACTION="challenge", TARGET="beep", TIMEOUT="2", STEP="2.c", REASON="challenge")


@scenario("a caller who presses 1 passes the challenge and is put through")
@serving(CHALLENGE, rings(inside(101)))
def _(w, server, phones):
    call = w.call(DID, ADA, agent=server.address, then="1")
    call.seen("answered-101")
    equal("asked again", [arguments(e)[3:] for e in server.environments], [[], ["step=2.c", "status=PASSED"]])


@scenario("another key ends the call, and nobody is rung")
@serving(CHALLENGE, rings(inside(101)))
def _(w, server, phones):
    call = w.call(DID, ADA, agent=server.address, then="2")
    between("seconds", call.ended()["at"] - call.seen("begin")["at"], 0.2, 3)
    call.never("default")
    equal("questions", len(server.environments), 1)


@scenario("silence ends a challenged call after its time")
@serving(CHALLENGE, rings(inside(101)))
def _(w, server, phones):
    call = w.call(DID, ADA, agent=server.address)
    between("seconds", call.ended()["at"] - call.seen("begin")["at"], 1.9, 4)
    call.never("default")
    equal("questions", len(server.environments), 1)


@scenario("a caller who hangs up in the challenge is gone")
@serving(CHALLENGE, rings(inside(101)))
def _(w, server, phones):
    caller, call = sip(w, server)
    equal("answered", caller.answered.wait(3), True)
    caller.cancel()
    between("seconds", call.ended()["at"] - call.seen("begin")["at"], 0, 1.8)
    equal("questions", len(server.environments), 1)


# ---- our own telephones: star codes, and calls to the outside ---------------------------------------
@scenario("a star code is asked for as a feature, its sound is played, and the call is over")
@serving(dict(STATUS="found", ACTION="playback", TARGET="activated", REASON="feature-on"))
def _(w, server, phones):
    call = w.call("*72+4930555", "101", agent=server.address, context="from-phones")
    equal("playback", call.ended()["Playback"], "SUCCESS")
    call.never("default")
    equal("request", server.environments[0][1], "agi_network_script: feature")
    equal("arguments", arguments(server.environments[0]),
          ["to=*72+4930555", "tenant=", "context=from-phones", "from=101"])


@scenario("a star code without an answer comes back to the site's own lines")
@serving(dict(STATUS="unknown", ACTION="continue"))
def _(w, server, phones):
    equal("status", w.call("*78", "101", agent=server.address, context="from-phones").seen("default")["Status"], "unknown")
    equal("status", w.call("*78", "101", agent="127.0.0.1:1", context="from-phones").seen("default")["Status"], "")


@scenario("outbound: the first trunk is congested and the second takes the call, each with its own number shown")
@serving(lambda p: rings(p.at("congested1"), STEP="2.o1", CALLERID="+49305551", **{"CALLERID(num)": "+49305551"}),
         lambda p: rings(p.at("answer2"), STEP="2.o2", CALLERID="+49305552", **{"CALLERID(num)": "+49305552"}))
def _(w, server, phones):
    call = w.call("+14155550100", "101", "Desk", agent=server.address, context="from-phones")
    equal("second trunk", phones.until(lambda p: "answer2" in p.invites), True)
    for user, number in (("congested1", "+49305551"), ("answer2", "+49305552")):
        if f"sip:{number}@" not in phones.sender(user):
            raise Failed(f"number shown over {user}: {phones.sender(user)}")
    equal("request", server.environments[0][1], "agi_network_script: outbound")
    first = ["to=+14155550100", "tenant=", "context=from-phones", "from=101"]
    equal("questions", [arguments(e) for e in server.environments], [first, first + ["step=2.o1", "status=CONGESTION"]])
    equal("caller of the second question", server.environments[1][8], "agi_callerid: 101")
    time.sleep(0.6)
    w.clear()
    equal("dial status", call.ended()["Dial"], "ANSWER")


@scenario("outbound: no trunk could take it, and the site's own lines get the call with the caller's own number")
@serving(lambda p: rings(p.at("congested1"), STEP="2.o1", CALLERID="+49305551", **{"CALLERID(num)": "+49305551"}),
         lambda p: rings(p.at("congested2"), STEP="2.o2"), dict(STATUS="found", ACTION="continue"))
def _(w, server, phones):
    default = w.call("+14155550100", "101", "Desk", agent=server.address, context="from-phones").seen("default")
    equal("number", default["Num"], "101")
    if "sip:101@" not in phones.sender("congested2"):
        raise Failed(f"number shown where none is said: {phones.sender('congested2')}")


@scenario("outbound: busy is told to the caller, and no other trunk is tried")
@serving(lambda p: rings(p.at("busy1"), STEP="2.o1"), dict(STATUS="found", ACTION="busy"))
def _(w, server, phones):
    call = w.call("+14155550100", "101", agent=server.address, context="from-phones")
    equal("cause", call.ended()["Dial"], "BUSY")
    equal("questions", [arguments(e)[4:] for e in server.environments], [[], ["step=2.o1", "status=BUSY"]])
    equal("trunks that were tried", sorted(phones.invites), ["busy1"])
    call.never("default")


@scenario("outbound: refused is congestion, with the reason, and no trunk is tried")
@serving(dict(STATUS="found", ACTION="congestion", REASON="not-permitted"))
def _(w, server, phones):
    equal("reason", w.call("+14155550100", "101", agent=server.address, context="from-phones").ended()["Reason"], "not-permitted")
    equal("trunks that were tried", sorted(phones.invites), [])


@scenario("what is known of the caller's signature is passed on, without what a stranger could add to it")
@serving(dict(STATUS="unknown", ACTION="continue"))
def _(w, server, phones):
    for said, passed in (("TN-Validation-Passed-A", "TN-Validation-Passed-A"), ("A,to=1\n\nHANGUP", "Ato1HANGUP")):
        w.call(DID, ADA, agent=server.address, verstat=said).seen("default")
        equal("arguments", arguments(server.environments[-1]),
              [f"to={DID}", "tenant=", "context=from-trunk", f"verstat={passed}"])


@scenario("a carrier's verstat in P-Asserted-Identity is passed on, wherever it stands among the parameters")
@serving(dict(STATUS="unknown", ACTION="continue"))
def _(w, server, phones):
    for parameters, passed in ((b";verstat=TN-Validation-Passed-A>", ["verstat=TN-Validation-Passed-A"]),
                               (b";user=phone;verstat=TN-Validation-Failed;x=1>;y=2", ["verstat=TN-Validation-Failed"]),
                               (b">", [])):
        caller, call = w.sip(b"signed", b"<sip:%s@127.0.0.1>" % ADA.encode(), agent=server.address,
                             extra=b"P-Asserted-Identity: \"A, b\" <sip:%s@127.0.0.1%s\r\n" % (ADA.encode(), parameters))
        call.seen("default")
        equal("arguments", arguments(server.environments[-1])[3:], passed)
        w.clear()
