//! The old process's side. It is the main thread's work: a program that a thread behind calls starts would stay behind them.

use super::link::{Link, LinkError};
use super::{FromPredecessor, FromSuccessor, PROTOCOL};
use crate::call::CallPlane;
use crate::control::{AdminDoor, HandOver, NotHandedOver, Successor};
use crate::store::Store;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How long the new program may take to start and to look at what it is given.
const FIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long it may take to read the store. 5,000,000 contacts take 6 s on a quiet machine.
const READY_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long the call threads may take to see that they take nobody in any more.
const REST_WAIT_MAX: Duration = Duration::from_secs(3);
/// How long the new process may take to see that calls are its own, with everything there. They wait meanwhile.
const SERVING_WAIT_MAX: Duration = Duration::from_secs(3);
/// How often a stop that was ordered meanwhile is looked for.
const STOP_LOOK: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(1);
/// What belongs to the old process alone.
const NOT_INHERITED: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What the main thread is told.
pub(in crate::daemon) enum Order {
    /// A call thread has ended.
    Ended,
    /// Somebody wants another program to take over.
    Give { program: Option<PathBuf>, reply: GiveReply },
}

/// Brings administrators' orders to the main thread.
pub(in crate::daemon) struct Asker {
    orders: Sender<Order>,
    /// Set while an order is carried out, and for good once one was.
    is_busy: AtomicBool,
}

impl Asker {
    pub(in crate::daemon) fn new(orders: Sender<Order>) -> Asker {
        Asker { orders, is_busy: AtomicBool::new(false) }
    }
}

impl HandOver for Asker {
    fn give(&self, program: Option<&Path>) -> Result<Successor, NotHandedOver> {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Err(NotHandedOver::Busy("another process is taking over already".to_owned()));
        }
        let ending = || NotHandedOver::Busy("the server is ending".to_owned());
        let (reply, answer) = sync_channel(1);
        self.orders.send(Order::Give { program: program.map(Path::to_owned), reply }).map_err(|_| ending())?;
        let given = answer.recv().map_err(|_| ending())?;
        self.is_busy.store(given.is_ok(), Ordering::Release);
        given
    }
}

/// What is handed over.
pub(in crate::daemon) struct Estate {
    pub(in crate::daemon) store: Store,
    pub(in crate::daemon) plane: Arc<CallPlane>,
    /// The call plane's sockets and the admin HTTP's, by their names.
    pub(in crate::daemon) sockets: Vec<(&'static str, TcpListener)>,
    pub(in crate::daemon) admin: AdminDoor,
    /// The names of those that a service manager keeps, too.
    pub(in crate::daemon) kept: Vec<String>,
    /// How many doors there are to take somebody in at, each counted for each call thread.
    pub(in crate::daemon) doors: usize,
}

/// What has been handed over: calls are another process's.
pub(in crate::daemon) struct Given {
    heir: Heir,
    pub(in crate::daemon) successor: Successor,
    /// Whether it has the admin socket, too.
    pub(in crate::daemon) has_admin: bool,
}

impl Given {
    /// Everything else is closed, and the other process's from now on.
    pub(in crate::daemon) fn leave_the_rest(&self) {
        // one that is gone needs no telling
        let _ = self.heir.link.say(&FromPredecessor::Rest, &[]);
    }
}

/// Where whoever wanted another program to take over waits for the answer.
pub(in crate::daemon) type GiveReply = SyncSender<Result<Successor, NotHandedOver>>;

/// This process's program, as it is on the disk now: a package that was upgraded has put another file in its place.
fn program_on_disk() -> Result<PathBuf, NotHandedOver> {
    let running =
        std::env::current_exe().map_err(|e| NotHandedOver::Busy(format!("this program's own file isn't known ({e}); name it")))?;
    let text = running.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| running.clone(), PathBuf::from))
}

impl Estate {
    /// Starts a program and lets it take over, unless the server is told to stop.
    ///
    /// # Errors
    /// [`NotHandedOver`]; this process has everything as before.
    pub(in crate::daemon) fn give(&self, program: Option<&Path>, is_stopping: impl Fn() -> bool) -> Result<Given, NotHandedOver> {
        if std::process::id() == 1 {
            return Err(NotHandedOver::Busy(
                "the server is its container's first process, which ends with it: start another container".into(),
            ));
        }
        let program = program.map_or_else(program_on_disk, |program| Ok(program.to_owned()))?;
        let begun = Instant::now();
        let mut heir = Heir::start(&program)?;
        let version = match heir.hear(FIT_WAIT_MAX, &is_stopping)? {
            FromSuccessor::Fit { protocol: PROTOCOL, version, pid } if pid == heir.process.id() => version,
            FromSuccessor::Fit { protocol: PROTOCOL, pid, .. } => {
                let why = format!("it is process {pid}, and {} was started: a script has to exec the program", heir.process.id());
                return Err(heir.unfit(&why));
            }
            FromSuccessor::Fit { protocol, version, .. } => {
                let why =
                    format!("version {version} hands over another way ({protocol}, and this one {PROTOCOL}): restart the server instead");
                return Err(NotHandedOver::Unfit(why));
            }
            said => return Err(heir.unfit(&format!("it said {said:?} at first"))),
        };
        tracing::info!(program = %program.display(), version, pid = heir.process.id(), "another process is about to take over");
        self.store.detach().map_err(|e| NotHandedOver::Busy(e.to_string()))?;
        match self.pass_to(&mut heir, &is_stopping) {
            Ok(has_admin) => {
                let sessions = self.plane.sessions() as u64;
                let successor =
                    Successor { pid: heir.process.id(), version, program, took_ms: begun.elapsed().as_millis() as u64, sessions };
                // it lives on by itself
                heir.is_on_trial = false;
                Ok(Given { heir, successor, has_admin })
            }
            Err(why) => {
                self.plane.wake();
                // it must be gone before the store is opened again
                drop(heir);
                if let Err(error) = self.store.attach() {
                    tracing::error!(%error, "the store could not be taken back; calls are answered, and edits refused");
                }
                Err(why)
            }
        }
    }

