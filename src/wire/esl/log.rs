//! A line of the switch's log, as `log N` subscribes to them.

use super::Frame;

/// The fields of a `log/data` frame (transcript `in-10-log`). All raw; a line's text may hold anything that a caller sent.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    frame: &'a Frame,
}

impl<'a> LogLine<'a> {
    pub(super) const fn new(frame: &'a Frame) -> Self {
        Self { frame }
    }

    /// Syslog's levels: 0 console, 1 alert, 2 crit, 3 err, 4 warning, 5 notice, 6 info, 7 debug.
    #[must_use]
    pub fn level(&self) -> Option<u8> {
        self.number("Log-Level")
    }

    /// Source file that wrote the line.
    #[must_use]
    pub fn file(&self) -> Option<&'a [u8]> {
        self.frame.headers.get("Log-File")
    }

    /// Function that wrote the line.
    #[must_use]
    pub fn func(&self) -> Option<&'a [u8]> {
        self.frame.headers.get("Log-Func")
    }

    /// Line in the source file.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.number("Log-Line")
    }

    /// The channel's uuid where the line belongs to a call.
    #[must_use]
    pub fn user_data(&self) -> Option<&'a [u8]> {
        self.frame.headers.get("User-Data").filter(|uuid| !uuid.is_empty())
    }

    /// The line itself, with its time, level and line end; it may have several lines.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        &self.frame.body
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        std::str::from_utf8(self.frame.headers.get(name)?).ok()?.parse().ok()
    }
}
