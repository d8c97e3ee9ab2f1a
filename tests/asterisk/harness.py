"""A real Asterisk, a real strowger and people who call, for scenarios.py and bench.

Standard library only, so that the tests run on a fresh machine. Everything listens on loopback, on
ports that were free at the start (or on those in the environment, see README.md).
"""
import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LAB = os.path.join(HERE, "asterisk-lab")
SERVE_READY_SECONDS_MAX = 20
EVENT_SECONDS_MAX = 8


def free_port(kind, env):
    """A port of `env`, or one that is free now."""
    if os.environ.get(env):
        return int(os.environ[env])
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def binary(path):
    """The strowger under test: what was asked for, else the newest one built here."""
    if path:
        return os.path.abspath(path)
    built = [os.path.join(ROOT, "target", p, "strowger") for p in ("release", "debug")]
    built = [p for p in built if os.access(p, os.X_OK)]
    if not built:
        sys.exit("no strowger: build it (cargo build --release) or say --strowger PATH")
    return max(built, key=os.path.getmtime)


SCENARIOS = []


def scenario(sentence):
    """A test: its sentence is what it proves."""
    def add(f):
        SCENARIOS.append((sentence, f))
        return f
    return add


class Failed(Exception):
    """A scenario saw something else than it expects."""


def equal(what, seen, expected):
    if seen != expected:
        raise Failed(f"{what}: expected {expected!r}, saw {seen!r}")


def between(what, seen, low, high):
    if not low <= seen <= high:
        raise Failed(f"{what}: expected {low} to {high}, saw {seen:.3f}")


class Asterisk:
    """One instance of the lab, configured from config/ and dialplan/asterisk/strowger.conf."""

    def __init__(self, suite, tmp, agent_port, http_port=0):
        self.env = dict(os.environ)
        if suite:
            self.env["ASTERISK_LAB_SUITE"] = suite
            # another suite needs a tree of its own
            base = os.environ.get("ASTERISK_LAB_HOME") or os.path.join(
                os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "asterisk-lab")
            self.env["ASTERISK_LAB_HOME"] = f"{base}-{suite.replace(' ', '-')}"
            if suite in ("buster", "bullseye"):
                # there it is a package of its own
                self.env["ASTERISK_LAB_EXTRA"] = "asterisk-voicemail"
        self.ami_port = free_port(socket.SOCK_STREAM, "LAB_AMI_PORT")
        self.sip_port = free_port(socket.SOCK_DGRAM, "LAB_SIP_PORT")
        self.phone_port = free_port(socket.SOCK_DGRAM, "LAB_PHONE_PORT")
        self.run_dir = os.path.join(tmp, "asterisk")
        self.env.update(ASTERISK_LAB_RUN=self.run_dir, LAB_AMI_PORT=str(self.ami_port),
                        LAB_SIP_PORT=str(self.sip_port), LAB_PHONE_PORT=str(self.phone_port),
                        LAB_AGENT=f"127.0.0.1:{agent_port}", LAB_HTTP=f"127.0.0.1:{http_port}")
        if os.environ.get("LAB_KEEP"):
            self.env["ASTERISK_LAB_KEEP_RUN"] = "1"
        self.config = os.path.join(tmp, "config")
        shutil.copytree(os.path.join(HERE, "config"), self.config)
        shutil.copy(os.path.join(ROOT, "dialplan", "asterisk", "strowger.conf"), self.config)

    def lab(self, *args, **kw):
        return subprocess.run([LAB, *args], env=self.env, check=True, **kw)

    def start(self):
        self.lab("install")
        self.lab("up", "--config", self.config)
        self.ami = Ami(self.ami_port)

    def stop(self):
        self.lab("down")

    def log(self):
        with open(os.path.join(self.run_dir, "log", "messages.log"), errors="replace") as f:
            return f.read()


