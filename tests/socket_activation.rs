//! A restart under a service manager that keeps the sockets: calls wait, and none is refused.

#[path = "support/doors.rs"]
mod doors;

use doors::{ask_over_http, asked_at};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Plays the service manager: binds the sockets, keeps them, and starts the program again each time that it ends.
const MANAGER: &str = r#"
import os, signal, socket, sys
program, args = sys.argv[1], sys.argv[2:]
listeners = []
for n in range(3):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    listeners.append(listener)
ports = [l.getsockname()[1] for l in listeners]
print(*ports, flush=True)
over = False
def end(*_):
    global over
    over = True
    os.kill(child, signal.SIGTERM)
signal.signal(signal.SIGTERM, end)
while not over:
    child = os.fork()
    if child == 0:
        for n, l in enumerate(listeners):
            os.dup2(l.fileno(), 100 + n)
        for n in range(3):
            os.dup2(100 + n, 3 + n, inheritable=True)
        os.environ.update(LISTEN_FDS="3", LISTEN_PID=str(os.getpid()))
        address = lambda n: "127.0.0.1:%d" % ports[n]
        os.execv(program, [program, "serve", "--agi", address(0), "--esl", address(1), "--lookup-http", address(2), *args])
    print("child", child, flush=True)
    while True:
        try:
            os.waitpid(child, 0)
            break
        except InterruptedError:
            pass
"#;

struct Manager {
    process: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Manager {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the manager speaks");
        line.trim().to_owned()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[test]
fn a_restart_under_a_manager_that_keeps_the_sockets_refuses_no_call() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Command::new("python3")
        .args(["-c", MANAGER, env!("CARGO_BIN_EXE_strowger"), "--sample", "--http", "127.0.0.1:0"])
        // a budget that only a server which stands still overspends, however busy the machine is
        .args(["--answer-budget-ms", "2000", "--data"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 runs");
    let lines = BufReader::new(process.stdout.take().expect("piped"));
    let mut manager = Manager { process, lines };
    let ports: Vec<u16> = manager.line().split(' ').map(|p| p.parse().expect("a port")).collect();
    let lookup = ports[2];
    let child_of = |line: String| line.strip_prefix("child ").expect("a child").to_owned();
    let next_child = |manager: &mut Manager| loop {
        let line = manager.line();
        if line.starts_with("child ") {
            return child_of(line);
        }
    };
    let mut child = next_child(&mut manager);
    // the first answer also waits for the sample: before it the name isn't known
    while ask_over_http(lookup).expect("an answer") != 200 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..6)
        .map(|n| {
            let (over, asked, ports) = (over.clone(), asked.clone(), ports.clone());
            std::thread::spawn(move || {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    answers.push(asked_at(n % 3, &ports));
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                }
                answers
            })
        })
        .collect();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(300));
        assert!(Command::new("kill").arg(&child).status().expect("kill runs").success());
        let next = next_child(&mut manager);
        assert_ne!(next, child, "another process serves on");
        child = next;
    }
    let (before, began) = (asked.load(Ordering::Relaxed), Instant::now());
    while asked.load(Ordering::Relaxed) < before + 100 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    over.store(true, Ordering::Relaxed);
    let answers: Vec<_> = callers.into_iter().flat_map(|c| c.join().expect("a caller")).collect();
    let wrong: Vec<_> = answers.iter().filter(|a| a.is_err()).collect();
    assert!(wrong.is_empty(), "{} of {} calls: {:?}", wrong.len(), answers.len(), &wrong[..wrong.len().min(5)]);
    assert!(answers.len() > 100, "{}", answers.len());
}
