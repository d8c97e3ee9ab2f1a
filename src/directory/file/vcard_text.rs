//! A file of vCards cut into cards, each as plain text: unfolded, UTF-8, nothing quoted-printable, no photos.
//!
//! What the world sends: old telephones write vCard 2.1 in quoted-printable with a character set to each line, whose lines
//! go on behind a `=` at their end, and base64 whose lines may not be indented; Apple writes photos of megabytes; Outlook writes
//! Windows-1252 without saying so. All of this is taken away here, so that what remains can be parsed by RFC 6350's rules.

use super::lines::Lines;
use super::{FileError, Place};
use encoding_rs::{Encoding, WINDOWS_1252};
use std::io::Read;

/// The longest card, in bytes, without its photos: a thousand lines of addresses. A whole card is held at once.
pub(super) const CARD_BYTES_MAX: usize = 256 * 1024;
/// How far a property's value is looked for when a line ends with `=`, in bytes: this is asked for each line anew.
const HEAD_BYTES_MAX: usize = 4096;
/// Properties whose values are pictures, sounds and keys.
const PICTURES: [&str; 4] = ["PHOTO", "LOGO", "SOUND", "KEY"];

/// A card: where it stands, and its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Which one in the file, from 1.
    pub(super) number: u64,
    /// The line that it begins at.
    pub(super) line: u64,
    /// Its properties, one a line, without BEGIN and END.
    pub(super) text: String,
}

/// Cuts a file into cards.
pub(super) struct Cards<R> {
    lines: Lines<R>,
    line: Vec<u8>,
    cards: u64,
    photos: u64,
    inner: u64,
}

/// What the line before was, which says whether the next one goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing, or something that has ended.
    Nothing,
    /// A property; only an indented line goes on with it.
    Property,
    /// A quoted-printable one whose line ends with `=`: the next line goes on whatever it is.
    Soft,
    /// A photo; in base64, or quoted-printable that goes on.
    Photo { base64: bool, soft: bool },
}

impl<R: Read> Cards<R> {
    /// The cards of a file.
    pub(super) fn new(input: R) -> Cards<R> {
        Cards { lines: Lines::new(input), line: Vec::new(), cards: 0, photos: 0, inner: 0 }
    }

    /// How many photos were passed over, and how many cards inside cards.
    pub(super) fn passed_over(&self) -> (u64, u64) {
        (self.photos, self.inner)
    }

    /// The next card; `None` at the end.
    ///
    /// # Errors
    /// Something else between cards, a card that doesn't end, one that is too long.
    pub(super) fn next(&mut self) -> Result<Option<Card>, FileError> {
        loop {
            let Some(line) = self.lines.next(&mut self.line, CARD_BYTES_MAX)? else { return Ok(None) };
            if is(&self.line, "BEGIN:VCARD") {
                self.cards += 1;
                let text = self.properties(line.number)?;
                return Ok(Some(Card { number: self.cards, line: line.number, text }));
            }
            if !self.line.trim_ascii().is_empty() {
                let what = "it stands outside of any card; a card begins with BEGIN:VCARD and ends with END:VCARD";
                return Err(FileError::At { place: Place { unit: "line", number: line.number }, what: what.into() });
            }
        }
    }

    /// The properties of a card up to its end.
    fn properties(&mut self, begin: u64) -> Result<String, FileError> {
        let number = self.cards;
        let wrong = |what: String| Err(FileError::At { place: place(begin), what: format!("card {number} of the file {what}") });
        let (mut text, mut property) = (String::new(), Vec::new());
        let mut before = Before::Nothing;
        let mut inside = 0u64;
        loop {
            let room = CARD_BYTES_MAX.saturating_sub(text.len() + property.len());
            let Some(line) = self.lines.next(&mut self.line, room)? else {
                return wrong("has no END:VCARD; the file breaks off in the middle of it".into());
            };
            if inside > 0 {
                inside = if is(&self.line, "BEGIN:VCARD") { inside + 1 } else { inside - u64::from(is(&self.line, "END:VCARD")) };
                continue;
            }
            let goes_on = self.goes_on(before);
            if let Before::Photo { base64, soft: _ } = before
                && goes_on
            {
                before = Before::Photo { base64, soft: !base64 && self.line.ends_with(b"=") };
                continue;
            }
            if !goes_on {
                plain(&property, &mut text);
                let agent = name(&property).is_some_and(|n| n.eq_ignore_ascii_case("AGENT")) && property.ends_with(b":");
                property.clear();
                if is(&self.line, "END:VCARD") {
                    return Ok(text);
                }
                if is(&self.line, "BEGIN:VCARD") {
                    if !agent {
                        return wrong(format!("has no END:VCARD before the next one begins in line {}", line.number));
                    }
                    (self.inner, inside, before) = (self.inner + 1, 1, Before::Nothing);
                    continue;
                }
                if let Some(photo) = self.photo() {
                    self.photos += 1;
                    before = photo;
                    continue;
                }
            }
            if line.cut || text.len() > CARD_BYTES_MAX {
                return wrong(format!("has more than {CARD_BYTES_MAX} bytes without its photos; is an END:VCARD missing?"));
            }
            before = self.take(before, goes_on, &mut property);
        }
    }

