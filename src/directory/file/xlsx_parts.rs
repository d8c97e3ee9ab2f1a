//! What an XLSX is made of, looked at before anybody believes it.
//!
//! A workbook is a zip of XML. calamine, which reads it, keeps all shared texts and styles in memory and makes room for as
//! many as the file says there are. So every part is unpacked once here, piece by piece and into nothing, and refused if it is
//! a bomb: the zip reader itself sees to it that no part gives more than its directory promises.

use super::FileError;
use memchr::memmem::{Finder, find_iter};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// The largest workbook, in bytes: a million contacts have some 40 MiB. It is held in memory whole.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most bytes that all parts have unpacked: a million rows of ten columns have some 400 MiB. The ratio isn't looked at:
/// honest sheets of empty cells pack 50-fold.
const UNPACKED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The most bytes of a part that is held in memory unpacked: shared texts.
const TEXTS_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// The most shared texts; each has some 40 bytes of its own in memory.
const TEXTS_MAX: u64 = 4 * 1024 * 1024;
/// The most elements of a part that is held in memory but for its texts: styles, the list of sheets.
const ELEMENTS_MAX: u64 = 512 * 1024;
/// The most formats of cells, twice: Excel's own limit is 65,490.
const CELL_FORMATS_MAX: u64 = 2 * 65_536;
/// The longest run of text without markup, or markup, in bytes: a cell of Excel's longest text (32,767 characters) fits.
const RUN_BYTES_MAX: u64 = 1024 * 1024;
/// The most parts: Excel writes a dozen, and a few for each sheet.
const PARTS_MAX: usize = 4096;
/// How much is unpacked at once, in bytes, and how much of the piece before is looked at again for words that are cut in two.
const PIECE_BYTES: usize = 64 * 1024;
const OVERLAP_BYTES: usize = 64;

fn refused<T>(what: impl Into<String>) -> Result<T, FileError> {
    Err(FileError::Whole(format!("the workbook {}", what.into())))
}

/// Unpacks every part into nothing.
///
/// # Errors
/// What makes it no workbook, or one that isn't read.
pub(super) fn check(file: &[u8]) -> Result<(), FileError> {
    // before the directory is read into memory
    if find_iter(file, b"PK\x01\x02").count() > PARTS_MAX {
        return refused(format!("has more than {PARTS_MAX} parts; save the table as CSV"));
    }
    let mut zip = match ZipArchive::new(Cursor::new(file)) {
        Ok(zip) => zip,
        Err(error) => return refused(format!("is damaged, or was cut short ({error}); save it anew, or save the table as CSV")),
    };
    let unpacked: u128 = zip.decompressed_size().unwrap_or(u128::MAX);
    if unpacked > u128::from(UNPACKED_BYTES_MAX) {
        return refused(format!("has {unpacked} bytes unpacked, more than {UNPACKED_BYTES_MAX}; save the table as CSV"));
    }
    for at in 0..zip.len() {
        let mut part = match zip.by_index(at) {
            Ok(part) => part,
            Err(error) => return refused(format!("has a part that can't be unpacked ({error}); save it without a password")),
        };
        let Ok(name) = part.name().map(|name| name.to_ascii_lowercase()) else {
            return refused("has a part whose name can't be read; save it anew");
        };
        if name.ends_with(".xml") || name.ends_with(".rels") {
            let size = part.size();
            Look::new(&name, size)?.through(&mut part)?;
        }
    }
    Ok(())
}

/// What has been seen of a part.
struct Look<'a> {
    name: &'a str,
    /// Whether calamine holds it in memory, other than as texts.
    held: bool,
    seen: u64,
    run: u64,
    elements: u64,
    texts: u64,
    cell_formats: u64,
}

impl<'a> Look<'a> {
    fn new(name: &'a str, size: u64) -> Result<Look<'a>, FileError> {
        let texts = name.ends_with("sharedstrings.xml");
        if texts && size > TEXTS_BYTES_MAX {
            return refused(format!("has {size} bytes of texts, more than {TEXTS_BYTES_MAX}; save the table as CSV"));
        }
        let held = !texts && !name.contains("/worksheets/");
        Ok(Look { name, held, seen: 0, run: 0, elements: 0, texts: 0, cell_formats: 0 })
    }

    fn through(mut self, part: &mut impl Read) -> Result<(), FileError> {
        let mut piece = vec![0; OVERLAP_BYTES + PIECE_BYTES];
        let mut kept = 0;
        loop {
            let read = match part.read(&mut piece[kept..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return refused(format!("is damaged in {} ({error}); save it anew", self.name)),
            };
            self.piece(&piece[..kept + read], kept)?;
            let next = OVERLAP_BYTES.min(kept + read);
            piece.copy_within(kept + read - next..kept + read, 0);
            kept = next;
        }
    }

    /// Looks at a piece, of which the first `old` bytes have been looked at before.
    fn piece(&mut self, piece: &[u8], old: usize) -> Result<(), FileError> {
        if self.seen == 0
            && (piece.starts_with(&[0xff, 0xfe]) || piece.starts_with(&[0xfe, 0xff]) || piece[..piece.len().min(2)].contains(&0))
        {
            return refused(format!("has a part in UTF-16 ({}); save the table as CSV", self.name));
        }
        self.seen += (piece.len() - old) as u64;
        // words that end in what is new
        let new = |word: &[u8]| find_iter(piece, word).filter(|at| at + word.len() > old).count() as u64;
        for at in find_iter(piece, b"<!") {
            let rest = &piece[at + 2..];
            let kind: &[&[u8]] = &[b"--", b"[CDATA["];
            // a word that isn't here to its end comes again in the next piece
            if !rest.is_empty() && !kind.iter().any(|k| rest.starts_with(k) || k.starts_with(rest)) {
                return refused(format!("declares a document type in {}, which no spreadsheet does; save the table as CSV", self.name));
            }
        }
        self.texts += new(b"<si");
        self.cell_formats += new(b"<xf");
        self.room(piece)?;
        for byte in &piece[old..] {
            self.run += 1;
            if *byte == b'<' {
                self.elements += 1;
                self.run = 0;
            } else if self.run > RUN_BYTES_MAX {
                return refused(format!("has a text of more than {RUN_BYTES_MAX} bytes in {}; shorten it", self.name));
            }
        }
        if self.texts > TEXTS_MAX {
            return refused(format!("has more than {TEXTS_MAX} different texts; save the table as CSV"));
        }
        if self.cell_formats > CELL_FORMATS_MAX || (self.held && self.elements > ELEMENTS_MAX) {
            return refused(format!("has too many formats, names or drawings ({}); save the table as CSV", self.name));
        }
        Ok(())
    }

    /// How many texts it says that it has, which room is made for.
    fn room(&self, piece: &[u8]) -> Result<(), FileError> {
        let word = b"uniqueCount";
        for at in Finder::new(word).find_iter(piece) {
            let said = piece[at + word.len()..].iter().skip_while(|b| b.is_ascii_whitespace() || b"=\"'+".contains(b));
            let digits =
                said.take_while(|b| b.is_ascii_digit()).fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
            if digits > TEXTS_MAX {
                return refused(format!("says that it has {digits} different texts, more than {TEXTS_MAX}; save the table as CSV"));
            }
        }
        Ok(())
    }
}
