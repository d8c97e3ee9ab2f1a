"""Calls through dialplan/asterisk/strowger.conf and strowger in a real Asterisk.

Each scenario is a function; its sentence is what it proves. One line each, and a closing count.
"""
import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import time
import traceback

from harness import (SCENARIOS, BadServer, Failed, ScriptedServer, SipPhone, World, between, binary, equal, scenario,
                     sip_header)

ADA, BLOCKED = "+4930123456", "+49301666777"
# a name that would be read as code wherever anything reads it a second time
WILD = 'A "q" , (b) [c] \\ ${EXTEN} $[1+1] ${SHELL(id)} ;|&'
# what strowger sends of it: the `$` that would open an expression never gets through
TAMED = WILD.replace("${", "{").replace("$[", "[")


def furnish(w):
    """The directory and the routes that the scenarios call."""
    cli = w.strowger.cli
    cli("contact", "set", "ada", "--name", "Ada Lovelace", "--number", ADA)
    cli("contact", "set", "jose", "--name", "José Müller 日本", "--number", "+4930200200")
    cli("contact", "set", "wild", "--name", WILD, "--number", "+4930200201")
    cli("contact", "set", "paren", "--name", "Smith, John (Sales", "--number", "+4930200202")
    cli("contact", "set", "slash", "--name", 'end\\', "--number", "+4930200203")
    cli("block", "set", "--number", BLOCKED)
    for did, *steps in [
            ("01", "dial:101"),
            ("02", "dial:101,102,timeout=10"),
            ("03", "dial:103,timeout=5", "dial:101"),
            ("04", "dial:102,timeout=1", "dial:101"),
            ("05", "dial:103", "dial:102,timeout=1", "voicemail:199"),
            ("06", "queue:support"),
            ("07", "conference:4711"),
            ("08", "playback:beep"),
            ("09", "goto:elsewhere,777,1"),
            ("10", "busy"), ("11", "congestion"), ("12", "hangup"), ("13", "continue"),
            ("14", "dial:105,timeout=10", "dial:101"),
            ("15", "dial:106,timeout=10"),
            ("16", "dial:103"), ("17", "dial:104"), ("18", "dial:102,timeout=1"),
            ("19", "goto:nowhere,1,1"),
            ("20", "queue:empty", "dial:101"),
            ("21", "voicemail:404"),
            ("22", "playback:beep", "dial:101"),
            ("23", "queue:nosuch"),
            ("24", "dial:102,timeout=20"),
            ("25", "playback:no-such-sound"),
    ]:
        cli("route", "set", did_number(did), *[x for s in steps for x in ("--step", s)])


def did_number(did):
    return "+49309900" + did


def default_untouched(event, num=None, name=None):
    """The site's own default got the call as it was."""
    equal("status", event["Status"], "")
    if num is not None:
        equal("caller's number", event["Num"], num)
        equal("caller's name", event["Name"], name)
    equal("AGIEXITONHANGUP", event["ExitOnHangup"], "")


# ---- who is calling -----------------------------------------------------------------------------
@scenario("a known caller is named on the telephone that rings")
def _(w):
    phone = w.call(did_number("01"), ADA, "0301 23456").seen("phone-101")
    equal("name", phone["Name"], "Ada Lovelace")
    equal("number", phone["Num"], ADA)


@scenario("a known caller in the country's own notation is named too")
def _(w):
    equal("name", w.call("030990001", "030123456").seen("phone-101")["Name"], "Ada Lovelace")


@scenario("an unknown caller's name is left alone")
def _(w):
    phone = w.call(did_number("01"), "+4930987654", "Own Name").seen("phone-101")
    equal("name", phone["Name"], "Own Name")
    equal("number", phone["Num"], "+4930987654")


@scenario("a withheld number gets no name from the directory and stays withheld")
def _(w):
    call = w.call(did_number("01"), ADA, "Privat", "prohib")
    phone = call.seen("phone-101")
    equal("name", phone["Name"], "Privat")
    equal("presentation", phone["Pres"], "prohib")


@scenario("a withheld number with a newline in it stays withheld")
def _(w):
    phone = w.call(did_number("01"), "+49301\n23456", "Pri\nvat", "prohib_passed_screen").seen("phone-101")
    equal("presentation", phone["Pres"], "prohib_passed_screen")
    equal("name", phone["Name"], "Privat")
    equal("number", phone["Num"], ADA)


@scenario("anonymous stays anonymous")
def _(w):
    for user in (b"anonymous", b"anonymous%0A", b"anony%0D%0Amous"):
        caller, call = w.sip(did_number("01").encode(), b'"Anonymous" <sip:%s@anonymous.invalid>' % user)
        phone = call.seen("phone-101")
        equal("number", phone["Num"], "anonymous")
        equal("name", phone["Name"], "Anonymous")
        w.clear()