    /// Whether the line goes on with the one before.
    fn goes_on(&self, before: Before) -> bool {
        let indented = matches!(self.line.first(), Some(b' ' | b'\t'));
        match before {
            Before::Nothing => false,
            Before::Property => indented,
            // a text that ends with `=` for no reason doesn't swallow the end of its card
            Before::Soft | Before::Photo { soft: true, .. } => !is(&self.line, "END:VCARD"),
            Before::Photo { base64, .. } => indented || (base64 && is_base64(&self.line)),
        }
    }

    /// Adds the line to the property that it belongs to.
    fn take(&mut self, before: Before, goes_on: bool, property: &mut Vec<u8>) -> Before {
        let from = match before {
            // the `=` that said so
            Before::Soft => {
                property.pop();
                usize::from(self.line.first() == Some(&b'\t'))
            }
            _ => usize::from(goes_on),
        };
        property.extend_from_slice(&self.line[from.min(self.line.len())..]);
        if property.trim_ascii().is_empty() {
            property.clear();
            return Before::Nothing;
        }
        let soft =
            property.ends_with(b"=") && Head::of(&property[..property.len().min(HEAD_BYTES_MAX)]).is_some_and(|head| head.quoted_printable);
        if soft { Before::Soft } else { Before::Property }
    }

    /// What the line begins if that is a photo.
    fn photo(&self) -> Option<Before> {
        let name = name(&self.line)?;
        PICTURES.iter().any(|picture| name.eq_ignore_ascii_case(picture)).then(|| {
            let head = memchr::memchr(b':', &self.line).map_or(&self.line[..], |colon| &self.line[..colon]);
            let head = String::from_utf8_lossy(&head[..head.len().min(1024)]).to_ascii_uppercase();
            let base64 = head.contains("BASE64") || head.contains("ENCODING=B");
            Before::Photo { base64, soft: head.contains("QUOTED-PRINTABLE") && self.line.ends_with(b"=") }
        })
    }
}

/// Where a card stands.
pub(super) fn place(line: u64) -> Place {
    Place { unit: "card at line", number: line }
}

fn is(line: &[u8], words: &str) -> bool {
    line.trim_ascii().eq_ignore_ascii_case(words.as_bytes())
}

/// Whether a line that isn't indented may be base64 all the same: it has no colon, which any property has.
fn is_base64(line: &[u8]) -> bool {
    !line.is_empty() && line.trim_ascii_end().iter().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
}

/// A property's name, without its group.
fn name(property: &[u8]) -> Option<&str> {
    let end = property.iter().position(|b| matches!(b, b';' | b':'))?;
    let name = std::str::from_utf8(&property[..end]).ok()?;
    Some(name.rsplit('.').next().unwrap_or(name).trim())
}

/// What stands before a property's value.
struct Head {
    /// The name and the parameters, without those that say how the value is written.
    kept: Vec<u8>,
    /// Where the value begins.
    value_at: usize,
    quoted_printable: bool,
    charset: Option<&'static Encoding>,
}

impl Head {
    fn of(property: &[u8]) -> Option<Head> {
        let (mut quoted, mut parts, mut from) = (false, Vec::new(), 0);
        let mut value_at = None;
        for (at, byte) in property.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b';' if !quoted => {
                    parts.push(&property[from..at]);
                    from = at + 1;
                }
                b':' if !quoted => {
                    parts.push(&property[from..at]);
                    value_at = Some(at + 1);
                    break;
                }
                _ => {}
            }
        }
        let mut head = Head { kept: Vec::new(), value_at: value_at?, quoted_printable: false, charset: None };
        for (nth, part) in parts.into_iter().enumerate() {
            let (key, value) = part.split_at(memchr::memchr(b'=', part).unwrap_or(part.len()));
            let (key, value) = (key.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii());
            let says = |text: &[u8]| text.eq_ignore_ascii_case(b"QUOTED-PRINTABLE");
            if nth > 0 && (says(key) || (key.eq_ignore_ascii_case(b"ENCODING") && says(value))) {
                head.quoted_printable = true;
            } else if nth > 0 && key.eq_ignore_ascii_case(b"CHARSET") {
                head.charset = Encoding::for_label(value);
            } else {
                if nth > 0 {
                    head.kept.push(b';');
                }
                head.kept.extend_from_slice(part);
            }
        }
        Some(head)
    }
}

/// Adds a property to a card's text as a line of UTF-8.
fn plain(property: &[u8], text: &mut String) {
    let Some(head) = Head::of(property) else {
        if !property.is_empty() {
            decoded(property, None, text);
            text.push('\n');
        }
        return;
    };
    decoded(&head.kept, None, text);
    text.push(':');
    let value = &property[head.value_at..];
    if head.quoted_printable {
        decoded(&unquoted(value), head.charset, text);
    } else {
        decoded(value, head.charset, text);
    }
    text.push('\n');
}

