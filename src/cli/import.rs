//! `contact import`: reads the file, sends its rows, shows how far it is, and lets itself be interrupted.
//!
//! The work is done on a thread of its own. This one shows the progress and waits for Ctrl-C. Until the last word is sent
//! nothing has changed, so that an interrupted import leaves nothing, whoever has it: a server forgets what a connection that
//! is gone had begun, and blocks that nothing names are swept. From the last word on it is waited for how that ends.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::import_args::ImportArgs;
use super::import_source::label_of;
use super::import_text::{self, Asked};
use super::print;
use crate::control::{ImportAsk, ImportPart, ImportView, Reply, Request};
use crate::daemon::threads::{Priority, spawn};
use crate::directory::file::{ContactFile, FileError, Reading, Said, open};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Rows that are sent at once.
const ROWS_PER_REQUEST: usize = 1000;
/// Bytes of text that are sent at once; notes can be long.
const BYTES_PER_REQUEST: usize = 1024 * 1024;
/// How often the waiting thread looks around, and how often it says how far the work is where there is no terminal.
const LOOK: Duration = Duration::from_millis(50);
const SAID_EVERY: Duration = Duration::from_secs(1);
/// How long an interrupted import may take to tidy up. It may be reading from a pipe that says nothing.
const TIDY_MAX: Duration = Duration::from_secs(3);
/// Differences of each sort that a program is shown in full; the server may show fewer.
const SHOWN_JSON_MAX: usize = 500;

/// How far it is, for an interruption.
const WORKING: u8 = 0;
const ENDING: u8 = 1;
const STOPPED: u8 = 2;

/// What is to be printed, and how it ends; `None` when it was interrupted.
type Worked = Result<Option<(Exit, String)>, Failure>;

