//! `store`: backup, restore, verify, check, compact.

use super::args::Global;
use super::backend::{Backend, overrides, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::config::Config;
use crate::control::{Client, ClientError, Reply, Request};
use crate::store::{self, BackupError, Checked, Held, StoreError};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum StoreVerb {
    /// Write the whole store into one file, as of one moment, while calls and edits go on
    Backup {
        /// The file, or - for standard output
        file: PathBuf,
    },
    /// Make a backup the store; no server may run over it
    Restore {
        /// The file
        file: PathBuf,
        /// Replace the store that is there; it is kept beside the new one
        #[arg(long)]
        force: bool,
    },
    /// Read a backup whole and say what it holds
    Verify {
        /// The file, or - for standard input
        file: PathBuf,
    },
    /// Read the whole store and say what is wrong with it, and how large it is
    Check,
    /// Write the store anew, so that it takes less room and opens sooner, while calls and edits go on
    Compact,
}

pub(super) fn store(global: &Global, verb: StoreVerb) -> Result<Exit, Failure> {
    match verb {
        StoreVerb::Backup { file } => backup(global, &file),
        StoreVerb::Restore { file, force } => restore(global, &file, force),
        StoreVerb::Verify { file } => verify(global, &file),
        StoreVerb::Check => check(global),
        StoreVerb::Compact => compact(global),
    }
}

fn backup(global: &Global, file: &Path) -> Result<Exit, Failure> {
    let mut backend = Backend::look(global)?;
    if file == Path::new("-") {
        let mut stdout = io::stdout().lock();
        send(&mut backend, &mut stdout, file)?;
        return stdout.flush().map(|()| Exit::Done).map_err(|e| not_written(file, &e));
    }
    // beside its place and renamed, so that a file of that name is always a whole backup
    let mut name = file.file_name().ok_or_else(|| Failure::new(Exit::BadInput, format!("{} names no file", file.display())))?.to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = file.with_file_name(name);
    let mut written = || -> Result<Held, Failure> {
        let failed = |e: io::Error| not_written(file, &e);
        let mut out = File::options().write(true).read(true).create_new(true).mode(0o600).open(&partial).map_err(|e| {
            // the place is wrong, and not the disk
            Failure::new(Exit::BadInput, not_written(file, &e).text)
        })?;
        send(&mut backend, &mut out, file)?;
        out.sync_all().map_err(failed)?;
        drop(out);
        // read again whole: a backup that nobody has read is none
        let held = store::verify(BufReader::new(File::open(&partial).map_err(failed)?)).map_err(|e| wrong(&partial, e))?;
        fs::rename(&partial, file).map_err(failed)?;
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        Ok(held)
    };
    let held = written().inspect_err(|_| drop(fs::remove_file(&partial)))?;
    if global.json {
        print::json(&held);
    } else {
        print::line(&format!(
            "{} holds the store at revision {} ({} bytes)",
            print::shown(&file.display().to_string()),
            held.revision,
            held.bytes
        ));
        print::note("note: the journal of finished calls is another database and isn't in it");
    }
    Ok(Exit::Done)
}

fn send(backend: &mut Backend, out: &mut impl Write, file: &Path) -> Result<(), Failure> {
    backend.ask(Request::BackupBegin)?;
    loop {
        let Reply::Backup { base64, is_end } = backend.ask(Request::BackupNext)? else { return Err(unexpected()) };
        let bytes = data_encoding::BASE64.decode(base64.as_bytes()).map_err(|_| unexpected())?;
        out.write_all(&bytes).map_err(|e| not_written(file, &e))?;
        if is_end {
            return Ok(());
        }
    }
}

fn not_written(file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Trouble, format!("{} can't be written ({error}); there is no backup", file.display()))
}

fn wrong(file: &Path, error: BackupError) -> Failure {
    match error {
        BackupError::Store(error) => error.into(),
        error => Failure::new(Exit::BadInput, format!("{}: {error}", file.display())),
    }
}

fn open(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|e| Failure::new(Exit::BadInput, format!("{}: can't be read ({e})", file.display())))
}

fn verify(global: &Global, file: &Path) -> Result<Exit, Failure> {
    let held = if file == Path::new("-") { store::verify(io::stdin().lock()) } else { store::verify(BufReader::new(open(file)?)) };
    say_held(global, &held.map_err(|e| wrong(file, e))?, "whole and unharmed");
    Ok(Exit::Done)
}