class Ami:
    """A manager session that remembers every event."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.settimeout(None)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.events = []
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.act(Action="Login", Username="lab", Secret="lab-secret")

    def _read(self):
        packet = {}
        for line in self.file:
            line = line.rstrip(b"\r\n").decode("utf-8", "replace")
            if line:
                key, _, value = line.partition(":")
                packet.setdefault(key, value.strip())
                continue
            if packet:
                packet["at"] = time.monotonic()
                with self.news:
                    self.events.append(packet)
                    self.news.notify_all()
            packet = {}

    def act(self, variables=(), **fields):
        text = "".join(f"{k}: {v}\r\n" for k, v in fields.items())
        text += "".join(f"Variable: {v}\r\n" for v in variables)
        self.sock.sendall((text + "\r\n").encode())

    def wait(self, test, seconds, start=0):
        """The first event from `start` on that passes `test`, or None when the time is up."""
        end = time.monotonic() + seconds
        at = start
        with self.news:
            while True:
                while at < len(self.events):
                    if test(self.events[at]):
                        return self.events[at]
                    at += 1
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self.news.wait(left)


class Trace:
    """What the test's dialplan saw of one call: see [test] in config/extensions.conf."""

    def __init__(self, asterisk, name):
        self.ami, self.name, self.start = asterisk.ami, name, len(asterisk.ami.events)

    def _is(self, where):
        return lambda e: (e.get("UserEvent") == "Seen" and e.get("T") == self.name
                          and (where is None or e["Where"] == where))

    def seen(self, where, seconds=EVENT_SECONDS_MAX):
        event = self.ami.wait(self._is(where), seconds, self.start)
        if event is None:
            raise Failed(f"expected the call to reach {where}, saw {self.places()}")
        event = dict(event)
        for key in ("Num", "Name", "Dnid", "Rdnis"):
            event[key] = base64.b64decode(event[key])[1:].decode("utf-8", "backslashreplace")
        return event

    def all(self, where=None):
        return [e for e in self.ami.events[self.start:] if self._is(where)(e)]

    def places(self):
        return " > ".join(e["Where"] for e in self.all()) or "nothing"

    def never(self, where):
        if self.all(where):
            raise Failed(f"expected the call never to reach {where}, saw {self.places()}")

    def ended(self, seconds=EVENT_SECONDS_MAX):
        """The site's own `h`, which ends every call."""
        return self.seen("site-h", seconds)

    def app(self, name):
        """The last time that an application ran, with its arguments."""
        found = [e for e in self.ami.events[self.start:]
                 if e.get("Event") == "Newexten" and e.get("Application", "").lower() == name.lower()]
        return found[-1]["AppData"] if found else None