pub(super) fn import(global: &Global, args: &ImportArgs) -> Result<Exit, Failure> {
    let trouble = |e: io::Error| Failure::new(Exit::Trouble, e.to_string());
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone()).map_err(trouble)?;
    }
    let state = Arc::new(AtomicU8::new(WORKING));
    let progress = Progress::new();
    let (sender, worked) = sync_channel(1);
    let work = Work { global: global.clone(), args: args.clone(), bar: progress.bar.clone(), state: state.clone() };
    // nobody's call waits for an import, and calls on this machine don't wait for the processor because of one
    let worker = spawn("import", Priority::Background, move || drop(sender.send(work.run()))).map_err(trouble)?;
    let mut stopped: Option<Instant> = None;
    let mut is_told = false;
    let outcome = loop {
        match worked.recv_timeout(LOOK) {
            Ok(outcome) => break outcome,
            Err(RecvTimeoutError::Disconnected) => break Err(Failure::new(Exit::Trouble, "the import ended without a word")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupted.swap(false, Ordering::AcqRel) {
            match state.compare_exchange(WORKING, STOPPED, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => stopped = Some(Instant::now()),
                Err(ENDING) if !is_told => {
                    is_told = true;
                    progress
                        .bar
                        .suspend(|| print::note("it is being saved already; waiting for how that ends (Ctrl-C again doesn't wait)"));
                }
                Err(ENDING) => return Ok(leave("interrupted while it was being saved; see whether it was: strowger history")),
                Err(_) => stopped = Some(Instant::now() - TIDY_MAX),
            }
        }
        if stopped.is_some_and(|at| at.elapsed() >= TIDY_MAX) {
            break Ok(None);
        }
        progress.tell();
    };
    progress.bar.finish_and_clear();
    match outcome? {
        Some((exit, text)) => {
            let _ = worker.join();
            print::out(&text);
            Ok(exit)
        }
        None => Ok(leave("interrupted; nothing was imported")),
    }
}

/// Ends as a program ends that doesn't mind Ctrl-C: by the signal, so that a shell's loop ends with it (it says 130).
fn leave(text: &str) -> Exit {
    print::complain(text);
    let _ = signal_hook::low_level::emulate_default_handler(SIGINT);
    Exit::Trouble
}

/// What the thread that works has.
struct Work {
    global: Global,
    args: ImportArgs,
    bar: ProgressBar,
    state: Arc<AtomicU8>,
}

impl Work {
    fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Acquire) == STOPPED
    }

    fn run(self) -> Worked {
        let args = &self.args;
        let named = |e: io::Error| Failure::new(Exit::BadInput, format!("{}: can't be read ({e})", args.file.display()));
        let wrong_file = |e: FileError| Failure::new(Exit::BadInput, format!("{}: {e}; nothing was imported", args.file.display()));
        let usage = |text: String| Failure::new(Exit::BadInput, text);
        let reading = Reading {
            format: args.format,
            map: args.map.as_deref().map(Reading::parse_map).transpose().map_err(usage)?.unwrap_or_default(),
            delimiter: args.delimiter.as_deref().map(Reading::parse_delimiter).transpose().map_err(usage)?,
            encoding: args.encoding.clone(),
        };
        let file: Box<dyn Read> = if args.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&args.file).map_err(named)?;
            self.bar.set_length(file.metadata().map_err(named)?.len());
            Box::new(self.bar.wrap_read(file))
        };
        let source = args.source.clone().unwrap_or_else(|| label_of(&args.file, args.owner.as_deref()));
        let mut contacts = open(file, Some(&args.file), &reading).map_err(wrong_file)?;
        contacts.notes().iter().for_each(|note| self.bar.suspend(|| print::note(note)));
        let mut backend = if args.dry_run { Backend::open_untouched(&self.global)? } else { Backend::open(&self.global)? };
        let ask = ImportAsk { source: source.clone(), mode: args.mode, owner: args.owner.clone(), may_be_empty: args.allow_empty };
        backend.ask(Request::ImportBegin { tenant: self.global.tenant.clone(), ask })?;
        let mut places = NumberPlaces::default();
        let Some(unit) = self.send_rows(&mut backend, contacts.as_mut(), &wrong_file, &mut places)? else { return Ok(None) };
        let asked =
            Asked { source: &source, mode: args.mode, unit, passed_over: contacts.passed_over(), columns_left: contacts.columns_left() };
        if args.dry_run {
            return self.preview(&mut backend, contacts.as_ref(), &places, &asked);
        }
        let Some(mut view) = self.make_true(&mut backend)? else { return Ok(None) };
        if view.revision.is_none() {
            places.name(&mut view, contacts.as_ref(), unit);
            return Err(Failure::new(Exit::BadInput, wrong_rows(&args.file, &view)));
        }
        if let Some(place) = backend.own_store().filter(|_| !self.global.json) {
            self.bar.suspend(|| print::note(&format!("note: no server runs over {place}; this went straight into the store there")));
        }
        let text = if self.global.json { format!("{}\n", print::json_line(&view)) } else { import_text::done(&view, &asked) };
        Ok(Some((Exit::Done, text)))
    }

    /// Sends all rows; what they are counted in, or `None` when it was interrupted.
    fn send_rows(
        &self,
        backend: &mut Backend,
        contacts: &mut dyn ContactFile,
        wrong_file: &dyn Fn(FileError) -> Failure,
        places: &mut NumberPlaces,
    ) -> Result<Option<&'static str>, Failure> {
        let (mut part, mut size, mut seen, mut unit) = (ImportPart::default(), 0, 0, "row");
        loop {
            let row = contacts.next_row().map_err(wrong_file)?;
            let at_end = row.is_none();
            if let Some(row) = row {
                // fields are bounded; JSON makes six bytes of a control character at most
                size += 64 + 6 * row.said.text_bytes();
                unit = row.place.unit;
                places.see(row.place.number, row.number_places);
                match row.said {
                    Said::Contact(draft) => part.rows.push((row.place.number, draft)),
                    Said::Blocked(number) => part.blocked.push((row.place.number, number)),
                    Said::Wrong(what) => part.wrong.push((row.place.number, what)),
                }
            }
            let count = part.rows.len() + part.blocked.len() + part.wrong.len();
            if count == ROWS_PER_REQUEST || size > BYTES_PER_REQUEST || (at_end && count > 0) {
                if self.is_stopped() {
                    return Ok(None);
                }
                seen += count;
                let Reply::Import(view) = backend.ask(Request::ImportRows(std::mem::take(&mut part)))? else {
                    return Err(unexpected());
                };
                places.keep(&view);
                size = 0;
                self.bar.set_message(format!("{seen} rows read"));
            }
            if at_end {
                return Ok((!self.is_stopped()).then_some(unit));
            }
        }
    }

    fn preview(&self, backend: &mut Backend, contacts: &dyn ContactFile, places: &NumberPlaces, asked: &Asked<'_>) -> Worked {
        self.bar.set_message("comparing");
        let shown_max = if self.global.json { SHOWN_JSON_MAX } else { import_text::SHOWN_MAX };
        let Reply::Import(mut view) = backend.ask(Request::ImportPreview { shown_max })? else { return Err(unexpected()) };
        places.name(&mut view, contacts, asked.unit);
        let text = if self.global.json { format!("{}\n", print::json_line(&view)) } else { import_text::dry_run(&view, asked) };
        Ok(Some((if view.wrong > 0 { Exit::BadInput } else { Exit::Done }, text)))
    }

    /// Puts it together step by step, then says the last word; `None` when it was interrupted before that.
    fn make_true(&self, backend: &mut Backend) -> Result<Option<ImportView>, Failure> {
        loop {
            if self.is_stopped() {
                return Ok(None);
            }
            let Reply::Import(view) = backend.ask(Request::ImportStage)? else { return Err(unexpected()) };
            if view.is_staged || view.wrong > 0 {
                break;
            }
            self.bar.set_message(match view.rows_staged {
                0 => "comparing".to_owned(),
                n if n == view.rows => "writing which contact has which number".to_owned(),
                n => format!("{n} rows put together"),
            });
        }
        if self.state.compare_exchange(WORKING, ENDING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Ok(None);
        }
        self.bar.set_message("saving");
        let Reply::Import(view) = backend.ask(Request::ImportCommit)? else { return Err(unexpected()) };
        Ok(Some(view))
    }
}