@scenario("a caller withheld by Privacy and P-Asserted-Identity stays withheld and unnamed")
def _(w):
    caller, call = w.sip(did_number("01").encode(), b'"Anonymous" <sip:anonymous@anonymous.invalid>',
                         extra=b'P-Asserted-Identity: "Carrier" <sip:+4930123456@127.0.0.1>\r\nPrivacy: id\r\n')
    phone = call.seen("phone-101")
    equal("name", phone["Name"], "Carrier")
    if not phone["Pres"].startswith("prohib"):
        raise Failed(f"presentation: expected prohib..., saw {phone['Pres']!r}")


@scenario("a call without any caller id goes through, and still has none")
def _(w):
    call = w.call(did_number("01"))
    begin, phone = call.seen("begin"), call.seen("phone-101")
    equal("number and name", (phone["Num"], phone["Name"]), ("", ""))
    equal("presentation", phone["Pres"], begin["Pres"])


@scenario("the name request sets the name and comes back")
def _(w):
    call = w.call(did_number("01"), ADA, "raw", context="name-only")
    default = call.seen("default")
    equal("status, name", (default["Status"], default["Name"]), ("found", "Ada Lovelace"))
    equal("limit", default["Limit"], "0")
    equal("name on the telephone", call.seen("phone-101")["Name"], "Ada Lovelace")
    equal("unknown", w.call(did_number("01"), "+4930987654", context="name-only").seen("default")["Status"], "unknown")


@scenario("CURL() is told the name over HTTP, and nothing where there is none or nobody answers")
def _(w):
    def named(num, to="01"):
        call = w.call(did_number(to), num, "raw", context="name-by-http")
        equal("default's and telephone's name", call.seen("phone-101")["Name"], call.seen("default")["Name"])
        return call.seen("default")["Name"]
    equal("known", named(ADA), "Ada Lovelace")
    equal("UTF-8", named("+4930200200"), "José Müller 日本")
    equal("code", named("+4930200201"), TAMED.replace("%", ""))
    equal("unknown", named("+4930987654"), "raw")
    equal("no number", named("anonymous"), "raw")
    w.strowger.stop()
    equal("nobody there", named(ADA), "raw")
    w.strowger.start()


@scenario("the number can be given as an argument")
def _(w):
    equal("name", w.call(did_number("01"), ADA, context="by-argument").seen("phone-101")["Name"], "Ada Lovelace")


# ---- names and numbers from strangers -------------------------------------------------------------
@scenario("a UTF-8 name from the directory arrives whole")
def _(w):
    equal("name", w.call(did_number("01"), "+4930200200").seen("phone-101")["Name"], "José Müller 日本")


@scenario("quotes, commas, brackets, a backslash and ${...} in a name arrive unexpanded")
def _(w):
    for number, name in (("+4930200201", TAMED), ("+4930200202", "Smith, John (Sales"), ("+4930200203", "end\\")):
        equal("name", w.call(did_number("01"), number).seen("phone-101")["Name"], name)


@scenario("they stay unexpanded where the site has AGIEXECFULL on")
def _(w):
    equal("name", w.call(did_number("01"), "+4930200201", execfull=True).seen("phone-101")["Name"], TAMED)


@scenario("the same wild text as the caller's own name and number does no harm")
def _(w):
    phone = w.call(did_number("01"), "1" + WILD, WILD).seen("phone-101")
    equal("name", phone["Name"], WILD)
    equal("number", phone["Num"], "1" + WILD)


@scenario("a UTF-8 name from SIP arrives whole")
def _(w):
    caller, call = w.sip(did_number("01").encode(), '"Zoë 日本" <sip:+4930987654@127.0.0.1>'.encode())
    equal("name", call.seen("phone-101")["Name"], "Zoë 日本")


@scenario("a Latin-1 name from SIP doesn't stop the call")
def _(w):
    caller, call = w.sip(did_number("01").encode(), b'"Ren\xe9 M\xfcller\xff" <sip:+4930123456@127.0.0.1>')
    equal("name", call.seen("phone-101")["Name"], "Ada Lovelace")
    caller, call = w.sip(did_number("01").encode(), b'"Ren\xe9" <sip:+4930987654@127.0.0.1>')
    if not call.seen("phone-101")["Name"].startswith("Ren"):
        raise Failed("the caller's own name is gone")


def newlines(w, number):
    """The forms of a number with line ends in it, as a SIP user."""
    n = number.encode()
    for end in (b"%0A", b"%0A%0A", b"%0D%0A", b"%0D%0A%0D%0A"):
        yield end + n
        yield n[:6] + end + n[6:]
        yield n + end


@scenario("newlines in the SIP From user don't hide who is calling")
def _(w):
    for user in newlines(w, ADA):
        caller, call = w.sip(did_number("01").encode(), b'"Raw" <sip:%s@127.0.0.1>' % user)
        phone = call.seen("phone-101")
        equal(f"name for {user}", phone["Name"], "Ada Lovelace")
        equal(f"number for {user}", phone["Num"], ADA)
        w.clear()


