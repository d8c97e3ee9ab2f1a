//! `contact import`: reads the file, sends its rows, shows how far it is.

use super::args::{Global, ImportArgs};
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{ImportView, Reply, Request, RowError};
use crate::daemon::threads;
use crate::directory::file::{ContactFile, FileError, Reading, Said, open};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows that are sent at once.
const ROWS_PER_REQUEST: usize = 1000;
/// Bytes of text that are sent at once; notes can be long.
const BYTES_PER_REQUEST: usize = 1024 * 1024;

pub(super) fn import(global: &Global, args: &ImportArgs) -> Result<Exit, Failure> {
    let named = |e: io::Error| Failure::new(Exit::BadInput, format!("{}: can't be read ({e})", args.file.display()));
    let (file, bytes): (Box<dyn Read>, u64) = if args.file == Path::new("-") {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let file = File::open(&args.file).map_err(named)?;
        let bytes = file.metadata().map_err(named)?.len();
        (Box::new(file), bytes)
    };
    let source = args.source.clone().unwrap_or_else(|| source_of(&args.file));
    let wrong_file = |e: FileError| Failure::new(Exit::BadInput, format!("{}: {e}; nothing was imported", args.file.display()));
    // nobody's call waits for an import, and calls on this machine don't wait for the processor because of one
    threads::lower_priority();
    let progress = Progress::new(bytes);
    let mut contacts = open(Box::new(progress.watch(file)), Some(&args.file), &Reading::default()).map_err(wrong_file)?;
    contacts.notes().iter().for_each(|note| print::note(note));
    let mut backend = Backend::open(global)?;
    backend.ask(Request::ImportBegin { tenant: global.tenant.clone(), source })?;
    let (mut rows, mut size) = (Vec::with_capacity(ROWS_PER_REQUEST), 0);
    let mut seen = 0;
    loop {
        let row = contacts.next_row().map_err(wrong_file)?;
        let at_end = row.is_none();
        if let Some(row) = row {
            // fields are bounded; JSON makes six bytes of a control character at most
            size += 64 + 6 * row.bytes;
            match row.said {
                Said::Contact(draft) => rows.push((row.place.number, draft)),
                Said::Blocked(_) => return Err(wrong_file(FileError::At { place: row.place, what: "is no contact".to_owned() })),
            }
        }
        if rows.len() == ROWS_PER_REQUEST || size > BYTES_PER_REQUEST || (at_end && !rows.is_empty()) {
            seen += rows.len() as u64;
            backend.ask(Request::ImportRows { rows: std::mem::take(&mut rows) })?;
            size = 0;
            progress.rows(seen);
        }
        if at_end {
            break;
        }
    }
    progress.message("making it true");
    let Reply::Import(view) = backend.ask(Request::ImportCommit)? else { return Err(unexpected()) };
    progress.end();
    if view.revision.is_none() {
        return Err(Failure::new(Exit::BadInput, wrong_rows(&args.file, &view, contacts.as_ref())));
    }
    if global.json {
        print::json(&view);
    } else {
        print::line(&format!(
            "{} rows: {} added, {} changed, {} unchanged, {} duplicates (revision {})",
            view.rows,
            view.added,
            view.changed,
            view.unchanged,
            view.duplicates,
            view.revision.unwrap_or_default()
        ));
    }
    Ok(Exit::Done)
}

/// A source label out of a file's name: what can't be in one becomes `-`.
fn source_of(file: &Path) -> String {
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let label: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(24).collect();
    let label = label.trim_start_matches(['-', '_']).to_owned();
    if label.is_empty() { "import".to_owned() } else { label }
}

fn wrong_rows(file: &Path, view: &ImportView, contacts: &dyn ContactFile) -> String {
    let mut text = format!("{}: {} of {} rows are wrong; nothing was imported", file.display(), view.wrong, view.rows);
    for error in &view.errors {
        text.push_str(&format!("\n  {}", row_text(error, contacts)));
    }
    if view.wrong > view.errors.len() as u64 {
        text.push_str(&format!("\n  and {} more", view.wrong - view.errors.len() as u64));
    }
    text
}

fn row_text(error: &RowError, contacts: &dyn ContactFile) -> String {
    match contacts.field_place(&error.field, error.number_index) {
        Some(place) => format!("row {}, {place}: {}", error.row, error.message),
        None => format!("row {}: {}", error.row, error.message),
    }
}

/// A bar on a terminal, a line a second elsewhere.
struct Progress {
    bar: ProgressBar,
    lines: bool,
    last: std::cell::Cell<Option<Instant>>,
}

impl Progress {
    fn new(bytes: u64) -> Progress {
        let terminal = io::stderr().is_terminal();
        let bar = if bytes > 0 { ProgressBar::new(bytes) } else { ProgressBar::new_spinner() };
        bar.set_draw_target(if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left") {
            bar.set_style(style);
        }
        Progress { bar, lines: !terminal, last: std::cell::Cell::new(Some(Instant::now())) }
    }

    fn watch<R: Read>(&self, file: R) -> impl Read + use<R> {
        self.bar.wrap_read(file)
    }

    fn rows(&self, rows: u64) {
        self.message(&format!("{rows} rows"));
    }

    fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        let due = self.last.get().is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if self.lines && due {
            print::note(text);
            self.last.set(Some(Instant::now()));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
