//! systemd's journal by its own socket, so that each value is a field: `journalctl STROWGER_CALL_ID=1764331200.17`.
//!
//! A line is one datagram of `NAME=value` lines (systemd's "Native Journal Protocol"). Values stand on one line each: a
//! break in one is written as `\n`, and can't begin a field of its own. The datagram goes out on the log's thread, as any
//! line does, because the socket waits where the journal doesn't read.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

const SOCKET: &str = "/run/systemd/journal/socket";

/// The journal's socket.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    pub(super) fn connect() -> io::Result<Journal> {
        Journal::connect_to(SOCKET)
    }

    fn connect_to(path: &str) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Journal(socket))
    }
}

impl Write for Journal {
    /// One line, which comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard error leads into the journal, which systemd says by device and inode.
pub(super) fn is_stderr() -> bool {
    let Some(said) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let stream = said.split_once(':').and_then(|(device, inode)| Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?)));
    let stderr = rustix::fs::fstat(io::stderr()).ok();
    stream.zip(stderr).is_some_and(|((device, inode), stderr)| stderr.st_dev == device && stderr.st_ino == inode)
}

/// Writes a line as a datagram.
pub(super) struct Datagram;

impl<S, N> FormatEvent<S, N> for Datagram
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str(&datagram(event))
    }
}

fn datagram(event: &Event<'_>) -> String {
    let mut seen = Seen::default();
    event.record(&mut seen);
    let metadata = event.metadata();
    let priority = match *metadata.level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    format!(
        "PRIORITY={priority}\nSYSLOG_IDENTIFIER=strowger\nSTROWGER_TARGET={}\nMESSAGE={}{}\n{}",
        metadata.target(),
        seen.message,
        seen.behind,
        seen.fields
    )
}

/// What a line says: for people behind the message, for `journalctl` as fields.
#[derive(Default)]
struct Seen {
    message: String,
    behind: String,
    fields: String,
}

impl Seen {
    fn see(&mut self, field: &Field, value: &str) {
        let value = value.replace('\n', "\\n");
        if field.name() == "message" {
            self.message = value;
            return;
        }
        let _ = write!(self.behind, " {}={value}", field.name());
        // letters, digits and underscores only; the prefix keeps clear of the journal's own names
        let name: String = field.name().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let _ = writeln!(self.fields, "STROWGER_{name}={value}");
    }
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.see(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.see(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_line_is_one_datagram_whose_values_are_fields_and_none_can_forge_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let socket = Mutex::new(Journal::connect_to(path.to_str().unwrap()).unwrap());
        let layer = tracing_subscriber::fmt::layer().event_format(Datagram).with_writer(socket);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(call_id = "17.4", why = "a\nPRIORITY=0", n = 3, "refused");
        });
        let mut buffer = [0; 1024];
        let length = journal.recv(&mut buffer).unwrap();
        let said = std::str::from_utf8(&buffer[..length]).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..2], ["PRIORITY=4", "SYSLOG_IDENTIFIER=strowger"]);
        assert_eq!(
            lines[3..],
            [r"MESSAGE=refused call_id=17.4 why=a\nPRIORITY=0 n=3", "STROWGER_CALL_ID=17.4", r"STROWGER_WHY=a\nPRIORITY=0", "STROWGER_N=3"]
        );
    }
}