@scenario("newlines in the SIP From user don't free a blocked caller")
def _(w):
    for user in [BLOCKED.encode(), *newlines(w, BLOCKED)]:
        caller, call = w.sip(did_number("01").encode(), b'"Raw" <sip:%s@127.0.0.1>' % user)
        equal(f"SIP code for {user}", caller.final(), 486)
        equal(f"reason for {user}", call.ended()["Reason"], "blocked")
        call.never("phone-101")


@scenario("a forged environment line in the From user is only a strange number")
def _(w):
    for user in (b"1%0Aagi_arg_1%3A%20to=evil", b"1%0Aagi_calleridname%3A%20Ada", b"1%0A%0A200%20result=0"):
        caller, call = w.sip(did_number("01").encode(), b'"Own" <sip:%s@127.0.0.1>' % user)
        phone = call.seen("phone-101")
        equal("name", phone["Name"], "Own")
        if "\n" in phone["Num"]:
            raise Failed(f"a newline is left in the number {phone['Num']!r}")
        w.clear()


@scenario("newlines and controls in the display name do no harm")
def _(w):
    for name in (b'"A%0Ab \x01\x7f"', b'"A\\\x0bb"'):
        caller, call = w.sip(did_number("01").encode(), name + b" <sip:+4930987654@127.0.0.1>")
        seen = call.seen("phone-101")["Name"]
        if any(ord(c) < 32 or ord(c) == 127 for c in seen):
            raise Failed(f"a control character is left in the name {seen!r}")
        w.clear()
    phone = w.call(did_number("01"), "+4930987654", "Lin\ne\r\n\none\tx\x7f").seen("phone-101")
    equal("name", phone["Name"], "Lineonex")


@scenario("newlines in the called number (R-URI user) reach the same route")
def _(w):
    n = did_number("01").encode()
    for user in (n + b"%0A", n + b"%0A%0A", n + b"%0D%0A", n[:5] + b"%0A" + n[5:], n[:5] + b"%0D%0A%0D%0A" + n[5:]):
        caller, call = w.sip(user, b'"Raw" <sip:+4930123456@127.0.0.1>')
        equal(f"name for {user}", call.seen("phone-101")["Name"], "Ada Lovelace")
        w.clear()


@scenario("a forged environment line in the called number routes nothing and breaks nothing")
def _(w):
    for user in (b"+4930990001%0Aagi_arg_1%3A%20to=+4930990010", b"+4930990001%2Cto=+4930990010",
                 b"+4930990001%29%22%28%0A%0AHANGUP"):
        caller, call = w.sip(user, b'"Raw" <sip:+4930123456@127.0.0.1>')
        default = call.seen("default")
        # whether the agent takes such a thing for a number or not; a broken environment would be `malformed`
        if default["Reason"] not in ("no-route", "bad-request"):
            raise Failed(f"reason for {user}: expected no-route or bad-request, saw {default['Reason']!r}")
        w.clear()


@scenario("newlines in To and Diversion do no harm")
def _(w):
    caller, call = w.sip(did_number("01").encode(), b'"Raw" <sip:+4930123456@127.0.0.1>',
                         to=b'<sip:1%0A%0Aagi_x@127.0.0.1>',
                         extra=b'Diversion: <sip:+4930%0A%0Aagi_arg_1%3A%20to=1@127.0.0.1>;reason=unconditional\r\n')
    equal("name", call.seen("phone-101")["Name"], "Ada Lovelace")
    end = call.ended()
    equal("newlines left in dnid, rdnis", ("\n" in end["Dnid"], "\n" in end["Rdnis"]), (False, False))


# ---- what the answer asks for ---------------------------------------------------------------------
@scenario("two telephones ring at once; the first to answer has the call and the other stops")
def _(w):
    call = w.call(did_number("02"), ADA)
    call.seen("phone-101")
    call.seen("phone-102")
    call.seen("answered-101")
    gone = lambda: [e for e in call.all("gone") if e["At"] == "phone-102"]
    end = time.monotonic() + 3
    while not gone() and time.monotonic() < end:
        time.sleep(0.02)
    if not gone() or gone()[0]["Up"] == "Up":
        raise Failed("phone 102 went on ringing")
    equal("dial status", call.ended()["Dial"], "ANSWER")
    call.never("default")


@scenario("busy leads to the next step, with the caller's name")
def _(w):
    call = w.call(did_number("03"), ADA)
    call.seen("phone-103")
    equal("name", call.seen("phone-101")["Name"], "Ada Lovelace")
    equal("last step", call.seen("answered-101")["Where"], "answered-101")
    call.never("default")


@scenario("no answer leads to the next step after the seconds that the route says")
def _(w):
    call = w.call(did_number("04"), ADA)
    between("seconds until the second telephone", -call.seen("phone-102")["at"] + call.seen("phone-101")["at"], 0.8, 2.5)