/// Adds bytes as text: in the encoding that was said, else UTF-8, else what Western telephones and Outlook write. Line ends
/// become the two letters that stand for one.
fn decoded(bytes: &[u8], charset: Option<&'static Encoding>, text: &mut String) {
    let from = text.len();
    match (std::str::from_utf8(bytes), charset) {
        // a file that was turned into UTF-8 as a whole still says what its lines once were
        (Ok(utf8), _) if !utf8.is_ascii() => text.push_str(utf8),
        (_, Some(encoding)) => text.push_str(&encoding.decode_without_bom_handling(bytes).0),
        (Ok(utf8), None) => text.push_str(utf8),
        (Err(_), None) => text.push_str(&WINDOWS_1252.decode_without_bom_handling(bytes).0),
    }
    if text[from..].contains(['\r', '\n']) {
        let escaped = text[from..].replace("\r\n", "\\n").replace(['\r', '\n'], "\\n");
        text.truncate(from);
        text.push_str(&escaped);
    }
}

/// Quoted-printable taken away; a `=` without two digits is what it is.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let digit = |at: usize| value.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(value.len()), 0);
    while let Some(byte) = value.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'=', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &[u8]) -> Vec<String> {
        let mut cards = Cards::new(file);
        std::iter::from_fn(|| cards.next().unwrap()).map(|card| card.text).collect()
    }

    fn text(properties: &[u8]) -> String {
        texts(&[b"BEGIN:VCARD\n", properties, b"\nEND:VCARD\n"].concat()).remove(0)
    }

    #[test]
    fn lines_go_on_in_every_way_that_there_is() {
        assert_eq!(text(b"NOTE:one\n  two\n\tthree"), "NOTE:one twothree\n");
        assert_eq!(text(b"NOTE:J\xc3\n \xbcrgen"), "NOTE:Jürgen\n");
        assert_eq!(text(b"FN;ENCODING=QUOTED-PRINTABLE:a=\nb=\n=3Dc"), "FN:ab=c\n");
        assert_eq!(text(b"FN;QUOTED-PRINTABLE:one=0D=0A=\r\ntwo"), "FN:one\\ntwo\n");
        assert_eq!(text(b"X;A=\"b;c:d\":e=\nTEL:1"), "X;A=\"b;c:d\":e=\nTEL:1\n");
    }

    #[test]
    fn each_line_has_its_own_encoding() {
        assert_eq!(text(b"FN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller"), "FN:Müller\n");
        assert_eq!(text(b"FN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:M=C3=BCller;TEL=;"), "FN:Müller;TEL=;\n");
        assert_eq!(text(b"FN;CHARSET=KOI8-R:\xd1"), "FN:я\n");
        assert_eq!(text(b"FN;CHARSET=nonsense:M\xfcller"), "FN:Müller\n");
        assert_eq!(text(b"FN:M\xfcller"), "FN:Müller\n");
    }

    #[test]
    fn photos_are_passed_over_whatever_their_lines_look_like() {
        let photo = "A".repeat(1 << 20);
        let file = format!(
            "BEGIN:VCARD\nPHOTO;ENCODING=b;TYPE=JPEG:{photo}\nTEL:1\nitem1.LOGO;BASE64:\nAAAA\nBBBB==\n\nTEL:2\nKEY:data:\n ,{photo}\nSOUND;\
             ENCODING=QUOTED-PRINTABLE:=\na=\nTEL=3D\nTEL:3\nEND:VCARD\n"
        );
        let mut cards = Cards::new(file.as_bytes());
        assert_eq!(cards.next().unwrap().unwrap().text, "TEL:1\nTEL:2\nTEL:3\n");
        assert_eq!(cards.next(), Ok(None));
        assert_eq!(cards.passed_over(), (4, 0));
    }

    #[test]
    fn a_card_inside_another_is_passed_over() {
        let file = b"BEGIN:VCARD\nAGENT:\nBEGIN:VCARD\nTEL:1\nAGENT:\nBEGIN:VCARD\nEND:VCARD\nEND:VCARD\nTEL:2\nend:vcard\n\nBegin:VCard\nEND:VCARD";
        assert_eq!(texts(file), ["AGENT:\nTEL:2\n", ""]);
    }

    #[test]
    fn a_card_of_a_megabyte_is_refused_with_its_place() {
        for long in ["x".repeat(1 << 20), "NOTE:x\n".repeat(1 << 17), "x\n ".repeat(1 << 19)] {
            let file = format!("BEGIN:VCARD\nEND:VCARD\nBEGIN:VCARD\nNOTE:{long}\nEND:VCARD\n");
            let mut cards = Cards::new(file.as_bytes());
            cards.next().unwrap();
            let error = cards.next().unwrap_err().to_string();
            assert!(error.contains("card at line 3: card 2 of the file has more than 262144 bytes"), "{error}");
        }
    }
}