/// Where the numbers of wrong rows stood: the server counts a contact's numbers, and people count columns.
#[derive(Default)]
struct NumberPlaces {
    /// Of the rows that are sent at once, where it isn't the first places.
    sent: HashMap<u64, Vec<usize>>,
    /// Of the rows that are told as wrong, of which there are few.
    wrong: HashMap<u64, Vec<usize>>,
}

impl NumberPlaces {
    fn see(&mut self, row: u64, places: Vec<usize>) {
        if !places.is_empty() {
            self.sent.insert(row, places);
        }
    }

    /// Keeps those of the rows that are told as wrong.
    fn keep(&mut self, view: &ImportView) {
        for error in &view.errors {
            if let Some(places) = self.sent.remove(&error.row) {
                self.wrong.insert(error.row, places);
            }
        }
        self.sent.clear();
    }

    /// Says of each wrong row where it stands, as people find it.
    fn name(&self, view: &mut ImportView, contacts: &dyn ContactFile, unit: &str) {
        for error in &mut view.errors {
            let place = |index: usize| self.wrong.get(&error.row).and_then(|places| places.get(index)).copied().unwrap_or(index);
            let inside = contacts.field_place(&error.field, error.number_index.map(place)).map(|place| format!(", {place}"));
            error.place = Some(format!("{unit} {}{}", error.row, inside.unwrap_or_default()));
        }
    }
}

fn wrong_rows(file: &Path, view: &ImportView) -> String {
    let mut text = format!("{}: {} of {} rows are wrong; nothing was imported", file.display(), view.wrong, view.rows);
    for error in &view.errors {
        text.push_str(&format!("\n  {}: {}", error.place.as_deref().unwrap_or_default(), error.message));
    }
    if view.wrong > view.errors.len() as u64 {
        text.push_str(&format!("\n  and {} more", view.wrong - view.errors.len() as u64));
    }
    if let Some(hint) = &view.hint {
        text.push_str(&format!("\n{hint}"));
    }
    text
}

/// A bar on a terminal, a line a second elsewhere.
struct Progress {
    bar: ProgressBar,
    lines: bool,
    begun: Instant,
    told: std::cell::Cell<Duration>,
}

impl Progress {
    fn new() -> Progress {
        let terminal = io::stderr().is_terminal();
        let bar = ProgressBar::no_length();
        bar.set_draw_target(if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}, {elapsed}") {
            bar.set_style(style);
        }
        Progress { bar, lines: !terminal, begun: Instant::now(), told: std::cell::Cell::default() }
    }

    fn tell(&self) {
        self.bar.tick();
        let since = self.begun.elapsed();
        let text = self.bar.message();
        if self.lines && !text.is_empty() && since >= self.told.get() + SAID_EVERY {
            print::note(&format!("{text}, {} s", since.as_secs()));
            self.told.set(since);
        }
    }
}