@scenario("busy, no answer, then voicemail")
def _(w):
    call = w.call(did_number("05"), ADA)
    call.seen("phone-103")
    call.seen("phone-102")
    box = os.path.join(w.asterisk.run_dir, "spool", "voicemail", "default", "199", "INBOX")
    end = time.monotonic() + 6
    while not os.path.isdir(box) and time.monotonic() < end:
        time.sleep(0.05)
    if not os.path.isdir(box):
        raise Failed(f"no mailbox was opened; {call.places()}, ran {call.app('TryExec')!r}")
    w.clear()
    call.ended()
    call.never("default")


@scenario("action queue: a member of the queue is called, and the call is over after him")
def _(w):
    call = w.call(did_number("06"), ADA)
    equal("name", call.seen("member")["Name"], "Ada Lovelace")
    call.ended()
    call.never("default")


@scenario("action conference: the caller is in the room")
def _(w):
    call = w.call(did_number("07"), ADA)
    if not w.asterisk.ami.wait(lambda e: e.get("Event") == "ConfbridgeJoin" and e.get("Conference") == "4711",
                               5, call.start):
        raise Failed("nobody joined conference 4711")
    w.clear()
    call.ended()
    call.never("default")


@scenario("action playback: the sound is played, then the call is over")
def _(w):
    call = w.call(did_number("08"), ADA)
    equal("playback", call.ended()["Playback"], "SUCCESS")
    call.never("default")


@scenario("a sound that has been played leads on to the next step")
def _(w):
    call = w.call(did_number("22"), ADA)
    equal("playback", call.seen("phone-101")["Name"], "Ada Lovelace")


@scenario("action goto: the call goes on at that place")
def _(w):
    call = w.call(did_number("09"), ADA)
    equal("name", call.seen("elsewhere")["Name"], "Ada Lovelace")
    call.never("default")


@scenario("actions busy, congestion and hangup refuse the call")
def _(w):
    for did, code in (("10", (486,)), ("11", (503,)), ("12", (403, 480, 603))):
        caller, call = w.sip(did_number(did).encode(), b"<sip:+4930123456@127.0.0.1>")
        seen = caller.final()
        if seen not in code:
            raise Failed(f"SIP code for {did}: expected one of {code}, saw {seen}")
        call.ended()
        call.never("default")


@scenario("action continue: the site's own default, with the name set")
def _(w):
    default = w.call(did_number("13"), ADA).seen("default")
    equal("status, action, name", (default["Status"], default["Action"], default["Name"]),
          ("found", "continue", "Ada Lovelace"))


@scenario("an unknown called number gets the site's own default")
def _(w):
    default = w.call("+4930777777", "+4930987654", "Own").seen("default")
    equal("status", (default["Status"], default["Reason"]), ("unknown", "no-route"))
    equal("caller", (default["Num"], default["Name"]), ("+4930987654", "Own"))
    equal("AGIEXITONHANGUP, limit", (default["ExitOnHangup"], default["Limit"]), ("", "0"))


@scenario("after the last step the caller hears why: busy, congestion, no answer")
def _(w):
    for did, code in (("16", (486, 603, 480)), ("17", (503, 603, 480)), ("18", (480, 603))):
        caller, call = w.sip(did_number(did).encode(), b"<sip:+4930123456@127.0.0.1>")
        seen = caller.final()
        if seen not in code:
            raise Failed(f"SIP code for {did}: expected one of {code}, saw {seen}")
        call.ended()
        call.never("default")


@scenario("a queue that nobody serves leads to the next step")
def _(w):
    w.call(did_number("20"), ADA).seen("answered-101")


@scenario("a place, a mailbox, a queue or a sound that isn't there doesn't end the call in silence")
def _(w):
    for did in ("19", "21", "23", "25"):
        call = w.call(did_number(did), ADA)
        try:
            # the route's own end is the agent's word; without one the site's default has the call
            reached = call.seen("default", 4)
        except Failed:
            equal(f"reason for {did}", call.ended(1)["Reason"], "exhausted")
        w.clear()


@scenario("a SIP telephone rings with the name on its display")
def _(w):
    phone = SipPhone(w.asterisk.phone_port)
    try:
        for number, shown in ((ADA, b'"Ada Lovelace"'), ("+4930200200", '"José Müller 日本"'.encode())):
            phone.rang.clear()
            call = w.call(did_number("15"), number)
            if not phone.rang.wait(5):
                raise Failed(f"the telephone didn't ring; {call.places()}")
            sender = sip_header(phone.invites[-1], "From")
            if shown not in sender or number.encode() not in sender:
                raise Failed(f"display: expected {shown} <{number}>, saw {sender}")
            call.ended()
    finally:
        phone.stop()


