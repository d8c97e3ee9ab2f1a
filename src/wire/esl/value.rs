//! Text on its way to FreeSWITCH.
//!
//! Facts that shaped it (transcripts `out-31-expansion`, `out-11-values`, `out-32-multiset-delimiters`):
//!
//! * Every application's argument is expanded: `${var}`, `$${global}`, and `${api(…)}`, which *runs the API*. A backslash
//!   doesn't protect, the body form neither. So `${` never gets through, whatever stood between the two characters.
//! * A line end would end a header, and `\x01` parts a list: no control character gets through.
//! * `$[` means nothing here, and stays.

use crate::wire::clean::{CleanText, Expands};

/// What FreeSWITCH expands: variables and APIs, both in braces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FreeSwitch;

impl Expands for FreeSwitch {
    const OPENINGS: &'static [char] = &['{'];
}

/// Clean text for FreeSWITCH: valid UTF-8 without control characters and without `${`; see [`CleanText`].
pub type Value<'a> = CleanText<'a, FreeSwitch>;
