#!/usr/bin/env python3
# A program that is asked to take over from a server and doesn't, or one that stands between the server and a real one and
# kills the server on the way. What it does is the first argument; the rest are a server's.
import array, json, os, signal, socket, subprocess, sys, threading, time

what, args = sys.argv[1], sys.argv[2:]
server = os.getppid()
line = socket.socket(fileno=os.dup(0))


def say(at, message, passed=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", passed))] if passed else []
    at.sendmsg([message], rights)


def hear(at):
    message, ancillary, _, _ = at.recvmsg(65536, socket.CMSG_SPACE(8 * 4))
    passed = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            passed.frombytes(data[: len(data) - len(data) % passed.itemsize])
    return message, list(passed)


def words(**said):
    say(line, json.dumps(said).encode())


def refuse():
    if what == "noise":
        say(line, b"\xff\x00 no JSON")
        time.sleep(60)
    if what == "other-protocol":
        words(say="fit", protocol=99, version="9.9.9", pid=os.getpid())
        time.sleep(60)
    if what == "somebody-else":
        words(say="fit", protocol=1, version="0.0.1", pid=1)
        time.sleep(60)
    if what == "out-of-turn":
        words(say="serving")
        time.sleep(60)
    if what == "closes":
        line.close()
        os.close(0)
        time.sleep(60)
    if what == "ends-with-3":
        sys.exit(3)
    words(say="fit", protocol=1, version="0.0.1", pid=os.getpid())
    if what == "fails-after-fit":
        words(say="failed", why="the moon is full")
        time.sleep(60)
    if what == "ends-after-fit":
        sys.exit(4)
    hear(line)
    if what == "ends-after-take":
        sys.exit(5)
    words(say="ready", has_admin=True)
    if what == "ends-after-ready":
        sys.exit(6)
    hear(line)
    if what == "ends-after-yours":
        sys.exit(7)
    time.sleep(60)  # says nothing after yours


def kill_on_the_way():
    # the moment: so many messages have passed in either direction
    moment = int(what.removeprefix("kills-after-"))
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if moment == 0:
        os.kill(server, signal.SIGKILL)
    real = subprocess.Popen([os.environ.get("STROWGER_REAL") or args.pop(0), *args], stdin=its)
    its.close()
    passed_on, lock = [0], threading.Lock()

    def pass_on(source, sink):
        while True:
            try:
                message, passed = hear(source)
            except OSError:
                message = b""
            if not message:
                try:
                    sink.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                return
            if b'"fit"' in message:
                # the server knows this process and not the real one
                message = json.dumps({**json.loads(message), "pid": os.getpid()}).encode()
            with lock:
                passed_on[0] += 1
                try:
                    say(sink, message, passed)
                except OSError:
                    pass
                if passed_on[0] == moment:
                    os.kill(server, signal.SIGKILL)
            for descriptor in passed:
                os.close(descriptor)

    up = threading.Thread(target=pass_on, args=(mine, line), daemon=True)
    up.start()
    pass_on(line, mine)
    real.wait()


if what.startswith("kills-after-"):
    kill_on_the_way()
else:
    refuse()