@scenario("an edit on the command line is seen by the very next call")
def _(w):
    w.strowger.cli("contact", "set", "eve", "--name", "Eve One", "--number", "+4930200300")
    equal("name", w.call(did_number("01"), "+4930200300").seen("phone-101")["Name"], "Eve One")
    w.strowger.cli("contact", "set", "eve", "--name", "Eve Two", "--number", "+4930200300")
    w.strowger.cli("route", "set", "+4930990088", "--step", "goto:elsewhere,777,1")
    equal("name", w.call("+4930990088", "+4930200300").seen("elsewhere")["Name"], "Eve Two")


# ---- what passes between the dialplan and the agent ------------------------------------------------
ENVIRONMENT = ["agi_" + k for k in (
    "network network_script request channel language type uniqueid version callerid calleridname callingpres "
    "callingani2 callington callingtns dnid rdnis context extension priority enhanced accountcode threadid").split()]


def keys(environment):
    return [line.split(": ")[0] for line in environment]


def arguments(environment):
    return [line.split(": ", 1)[1] for line in environment if line.startswith("agi_arg_")]


@scenario("whatever a SIP caller writes, the agent reads the genuine lines, each once")
def _(w):
    server = ScriptedServer(dict(STATUS="unknown", ACTION="continue"))
    evil = [b"%0A", b"%0A%0A", b"%0D%0A", b"%0Aagi_arg_1%3A%20to=evil", b"%0D%0A%0D%0AEXEC%20Hangup", b"%01%7F%1B"]
    try:
        for e in evil:
            for place in ("front", "middle", "end"):
                put = lambda n: {"front": e + n, "middle": n[:4] + e + n[4:], "end": n + e}[place]
                called = put(b"+4930990001")
                # the site's pattern wants a digit in front
                called = called if place != "front" else b"+4930990001"
                caller, call = w.sip(called, b'"A\\\x0bB" <sip:%s@127.0.0.1>' % put(b"+4930123456"), agent=server.address,
                                     to=b"<sip:%s@127.0.0.1>" % put(b"123"),
                                     extra=b"Diversion: <sip:%s@127.0.0.1>;reason=unconditional\r\n" % put(b"456"))
                equal(f"status with {e} in {place}", call.seen("default")["Status"], "unknown")
                seen = server.environments[-1]
                equal(f"lines with {e} in {place}", keys(seen), ENVIRONMENT + ["agi_arg_1", "agi_arg_2", "agi_arg_3"])
                wild = [l for l in seen if any(ord(c) < 32 or ord(c) == 127 for c in l)]
                equal(f"control characters with {e} in {place}", wild, [])
                w.clear()
    finally:
        server.stop()


@scenario("the question names the number, the tenant and what the site adds")
def _(w):
    server = ScriptedServer(dict(STATUS="unknown", ACTION="continue"))
    try:
        w.call("+4930990001", ADA, agent=server.address).seen("default")
        equal("arguments", arguments(server.environments[-1]), ["to=+4930990001", "tenant=", "context=from-trunk"])
        w.call("+4930990001", ADA, agent=server.address, tenant="acme", more="switch=pbx1,lang=en").seen("default")
        equal("arguments", arguments(server.environments[-1]),
              ["to=+4930990001", "tenant=acme", "context=from-trunk", "switch=pbx1", "lang=en"])
        for context, request in (("from-trunk", "route"), ("name-only", "name")):
            w.call("+4930990001", ADA, agent=server.address, context=context).seen("default")
            equal("request", server.environments[-1][1], f"agi_network_script: {request}")
    finally:
        server.stop()


@scenario("a failed step hands back its token and its outcome")
def _(w):
    server = ScriptedServer(dict(STATUS="found", ACTION="dial", TARGET="Local/103@phones/n", STEP="1.a_b-c"),
                            dict(STATUS="found", ACTION="dial", TARGET="Local/102@phones/n", TIMEOUT="1", STEP="1.d"),
                            dict(STATUS="found", ACTION="playback", TARGET="beep", STEP="1.e"),
                            dict(STATUS="found", ACTION="queue", TARGET="empty", STEP="1.f"),
                            dict(STATUS="found", ACTION="voicemail", TARGET="404", STEP="1.g"),
                            dict(STATUS="found", ACTION="goto", TARGET="nowhere,1,1", STEP="1.h"),
                            dict(STATUS="found", ACTION="dial", TARGET="", STEP="1.i"),
                            dict(STATUS="found", ACTION="continue"))
    try:
        w.call("+4930990001", ADA, agent=server.address).seen("default")
        equal("outcomes", [arguments(e)[3:] for e in server.environments],
              [[], ["step=1.a_b-c", "status=BUSY"], ["step=1.d", "status=NOANSWER"], ["step=1.e", "status=SUCCESS"],
               ["step=1.f", "status=JOINEMPTY"], ["step=1.g", "status=FAILED"], ["step=1.h", "status=FAILED"],
               ["step=1.i", "status=CHANUNAVAIL"]])
    finally:
        server.stop()