class Strowger:
    """The server under test, and its command line."""

    def __init__(self, path, tmp, port, http_port, ami_port):
        self.path, self.port, self.process = path, port, None
        self.data = os.path.join(tmp, "data")
        os.makedirs(self.data, mode=0o700)
        self.log_path = os.path.join(tmp, "strowger.log")
        self.config = os.path.join(tmp, "strowger.toml")
        with open(self.config, "w") as f:
            f.write('[[tenant]]\nid = "default"\ncountry = "DE"\n\n'
                    '[dial]\ntrunk = "trunk"\n\n'
                    '[dial.asterisk]\nextension = "Local/{extension}@phones/n"\n'
                    'number = "PJSIP/{number}@{trunk}"\n\n'
                    f'[[switch]]\nname = "lab"\nkind = "asterisk"\naddress = "127.0.0.1:{ami_port}"\n'
                    'user = "strowger"\nsecret = "strowger-secret"\nevents = ["user"]\n')
        # the door that no scenario uses must not meet another server's on this machine
        self.doors = ["--esl", "127.0.0.1:0", "--lookup-http", f"127.0.0.1:{http_port}", "--http", "127.0.0.1:0"]

    def start(self):
        if self.process:
            return
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [self.path, "--data", self.data, "serve", "--config", self.config,
             "--agi", f"127.0.0.1:{self.port}", *self.doors],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = threading.Event()
        said = []

        def read(out):
            for line in out:
                said.append(line)
                if line.startswith("ready"):
                    ready.set()
        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        end = time.monotonic() + SERVE_READY_SECONDS_MAX
        while not ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > end:
                tail = open(self.log_path, errors="replace").read()[-1500:]
                code = self.process.poll()
                self.kill()
                raise Failed(f"strowger serve didn't become ready (exit {code}): {''.join(said)}{tail}")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """As a service manager would; a stopped one too."""
        if not self.process:
            return
        import signal
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def source(self):
        """What it counted of the switch that it listens to."""
        events = json.loads(self.cli("--json", "status")).get("events") or {}
        sources = [s for s in events.get("sources", []) if s["name"] == "lab"]
        if not sources:
            raise Failed("strowger's status tells of no source")
        return sources[0]

    def cli(self, *args):
        done = subprocess.run([self.path, "--data", self.data, *args], capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise Failed(f"strowger {' '.join(args)}: exit {done.returncode}: {(done.stdout + done.stderr).strip()}")
        return done.stdout


class BadServer:
    """A FastAGI server that does one wrong thing: close, rubbish, silent, chatter, full."""

    def __init__(self, kind):
        self.kind, self.held = kind, []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=0 if kind == "full" else 64)
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        if kind == "full":
            # nobody accepts, and the queue of connections has no room left
            for _ in range(4):
                c = socket.socket()
                c.setblocking(False)
                c.connect_ex(self.sock.getsockname())
                self.held.append(c)
            return
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            try:
                if self.kind == "close":
                    c.close()
                elif self.kind == "rubbish":
                    c.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\nConnection: close\r\n\r\nNope")
                    time.sleep(0.1)
                    c.close()
                elif self.kind == "chatter":
                    # rubbish, and then it holds the line
                    c.sendall(b"* OK IMAP4 ready\r\nfailure is not an option\r\n")
                    self.held.append(c)
                else:
                    self.held.append(c)
            except OSError:
                c.close()

    def stop(self):
        self.sock.close()
        for c in self.held:
            c.close()


class ScriptedServer:
    """A FastAGI server that keeps every environment and says what it is told to.

    `answers` are dictionaries of what differs from an empty answer, one per question; the last is
    said again and again. A name with an underscore in front or brackets behind is set as it stands.
    """

    EMPTY = dict.fromkeys("STATUS ACTION TARGET TIMEOUT OPTIONS STEP ROUTE NAME CONTACT REASON CALLERID".split(), "")

    def __init__(self, *answers, linger=0):
        self.linger = linger
        self.answers, self.environments = list(answers), []
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            with c, c.makefile("rb") as f:
                c.settimeout(3)
                lines = []
                try:
                    while (line := f.readline()) not in (b"\n", b""):
                        lines.append(line.rstrip(b"\n").decode("utf-8", "backslashreplace"))
                    self.environments.append(lines)
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    items = [f"{self.variable(k)}={self.escaped(v)}" for k, v in {**self.EMPTY, **answer}.items()]
                    text = ",".join(items).replace("\\", "\\\\").replace('"', '\\"')
                    c.sendall(f'EXEC MSet "{text}"\n'.encode())
                    f.readline()
                    time.sleep(self.linger)
                except OSError:
                    pass

    @staticmethod
    def variable(key):
        return key.replace("(", r"\(").replace(")", r"\)") if key[0] == "_" or "(" in key else f"STROWGER_{key}"

    @staticmethod
    def escaped(value):
        return re.sub(r'([\\,"()\[\]])', r"\\\1", value)

    def stop(self):
        self.sock.close()