    /// Everything from the store's being free on; whether the admin socket goes, too.
    fn pass_to(&self, heir: &mut Heir, is_stopping: &impl Fn() -> bool) -> Result<bool, NotHandedOver> {
        let sockets = self.sockets.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut passed: Vec<BorrowedFd<'_>> = self.sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
        passed.push(self.admin.listener().as_fd());
        let admin = self.admin.path().to_owned();
        heir.say(&FromPredecessor::Take { sockets, kept: self.kept.clone(), admin }, &passed)?;
        let has_admin = match heir.hear(READY_WAIT_MAX, is_stopping)? {
            FromSuccessor::Ready { has_admin } => has_admin,
            said => return Err(heir.unfit(&format!("it said {said:?} instead of ready"))),
        };
        self.plane.rest();
        let begun = Instant::now();
        while self.plane.doors_at_rest() < self.doors {
            if begun.elapsed() > REST_WAIT_MAX {
                return Err(NotHandedOver::Busy("the call threads don't turn".to_owned()));
            }
            std::thread::sleep(LOOK);
        }
        heir.say(&FromPredecessor::Yours, &[])?;
        // told to stop meanwhile, this process finds out below whether it still has any calls
        match heir.hear(SERVING_WAIT_MAX, &|| false)? {
            FromSuccessor::Serving => Ok(has_admin),
            said => Err(heir.unfit(&format!("it said {said:?} instead of serving"))),
        }
    }
}

/// The new process. It is ended with this handle, as long as it is on trial.
struct Heir {
    process: Child,
    link: Link,
    is_on_trial: bool,
}

impl Heir {
    /// Starts it as this process was started.
    fn start(program: &Path) -> Result<Heir, NotHandedOver> {
        let failed = |e: io::Error| NotHandedOver::Unfit(format!("{} can't be started ({e})", program.display()));
        let (link, other) = Link::pair().map_err(failed)?;
        let args = std::env::args_os().skip(1).filter(|arg| arg != "--take-over");
        let mut command = Command::new(program);
        command.args(args).arg("--take-over").stdin(Stdio::from(other));
        for variable in NOT_INHERITED {
            command.env_remove(variable);
        }
        let process = command.spawn().map_err(failed)?;
        Ok(Heir { process, link, is_on_trial: true })
    }

    fn say(&mut self, message: &FromPredecessor, passed: &[BorrowedFd<'_>]) -> Result<(), NotHandedOver> {
        self.link.say(message, passed).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => self.ended(),
            _ => self.unfit(&error.to_string()),
        })
    }

    fn hear(&mut self, wait: Duration, is_stopping: &impl Fn() -> bool) -> Result<FromSuccessor, NotHandedOver> {
        let begun = Instant::now();
        loop {
            if is_stopping() {
                return Err(NotHandedOver::Busy("the server was told to stop".to_owned()));
            }
            match self.link.hear(STOP_LOOK) {
                Ok((FromSuccessor::Failed { why }, _)) => return Err(NotHandedOver::Unfit(why)),
                Ok((said, _)) => return Ok(said),
                Err(LinkError::Silent(_)) if begun.elapsed() < wait => {}
                Err(LinkError::Silent(_)) => return Err(self.unfit(&format!("it said nothing in {} s", wait.as_secs()))),
                Err(LinkError::Ended) => return Err(self.ended()),
                Err(error) => return Err(self.unfit(&error.to_string())),
            }
        }
    }

    fn ended(&mut self) -> NotHandedOver {
        // one that only closed its end is ended
        let _ = self.process.kill();
        let how = self.process.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        self.unfit(&format!("it ended ({how})"))
    }

    fn unfit(&self, why: &str) -> NotHandedOver {
        NotHandedOver::Unfit(format!("the program didn't take over: {why}; its own words are in the server's log"))
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        if self.is_on_trial {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