@scenario("late and error carry an action, which is done")
def _(w):
    for status in ("late", "error"):
        server = ScriptedServer(dict(STATUS=status, ACTION="goto", TARGET="elsewhere,777,1"))
        try:
            equal("status", w.call("+4930990001", ADA, agent=server.address).seen("elsewhere")["Status"], status)
        finally:
            server.stop()


@scenario("an agent that answers and then hangs: the answer counts, after two seconds")
def _(w):
    server = ScriptedServer(dict(STATUS="found", ACTION="goto", TARGET="elsewhere,777,1"), linger=4)
    try:
        call = w.call("+4930990001", ADA, agent=server.address)
        between("seconds", call.seen("elsewhere")["at"] - call.seen("begin")["at"], 1.8, 3.2)
    finally:
        server.stop()


@scenario("an action that this dialplan doesn't know: the site's own default")
def _(w):
    for action in ("teleport", "", "dial,evil", "Dial", "h"):
        server = ScriptedServer(dict(STATUS="found", ACTION=action, TARGET=""))
        try:
            w.call("+4930990001", ADA, agent=server.address).seen("default")
        finally:
            server.stop()


@scenario("an agent that never ends: the site's own default after 32 further questions")
def _(w):
    server = ScriptedServer(dict(STATUS="found", ACTION="goto", TARGET="nowhere,1,1", STEP="1.x"))
    try:
        w.call("+4930990001", ADA, agent=server.address).seen("default")
        equal("questions", len(server.environments), 33)
    finally:
        server.stop()


@scenario("what the agent says is never read for ${...}")
def _(w):
    text = "beep${EXTEN}$[1+1]"
    server = ScriptedServer(dict(STATUS="found", ACTION="playback", TARGET=text, OPTIONS="", NAME="${EXTEN}"))
    try:
        call = w.call("+4930990001", ADA, agent=server.address)
        call.ended()
        equal("application", call.app("TryExec"), "Playback(beep{EXTEN}[1+1],)")
    finally:
        server.stop()


# ---- what the site had before ---------------------------------------------------------------------
@scenario("a limit on the whole call outlives the question, less the time that passed")
def _(w):
    default = w.call("+4930777777", ADA, limit="50").seen("default")
    between("limit", float(default["Limit"]), 49.0, 50.0)
    between("limit", float(w.call("+4930777777", ADA, limit="1.5").seen("default")["Limit"]), 0.9, 1.5)


@scenario("the site's own AGIEXITONHANGUP is as it was")
def _(w):
    for value in ("no", "yes"):
        default = w.call("+4930777777", ADA, exit_on_hangup=value).seen("default")
        equal("status, AGIEXITONHANGUP", (default["Status"], default["ExitOnHangup"]), ("unknown", value))


@scenario("a limit that strikes while a telephone rings belongs to the site's own T")
def _(w):
    call = w.call(did_number("24"), ADA, limit="1.2")
    call.seen("phone-102")
    between("seconds", call.seen("site-T")["at"] - call.seen("begin")["at"], 0.9, 2.0)
    call.never("default")


@scenario("a caller who gives up while a telephone rings reaches the site's own h")
def _(w):
    caller, call = w.sip(did_number("24").encode(), b"<sip:+4930123456@127.0.0.1>")
    call.seen("phone-102")
    caller.cancel()
    equal("dial status", call.ended()["Dial"], "CANCEL")


import groups  # noqa: E402,F401  its scenarios stand here


# ---- events ---------------------------------------------------------------------------------------
FLOOD_EVENTS, FLOOD_CALLS, FLOOD_CALLS_PER_SECOND = 60_000, 200, 20
# a dialplan loop makes 3,000 to 6,000 events a second where nobody else works
FLOOD_SECONDS_MAX = 120


def until(seconds, test):
    """What the test gives once it is something, or None when the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = test()
        if found:
            return found
        time.sleep(0.2)
    return None


def journalled(w, callers):
    """The journal's calls from these numbers, by number."""
    rows = collections.defaultdict(list)
    for line in w.strowger.cli("calls", "--since", "15m", "--format", "jsonl").splitlines():
        row = json.loads(line)
        number = row["from"]["number"] if isinstance(row["from"], dict) else row["from"]
        if number in callers:
            rows[number].append(row)
    return rows