def sip_socket(port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    return s


def sip_header(message, name):
    found = re.search(rb"(?im)^" + name.encode() + rb"[ \t]*:[ \t]*(.*?)\r?$", message)
    return found.group(1) if found else None


def datagrams(sock, over):
    """What comes, until `over` is set. A thread that waited in recvfrom() would keep a closed socket's port."""
    sock.settimeout(0.1)
    while not over.is_set():
        try:
            yield sock.recvfrom(65535)
        except TimeoutError:
            pass


SDP = (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       b"m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


class SipCaller:
    """A carrier that sends one INVITE, byte for byte as it is told, and follows the call to its end."""

    def __init__(self, asterisk, name, user, sender, extra=b"", to=None, media=False, agent=None):
        if agent:
            extra += b"X-Agent: " + agent.encode() + b"\r\n"
        self.sock, self.name = sip_socket(), name
        self.peer = ("127.0.0.1", asterisk.sip_port)
        port = self.sock.getsockname()[1]
        self.rtp = sip_socket()
        self.branch = b"z9hG4bK" + name.encode()
        self.uri = b"sip:%s@127.0.0.1:%d" % (user, asterisk.sip_port)
        self.via = b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=%s\r\n" % (port, self.branch)
        self.sender = b"From: " + sender + b";tag=" + name.encode() + b"\r\n"
        self.to = to or b"<sip:%s@127.0.0.1>" % user
        self.common = b"Call-ID: %s@127.0.0.1\r\nMax-Forwards: 70\r\n" % name.encode()
        body = SDP % self.rtp.getsockname()[1]
        invite = (b"INVITE " + self.uri + b" SIP/2.0\r\n" + self.via + self.sender + b"To: " + self.to + b"\r\n"
                  + self.common + b"CSeq: 1 INVITE\r\nContact: <sip:carrier@127.0.0.1:%d>\r\n" % port
                  + b"X-T: " + name.encode() + b"\r\n" + extra
                  + b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.code, self.answered, self.over = None, threading.Event(), threading.Event()
        self.talk = media
        self.sock.sendto(invite, self.peer)
        threading.Thread(target=self._follow, daemon=True).start()

    def _send(self, method, to, cseq=b"1", via=None):
        self.sock.sendto(method + b" " + self.uri + b" SIP/2.0\r\n" + (via or self.via) + self.sender + b"To: " + to
                         + b"\r\n" + self.common + b"CSeq: " + cseq + b" " + method + b"\r\nContent-Length: 0\r\n\r\n",
                         self.peer)

    def _follow(self):
        self.sock.settimeout(40)
        try:
            while True:
                m = self.sock.recv(65535)
                if m.startswith(b"BYE "):
                    lines = [l for l in m.split(b"\r\n") if re.match(rb"(?i)(via|from|to|call-id|cseq):", l)]
                    self.sock.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines) + b"\r\nContent-Length: 0\r\n\r\n",
                                     self.peer)
                    self.over.set()
                    return
                if not m.startswith(b"SIP/2.0 ") or b"INVITE" not in (sip_header(m, "CSeq") or b""):
                    continue
                code = int(m[8:11])
                if code < 200:
                    continue
                self.remote = sip_header(m, "To")
                self.code = code
                if code >= 300:
                    self._send(b"ACK", self.remote)
                    self.over.set()
                    return
                self._send(b"ACK", self.remote, via=self.via.replace(b"z9hG4bK", b"z9hG4bKa"))
                if self.talk and not self.answered.is_set():
                    threading.Thread(target=self._speak, args=(m,), daemon=True).start()
                self.answered.set()
        except OSError:
            self.over.set()

    def _speak(self, m):
        port = int(re.search(rb"m=audio (\d+)", m).group(1))
        for n in range(2000):
            if self.over.is_set():
                return
            head = bytes([0x80, 0]) + n.to_bytes(2, "big") + (n * 160).to_bytes(4, "big") + b"lab1"
            try:
                self.rtp.sendto(head + b"\x7f" * 160, ("127.0.0.1", port))
            except OSError:
                return
            time.sleep(0.02)

    def cancel(self):
        if self.code is None:
            self._send(b"CANCEL", self.to)
        elif self.code < 300:
            self._send(b"BYE", self.remote, b"2", self.via.replace(b"z9hG4bK", b"z9hG4bKb"))

    def final(self, seconds=EVENT_SECONDS_MAX):
        """The code that the call was answered or refused with."""
        end = time.monotonic() + seconds
        while self.code is None and time.monotonic() < end:
            time.sleep(0.01)
        return self.code

    def close(self):
        if not self.over.is_set():
            self.cancel()
            self.over.wait(1)
        self.over.set()
        self.sock.close()
        self.rtp.close()


class SipPhone:
    """A telephone with a display: keeps the INVITEs, rings, and is busy after a moment."""

    def __init__(self, port):
        self.sock = sip_socket(port)
        self.invites = []
        self.rang, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        for m, peer in datagrams(self.sock, self.over):
            lines = [l for l in m.split(b"\r\n") if re.match(rb"(?i)(via|from|call-id|cseq):", l)]
            to = b"To: " + (sip_header(m, "To") or b"") + (b"" if b"tag=" in (sip_header(m, "To") or b"") else b";tag=phone")

            def reply(status):
                self.sock.sendto(b"SIP/2.0 " + status + b"\r\n" + b"\r\n".join(lines + [to])
                                 + b"\r\nContent-Length: 0\r\n\r\n", peer)
            if m.startswith(b"INVITE "):
                self.invites.append(m)
                reply(b"180 Ringing")
                self.rang.set()
                time.sleep(0.2)
                reply(b"486 Busy Here")
            elif not m.startswith((b"ACK ", b"SIP/2.0")):
                reply(b"200 OK")

    def stop(self):
        self.over.set()
        self.thread.join()
        self.sock.close()


class Telephones:
    """SIP telephones at one address, and carriers. The beginning of the user's name says what each does: ring (and nothing
    more), late (answers after two seconds), answer, busy, decline, absent, congested, unknown; `kinds` says it of users that
    are numbers."""

    REFUSE = {b"busy": b"486 Busy Here", b"decline": b"603 Decline", b"absent": b"480 Temporarily Unavailable",
              b"congested": b"503 Service Unavailable", b"unknown": b"404 Not Found"}

    def __init__(self, port, kinds=None):
        self.kinds = kinds or {}
        self.port, self.sock = port, sip_socket(port)
        self.invites, self.reasons, self.ended, self.over = {}, {}, [], threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def at(self, user):
        """What Dial() calls it by."""
        return f"PJSIP/trunk/sip:{user}@127.0.0.1:{self.port}"

    def _serve(self):
        for m, peer in datagrams(self.sock, self.over):
            asked = re.match(rb"([A-Z]+) sip:([^@]*)@", m)
            if not asked or asked.group(1) == b"ACK":
                continue
            method, user = asked.groups()
            if method != b"INVITE":
                self._reply(m, peer, b"200 OK")
            if method == b"CANCEL":
                self.reasons[user.decode()] = [r.decode() for r in re.findall(rb"(?im)^Reason:[ ]*(.*?)\r?$", m)]
                self._reply(self.invites[user.decode()], peer, b"487 Request Terminated")
            elif method == b"BYE":
                self.ended.append(user.decode())
            elif method == b"INVITE" and user.decode() not in self.invites:
                self.invites[user.decode()] = m
                kind = self.kinds.get(user.decode()) or re.match(rb"[a-z]*", user).group()
                if kind in self.REFUSE:
                    self._reply(m, peer, self.REFUSE[kind])
                    continue
                self._reply(m, peer, b"180 Ringing")
                if kind in (b"late", b"answer"):
                    threading.Timer(2 if kind == b"late" else 0.3, self._reply, (m, peer, b"200 OK", SDP % (self.port + 1))).start()

    def _reply(self, m, peer, status, body=b""):
        lines = [l for l in m.split(b"\r\n") if re.match(rb"(?i)(via|from|call-id|cseq):", l)]
        to = sip_header(m, "To")
        lines.append(b"To: " + to + (b"" if b"tag=" in to else b";tag=t"))
        lines.append(b"Contact: <sip:phone@127.0.0.1:%d>" % self.port)
        if body:
            lines.append(b"Content-Type: application/sdp")
        head = b"SIP/2.0 " + status + b"\r\n" + b"\r\n".join(lines)
        try:
            self.sock.sendto(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body, peer)
        except OSError:
            pass  # the scenario is over

    def sender(self, user):
        """The From of what rang there."""
        return (sip_header(self.invites[user], "From") or b"").decode("utf-8", "backslashreplace")

    def until(self, what, seconds=EVENT_SECONDS_MAX):
        """Waits for `what` of this to be true."""
        end = time.monotonic() + seconds
        while not what(self) and time.monotonic() < end:
            time.sleep(0.02)
        return what(self)

    def stop(self):
        self.over.set()
        self.thread.join()
        self.sock.close()


class World:
    """Everything a scenario needs."""

    def __init__(self, suite, path):
        self.tmp = tempfile.mkdtemp(prefix="strowger-asterisk-")
        self.port = free_port(socket.SOCK_STREAM, "LAB_AGENT_PORT")
        self.http_port = free_port(socket.SOCK_STREAM, "LAB_HTTP_PORT")
        self.asterisk = Asterisk(suite, self.tmp, self.port, self.http_port)
        self.strowger = Strowger(path, self.tmp, self.port, self.http_port, self.asterisk.ami_port)
        self.calls, self.serial = [], 0

    def start(self):
        self.asterisk.start()
        self.strowger.start()

    def name(self):
        self.serial += 1
        return f"t{self.serial}"

    def call(self, to, num=None, name=None, pres=None, context="from-trunk", agent=None, answer=False,
             limit=None, stay=None, execfull=False, tenant=None, more=None, exit_on_hangup=None, then=None, verstat=None):
        """A call from inside the switch; numbers and names may hold any byte but NUL. Once it is answered, the
        caller's own side goes to extension `then` of [presses], if one is said."""
        quote = lambda v: urllib.parse.quote(v, safe="") if v else ""
        t = self.name()
        trace = Trace(self.asterisk, t)
        values = dict(CONTEXT=context, TO=quote(to), NUM=quote(num), NAME=quote(name), PRES=pres, AGENT=agent,
                      ANSWER="1" if answer else "", LIMIT=limit, STAY=stay, EXECFULL="yes" if execfull else "",
                      TENANT=tenant, MORE=quote(more), EXIT=exit_on_hangup, VERSTAT=quote(verstat))
        app = ("Playback", "demo-congrats") if answer else ("Wait", "30")
        side = dict(Context="presses", Exten=then, Priority=1) if then else dict(Application=app[0], Data=app[1])
        self.asterisk.ami.act([f"T_{k}={v}" for k, v in values.items() if v], Action="Originate", Async="true",
                              Channel=f"Local/{t}@caller/n", Timeout=30000, **side)
        self.calls.append(t)
        return trace

    def sip(self, user, sender, **kw):
        """A call over SIP. Gives the caller and the trace."""
        t = self.name()
        trace = Trace(self.asterisk, t)
        caller = SipCaller(self.asterisk, t, user, sender, **kw)
        self.calls.append(caller)
        return caller, trace

    def clear(self):
        """No call of one scenario lives on into the next."""
        for c in self.calls:
            if isinstance(c, SipCaller):
                c.close()
        if self.calls:
            self.asterisk.ami.act(Action="Hangup", Channel="/^Local.t[0-9]+@caller-.*;1$/", Cause="16")
        self.calls = []

    def stop(self):
        for end in (self.clear, self.strowger.stop, self.asterisk.stop):
            try:
                end()
            except Exception as e:  # whatever happens, the rest is torn down too
                print(f"while ending: {e}", file=sys.stderr)
        if not os.environ.get("LAB_KEEP"):
            shutil.rmtree(self.tmp, ignore_errors=True)
        else:
            print(f"kept: {self.tmp}", file=sys.stderr)
