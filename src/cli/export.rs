//! `contact export`: contacts as a file.
//!
//! What is written contact by contact goes out as it comes. A file is written beside its place and renamed, so that a failure
//! leaves the old one.

use super::args::Global;
use super::backend::{Backend, unexpected};
use super::exit::{Exit, Failure};
use super::print;
use crate::control::{ExportPage, ExportQuery, Reply, Request, Whose};
use crate::daemon::threads;
use crate::directory::export::csv::Csv;
use crate::directory::export::json_lines::JsonLines;
use crate::directory::export::phonebook::{Book, Page, VENDORS, Vendor};
use crate::directory::export::vcard::Vcards;
use crate::directory::export::{ContactLines, dialable};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Formats that are written contact by contact; the others are vendors of telephones.
const LINE_FORMATS: [&str; 3] = ["csv", "vcard", "jsonl"];
/// Bytes that are written to a file at once.
const BUFFER_BYTES: usize = 1 << 17;

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(LINE_FORMATS.into_iter().chain(VENDORS.iter().map(|vendor| vendor.word)))
}

/// Write contacts as a file: CSV, vCard 4 or JSON lines, or the phone book of a make of telephones
#[derive(Debug, Args)]
#[command(after_help = "csv and jsonl hold everything and can be imported again. vcard and phone books hold what can be dialled, of \
everybody's contacts, and with --owner those of that extension's own phone book too.")]
pub(super) struct ContactExportArgs {
    /// Write this format [default: csv; jsonl with --json]
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<String>,
    /// Export everybody's contacts and this extension's own, and no other personal ones
    #[arg(long, value_name = "EXTENSION")]
    owner: Option<String>,
    /// Export only contacts of this import; those made by hand, if it is empty
    #[arg(long, value_name = "LABEL")]
    source: Option<String>,
    /// Write this file, all of it or nothing; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

pub(super) fn export(global: &Global, args: &ContactExportArgs) -> Result<Exit, Failure> {
    // nobody's call waits for an export
    threads::lower_priority();
    let format = args.format.as_deref().unwrap_or(if global.json { "jsonl" } else { "csv" });
    let lines: Option<fn(usize) -> Box<dyn ContactLines>> = match format {
        "csv" => Some(|numbers| Box::new(Csv::new(numbers))),
        "jsonl" => Some(|_| Box::new(JsonLines)),
        "vcard" => Some(|_| Box::new(Vcards::default())),
        _ => None,
    };
    let is_whole = matches!(format, "csv" | "jsonl");
    let whose = match &args.owner {
        Some(owner) => Whose::SharedAnd(owner.clone()),
        None if is_whole => Whose::All,
        None => Whose::Shared,
    };
    let query = ExportQuery { tenant: global.tenant.clone(), whose, source: args.source.clone(), from_id: String::new(), counting: false };
    let mut source = Source { backend: Backend::look(global)?, query };
    let mut sink = Sink::open(&args.output)?;
    let mut notes = match lines {
        Some(lines) => {
            // a header names the columns of the contact with the most numbers
            let numbers = if format == "csv" { source.numbers_max()? } else { 0 };
            write_lines(&mut source, &mut *lines(numbers), &mut sink)?
        }
        None => {
            let vendor = Vendor::find(format).ok_or_else(|| Failure::new(Exit::BadInput, "there is no such format"))?;
            write_book(&mut source, vendor, &mut sink)?
        }
    };
    if notes.personal > 0 && args.owner.is_none() {
        let left_out = contacts(notes.personal);
        notes.texts.push(format!("left out as belonging to personal phone books: {left_out}; --owner names a book"));
    }
    sink.end()?;
    notes.texts.iter().for_each(|text| print::note(&format!("note: {text}")));
    Ok(Exit::Done)
}

fn contacts(count: u64) -> String {
    if count == 1 { "1 contact".to_owned() } else { format!("{count} contacts") }
}

/// What whoever exports should know.
#[derive(Default)]
struct Notes {
    personal: u64,
    texts: Vec<String>,
}

fn write_lines(source: &mut Source, lines: &mut dyn ContactLines, sink: &mut Sink) -> Result<Notes, Failure> {
    let mut notes = Notes::default();
    let (mut text, mut written) = (Vec::new(), Ok(()));
    lines.head(&mut text).map_err(|e| sink.failed(&e))?;
    sink.put(&text)?;
    source.each(false, |page| {
        notes.personal += page.personal;
        text.clear();
        written = lines.page(&page.contacts, &mut text).map_err(|e| sink.failed(&e)).and_then(|()| sink.put(&text));
        written.is_ok()
    })?;
    written?;
    let left_out = lines.left_out().into_iter().filter(|(_, count)| *count > 0);
    notes.texts.extend(left_out.map(|(what, count)| format!("left out for want of {what}: {}", contacts(count))));
    Ok(notes)
}

fn write_book(source: &mut Source, vendor: &Vendor, sink: &mut Sink) -> Result<Notes, Failure> {
    let (mut notes, mut book, mut undialable) = (Notes::default(), Book::default(), 0);
    source.each(false, |page| {
        notes.personal += page.personal;
        for (_, contact) in &page.contacts {
            undialable += u64::from(dialable(contact).next().is_none());
            book.add(contact);
        }
        true
    })?;
    if undialable > 0 {
        notes.texts.push(format!("left out for want of a number that can be dialled: {}", contacts(undialable)));
    }
    let sorted = book.sorted();
    let remark = sorted.remark();
    notes.texts.extend(remark.clone());
    let page = Page { title: "Phone book", entries: sorted.entries.iter().collect(), remark, ..Page::default() };
    let document = vendor.document(&page).map_err(|e| sink.failed(&e))?;
    sink.put(&document)?;
    Ok(notes)
}

/// Where contacts come from.
struct Source {
    backend: Backend,
    query: ExportQuery,
}

impl Source {
    /// Hands over page after page, until that is no use any more.
    fn each(&mut self, counting: bool, mut see: impl FnMut(&ExportPage) -> bool) -> Result<(), Failure> {
        let mut from_id = String::new();
        loop {
            let query = ExportQuery { from_id, counting, ..self.query.clone() };
            let Reply::ExportPage(page) = self.backend.ask(Request::ContactExport(query))? else { return Err(unexpected()) };
            if !see(&page) {
                return Ok(());
            }
            match page.next_id {
                Some(next) => from_id = next,
                None => return Ok(()),
            }
        }
    }