@scenario("60,000 user events beside 200 calls: no disconnection, none unaccounted for, each call answered and journalled once")
def _(w):
    ami = w.asterisk.ami
    if not until(10, lambda: w.strowger.source().get("phase") == "up"):
        raise Failed(f"strowger didn't log in: {w.strowger.source()}")
    # what a dialplan says of its own steps is for nobody here
    ami.act(Action="Events", EventMask="call,user")
    time.sleep(0.5)
    before, start = w.strowger.source(), len(ami.events)
    began = time.monotonic()
    ami.act([f"T_COUNT={FLOOD_EVENTS}", "T_RUN=x"], Action="Originate", Async="true", Channel="Local/s@flood/n",
            Application="Wait", Data=str(FLOOD_SECONDS_MAX), Timeout=30000)
    calls = {}
    try:
        for n in range(FLOOD_CALLS):
            number = f"+4930980{n:04}"
            calls[number], _ = w.sip(did_number("02").encode(), f'"Flood {n}" <sip:{number}@127.0.0.1>'.encode())
            time.sleep(max(0.0, began + (n + 1) / FLOOD_CALLS_PER_SECOND - time.monotonic()))
        if not ami.wait(lambda e: e.get("UserEvent") == "FlowedOff", FLOOD_SECONDS_MAX, start):
            raise Failed(f"the dialplan didn't come to the end of its {FLOOD_EVENTS} events")
        took = time.monotonic() - began
        until(20, lambda: all(caller.over.is_set() for caller in calls.values()))
        equal("callers whom nobody answered", [n for n, caller in calls.items() if not caller.answered.is_set()], [])
        equal("callers whose call didn't end", [n for n, caller in calls.items() if not caller.over.is_set()], [])
    finally:
        ami.act(Action="Events", EventMask="on")
    # the flood's own channels end, and all that was written is read
    time.sleep(1)
    settled = until(60, lambda: (s := w.strowger.source())["queued"] == 0 and s)
    if not settled:
        raise Failed(f"events still wait: {w.strowger.source()}")
    seen = [e.get("Event") for e in ami.events[start:] if "Event" in e]
    came, lost = settled["events_in"] - before["events_in"], settled["events_lost"] - before["events_lost"]
    equal("reconnects", settled["reconnects"] - before["reconnects"], 0)
    equal("phase", settled["phase"], "up")
    equal("suspects", settled["suspects"] - before["suspects"], 0)
    # strowger has no use for each event of a call; these it must have
    needed = sum(seen.count(e) for e in ("UserEvent", "Newchannel", "DialBegin", "DialEnd", "BridgeEnter", "BridgeLeave", "Hangup"))
    # and beside what this session saw there are its snapshots and the switch's own events
    between("events that came (those lost included)", came, FLOOD_EVENTS + needed - 5, FLOOD_EVENTS + len(seen) + 5_000)
    if lost > came or (settled["gaps"] > before["gaps"]) != (lost > 0):
        raise Failed(f"{lost} of {came} lost, and gaps {before['gaps']} before, {settled['gaps']} after")
    rows = until(30, lambda: (r := journalled(w, calls)) and len(r) == FLOOD_CALLS and r) or journalled(w, calls)
    equal("calls that aren't in the journal", sorted(set(calls) - set(rows)), [])
    equal("calls that are in the journal more than once", {n: len(r) for n, r in rows.items() if len(r) > 1}, {})
    members = collections.Counter((row.get("answered_by") or {}).get("member") for r in rows.values() for row in r)
    if members != {"101": FLOOD_CALLS}:
        raise Failed(f"members who answered: {dict(members)}, such as {next(iter(rows.values()))[0]}")
    print(f"        {came} events in {took:.1f} s ({came / took:.0f}/s), {lost} lost, {len(rows)} calls", flush=True)


# ---- strowger is not well --------------------------------------------------------------------------
@scenario("strowger not running: the site's own default at once, the caller untouched")
def _(w):
    w.strowger.stop()
    call = w.call(did_number("01"), ADA, "Own", limit="50")
    default = call.seen("default")
    default_untouched(default, ADA, "Own")
    between("seconds", default["at"] - call.seen("begin")["at"], 0, 1)
    between("limit", float(default["Limit"]), 49.0, 50.0)


@scenario("strowger stopped (SIGSTOP): the default after two seconds, the former limit put back")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    calls = [w.call(did_number("01"), ADA, "Own", stay="0.5"), w.call(did_number("01"), ADA, "Own", limit="50", stay="0.5"),
             w.call(did_number("01"), ADA, "Own", answer=True, stay="0.5")]
    for call, low, high in zip(calls, (0, 47, 0), (0, 48.1, 0)):
        default = call.seen("default")
        default_untouched(default, ADA, "Own")
        between("seconds", default["at"] - call.seen("begin")["at"], 1.8, 3.2)
        between("limit", float(default["Limit"]), low, high)
        # and the call lives on there
        between("seconds that the default lasted", call.ended()["at"] - default["at"], 0.3, 1.5)


@scenario("strowger stopped, a SIP call with voice in both directions: the default after two seconds")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    caller, call = w.sip(b"answered", b"<sip:+4930123456@127.0.0.1>", media=True)
    default = call.seen("default")
    default_untouched(default)
    equal("channel", default["Up"], "Up")
    between("seconds", default["at"] - call.seen("begin")["at"], 1.8, 3.2)