fn say_held(global: &Global, held: &Held, what: &str) {
    if global.json {
        print::json(held);
        return;
    }
    let at = i64::try_from(held.at_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    let mut rows = vec![
        vec!["backup".to_owned(), what.to_owned()],
        vec!["taken".to_owned(), at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()],
        vec!["revision".to_owned(), held.revision.to_string()],
        vec!["history from".to_owned(), held.history_begins.map_or_else(|| "none".to_owned(), |first| first.to_string())],
        vec!["schema".to_owned(), format!("{} (strowger {})", held.schema, held.program)],
        vec!["size".to_owned(), format!("{} entries, {} bytes", held.entries, held.bytes)],
    ];
    for tenant in &held.tenants {
        let text = format!("{}: {} edited entries, {} imported contacts", tenant.tenant, tenant.edited, tenant.imported);
        rows.push(vec!["tenant".to_owned(), text]);
    }
    print::out(&print::columns(&rows));
}

/// What to do about a server that runs over the store. Its sockets outlive it under systemd, and whoever calls starts it again.
const STOP_IT: &str = "stop the server (under systemd: systemctl stop strowger.socket, which stops both), restore, and start it again \
                       (systemctl start strowger.socket strowger)";

fn restore(global: &Global, file: &Path, force: bool) -> Result<Exit, Failure> {
    let config = Config::load(overrides(global))?;
    let dir = config.store_dir();
    match Client::connect(&config.admin) {
        Err(ClientError::NoServer(_)) => {}
        _ => {
            let text = format!("a server runs over {}; {STOP_IT}", config.data.display());
            return Err(Failure::new(Exit::Store, text));
        }
    }
    let mut open = open(file)?;
    let restored = store::restore(&mut open, &dir, force).map_err(|error| match error {
        BackupError::Store(StoreError::Locked(_)) => {
            let text = format!("the store {} is in use by another process; {STOP_IT}", dir.display());
            Failure::new(Exit::Store, text)
        }
        error => wrong(file, error),
    })?;
    if global.json {
        print::json(&json!({ "restored": restored.held, "before": restored.before }));
        return Ok(Exit::Done);
    }
    say_held(global, &restored.held, "restored");
    if let Some(before) = &restored.before {
        print::note(&format!("note: the store that was there is kept in {}", before.display()));
    }
    Ok(Exit::Done)
}

fn check(global: &Global) -> Result<Exit, Failure> {
    let Reply::StoreChecked(checked) = Backend::look(global)?.ask(Request::StoreCheck)? else { return Err(unexpected()) };
    if global.json {
        print::json(&checked);
    } else {
        print::out(&print::columns(&rows(&checked)));
    }
    if checked.is_sound() {
        return Ok(Exit::Done);
    }
    let more = if checked.more > 0 { format!("\n  and {} more", checked.more) } else { String::new() };
    Err(Failure::new(Exit::Store, format!("the store has problems:\n  {}{more}", checked.problems.join("\n  "))))
}

fn rows(checked: &Checked) -> Vec<Vec<String>> {
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let mut rows = vec![
        row("store", if checked.is_sound() { "sound".to_owned() } else { "has problems".to_owned() }),
        row("revision", checked.revision.to_string()),
        row("contacts", checked.contacts.to_string()),
        row("found by", format!("{} numbers and beginnings ({} left over by imports)", checked.index, checked.index_left_over)),
        row("plan", format!("{} things", checked.items)),
        row("imports", checked.imports.to_string()),
        row("history", format!("{} changes", checked.changes)),
    ];
    for space in &checked.spaces {
        rows.push(row(&format!("space {}", space.space), format!("{} entries, {} bytes", space.entries, space.bytes)));
    }
    rows.push(row("data", format!("{} bytes", checked.data_bytes)));
    rows.push(row("disk", format!("{} bytes, {:.1} for each of data", checked.disk_bytes, checked.garbage_ratio())));
    rows.push(row("opened in", format!("{} ms", checked.open_ms)));
    rows
}

fn compact(global: &Global) -> Result<Exit, Failure> {
    let Reply::StoreCompacted(done) = Backend::look(global)?.ask(Request::StoreCompact)? else { return Err(unexpected()) };
    if global.json {
        print::json(&done);
        return Ok(Exit::Done);
    }
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    print::out(&print::columns(&[
        row("store", format!("compacted (revision {})", done.revision)),
        row("disk", format!("{} → {} bytes", done.bytes_before, done.bytes_after)),
        row("opens in", format!("{} → {} ms", done.open_ms_before, done.open_ms_after)),
        row("edits waited", format!("{} ms", done.waited_ms)),
    ]));
    Ok(Exit::Done)
}