    fn numbers_max(&mut self) -> Result<usize, Failure> {
        let mut numbers = 0;
        self.each(true, |page| {
            numbers = numbers.max(page.numbers_max);
            true
        })?;
        Ok(numbers)
    }
}

/// Where an export goes.
struct Sink {
    name: String,
    to: To,
}

enum To {
    /// Standard output. On a terminal nothing goes there that it would act upon.
    Out { is_terminal: bool },
    /// A file that takes the place of another, or of none, at the end.
    Beside { file: BufWriter<NamedTempFile>, place: PathBuf },
    /// What can't be replaced: a device, a pipe.
    Straight(File),
}

impl Sink {
    fn open(output: &Path) -> Result<Sink, Failure> {
        let name = output.display().to_string();
        let open = || -> io::Result<To> {
            if output == Path::new("-") {
                return Ok(To::Out { is_terminal: stdout().is_terminal() });
            }
            // a link stays, and what it leads to is replaced
            let place = std::fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
            let there = std::fs::metadata(&place).ok();
            if there.as_ref().is_some_and(|there| !there.is_file()) {
                return Ok(To::Straight(File::options().write(true).open(&place)?));
            }
            let dir = place.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // as the shell makes files, or as the old one was
            let file = Builder::new().prefix(".strowger-export-").permissions(Permissions::from_mode(0o666)).tempfile_in(dir)?;
            if let Some(there) = there {
                file.as_file().set_permissions(there.permissions())?;
            }
            Ok(To::Beside { file: BufWriter::with_capacity(BUFFER_BYTES, file), place })
        };
        let to = open().map_err(|e| Failure::new(Exit::BadInput, format!("{name} can't be written ({e}); nothing was exported")))?;
        Ok(Sink { name, to })
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let left = match &self.to {
            To::Out { .. } | To::Straight(_) => "it isn't whole",
            To::Beside { .. } => "what was there is as it was",
        };
        Failure::new(Exit::Trouble, format!("{}: the export could not be written ({error}); {left}", self.name))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.to {
            To::Out { is_terminal } => {
                // whoever reads it no longer ends the program, as if it were done
                let text = String::from_utf8_lossy(bytes);
                match is_terminal {
                    true => print::out(&print::shown_text(&text)),
                    false => print::out(&text),
                }
                return Ok(());
            }
            To::Beside { file, .. } => file.write_all(bytes),
            To::Straight(file) => file.write_all(bytes),
        };
        written.map_err(|e| self.failed(&e))
    }

    /// Puts the file in its place.
    fn end(self) -> Result<(), Failure> {
        let Sink { name, to } = self;
        let To::Beside { file, place } = to else { return Ok(()) };
        let put = || -> io::Result<()> {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&place).map_err(|e| e.error)?;
            Ok(())
        };
        put()
            .map_err(|e| Failure::new(Exit::Trouble, format!("{name}: the export could not be written ({e}); what was there is as it was")))
    }
}