@scenario("strowger stopped, the site's limit is shorter: it strikes in the site's own T")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    call = w.call(did_number("01"), ADA, limit="0.7", stay="5")
    between("seconds", call.seen("site-T")["at"] - call.seen("begin")["at"], 0.5, 1.5)
    call.ended()


@scenario("strowger stopped, the caller hangs up: the call ends, and the site's own h runs")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    caller, call = w.sip(did_number("01").encode(), b"<sip:+4930123456@127.0.0.1>")
    begin = call.seen("begin")
    time.sleep(0.3)
    caller.cancel()
    between("seconds", call.ended()["at"] - begin["at"], 0.2, 1.2)
    call.never("default")


@scenario("strowger stopped: a name request costs two seconds and comes back")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    call = w.call(did_number("01"), ADA, "Own", context="name-only")
    default = call.seen("default")
    default_untouched(default, ADA, "Own")
    between("seconds", default["at"] - call.seen("begin")["at"], 1.8, 3.2)
    equal("name", call.seen("phone-101")["Name"], "Own")


@scenario("strowger killed in mid-question: the default at once")
def _(w):
    w.strowger.signal(signal.SIGSTOP)
    call = w.call(did_number("01"), ADA, "Own", limit="50")
    call.seen("begin")
    time.sleep(0.5)
    killed = time.monotonic()
    w.strowger.kill()
    default = call.seen("default")
    default_untouched(default, ADA, "Own")
    between("seconds after the kill", default["at"] - killed, -0.1, 1)
    between("limit", float(default["Limit"]), 48.2, 49.6)


@scenario("strowger gone between the first and the second step: the site's own default")
def _(w):
    call = w.call(did_number("14"), ADA)
    call.seen("phone-105")
    w.strowger.kill()
    default = call.seen("default")
    default_untouched(default)
    call.never("phone-101")


def bad_server(w, kind, low, high):
    server = BadServer(kind)
    try:
        call = w.call(did_number("01"), ADA, "Own", agent=server.address, limit="50", stay="0.2")
        default = call.seen("default")
        default_untouched(default, ADA, "Own")
        between("seconds", default["at"] - call.seen("begin")["at"], low, high)
        between("seconds that the default lasted", call.ended()["at"] - default["at"], 0.1, 1.5)
    finally:
        server.stop()


@scenario("a server that accepts and closes: the default at once")
def _(w):
    bad_server(w, "close", 0, 1)


@scenario("a server that talks HTTP: the default at once")
def _(w):
    bad_server(w, "rubbish", 0, 1)


@scenario("a server that talks rubbish and holds the line: the default after two seconds at most")
def _(w):
    bad_server(w, "chatter", 0, 3.2)


@scenario("a server that no longer accepts: the default after two seconds")
def _(w):
    bad_server(w, "full", 1.8, 3.2)


@scenario("a server that says nothing: the default after two seconds")
def _(w):
    bad_server(w, "silent", 1.8, 3.2)


def run(world, chosen):
    passed = failed = 0
    for sentence, f in chosen:
        began, why = time.monotonic(), None
        try:
            world.strowger.start()
            f(world)
        except Failed as e:
            why = str(e)
        except Exception:
            why = traceback.format_exc().strip().replace("\n", "\n        ")
        world.clear()
        process = world.strowger.process
        if process and process.poll() is not None:
            why = why or f"strowger ended by itself with {process.returncode}"
            world.strowger.process = None
        elif process:
            process.send_signal(signal.SIGCONT)
        if why is None:
            passed += 1
            print(f"ok      {sentence} ({time.monotonic() - began:.1f} s)", flush=True)
        else:
            failed += 1
            print(f"FAILED  {sentence}\n        {why}", flush=True)
    return passed, failed


def main():
    p = argparse.ArgumentParser(prog="run", description="Calls through strowger in a real Asterisk")
    p.add_argument("--suite", default="", help='Debian suite of the Asterisk (default "sid forky"; bullseye has Asterisk 16)')
    p.add_argument("--strowger", help="the binary under test (default: the newest in target/)")
    p.add_argument("--list", action="store_true", help="only list the scenarios")
    p.add_argument("filter", nargs="?", default="", help="run only scenarios whose sentence contains this")
    args = p.parse_args()
    chosen = [s for s in SCENARIOS if args.filter.lower() in s[0].lower()]
    if args.list:
        print("\n".join(s[0] for s in chosen))
        return 0
    if not chosen:
        sys.exit(f"no scenario contains {args.filter!r}")
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: sys.exit(143))
    world, passed, failed = World(args.suite, binary(args.strowger)), 0, len(chosen)
    try:
        world.start()
        furnish(world)
        passed, failed = run(world, chosen)
    except (Failed, OSError, subprocess.SubprocessError) as e:
        print(f"FAILED  before the first scenario\n        {e}")
    finally:
        world.stop()
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
