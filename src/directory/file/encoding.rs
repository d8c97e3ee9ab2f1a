//! Which encoding a file of text is in, and the file as UTF-8.
//!
//! Spreadsheets write what their country is used to: Excel's "CSV" is Windows-1252 in most of Europe, its "Unicode text" is
//! UTF-16 with a byte order mark, and its "CSV UTF-8" has one that nobody needs. What a file is in is told from its first
//! bytes: a byte order mark, then zero bytes (UTF-16 without one), then whether it is UTF-8, then a guess by the letters'
//! neighbours (chardetng, the detector of Firefox).

use super::FileError;
use crate::nearest::did_you_mean;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{self, Read};

/// How much of a file decides its encoding and its format, in bytes: hundreds of rows, and nothing to read.
pub(super) const HEAD_BYTES: usize = 64 * 1024;
/// How much is decoded at once, in bytes.
const PIECE_BYTES: usize = 32 * 1024;
/// What stands in the decoded text for bytes that mean nothing in the file's encoding: a byte that no UTF-8 has, so that
/// whoever reads the field finds it and can say where it stands.
const NOTHING: u8 = 0xff;

/// What encodings are suggested by.
const NAMES: [&str; 8] = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1", "iso-8859-15", "windows-1250", "macintosh"];

/// What was found out.
#[derive(Debug)]
pub(super) struct Found {
    /// The encoding.
    pub(super) encoding: &'static Encoding,
    /// How many bytes in front are a byte order mark.
    pub(super) mark_bytes: usize,
    /// Whether it is a guess, which people should be told.
    pub(super) guessed: bool,
}

/// Finds the encoding of a file that begins like this, `whole` if that is all of it; or takes the one that was asked for.
///
/// # Errors
/// An encoding that nobody knows, and UTF-32.
pub(super) fn find(head: &[u8], whole: bool, wanted: Option<&str>) -> Result<Found, FileError> {
    let mark = Encoding::for_bom(head);
    if let Some(name) = wanted {
        let encoding = by_name(name)?;
        let both_utf16 = |other: &'static Encoding| [other, encoding].iter().all(|e| [UTF_16LE, UTF_16BE].contains(e));
        return Ok(match mark {
            Some((other, mark_bytes)) if other == encoding || both_utf16(other) => Found { encoding: other, mark_bytes, guessed: false },
            _ => Found { encoding, mark_bytes: 0, guessed: false },
        });
    }
    if head.starts_with(&[0xff, 0xfe, 0, 0]) || head.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(FileError::Whole("the file is in UTF-32, which isn't read; save it as UTF-8".into()));
    }
    if let Some((encoding, mark_bytes)) = mark {
        return Ok(Found { encoding, mark_bytes, guessed: false });
    }
    if let Some(encoding) = utf16_by_zeros(head) {
        return Ok(Found { encoding, mark_bytes: 0, guessed: false });
    }
    if is_utf8(head) {
        return Ok(Found { encoding: UTF_8, mark_bytes: 0, guessed: false });
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(head, whole);
    Ok(Found { encoding: detector.guess(None, Utf8Detection::Deny), mark_bytes: 0, guessed: true })
}

/// An encoding by the name that somebody typed.
fn by_name(name: &str) -> Result<&'static Encoding, FileError> {
    let typed = name.trim().to_ascii_lowercase();
    let short: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    let label = match short.as_str() {
        "utf16" | "utf16le" | "ucs2" => "utf-16le",
        "utf16be" => "utf-16be",
        "macroman" => "macintosh",
        _ => &typed,
    };
    let found = [label, &short].iter().find_map(|label| Encoding::for_label_no_replacement(label.as_bytes()));
    found.ok_or_else(|| {
        let hint = did_you_mean(&typed, NAMES);
        FileError::Whole(format!("the encoding {name:?} isn't known{hint}; write one such as {}", NAMES.join(", ")))
    })
}

/// Whether it is UTF-16 without a byte order mark. Separators, digits and line ends have a zero byte in any script, always
/// in the same place, and no other text has zero bytes.
fn utf16_by_zeros(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // a stray one or two are damage
    let many = |zeros: usize, others: usize| {
        let units = head.len() / 2;
        zeros > others * 8 && zeros * 10 >= units && (zeros > 2 || zeros * 2 >= units)
    };
    if many(odd, even) {
        Some(UTF_16LE)
    } else if many(even, odd) {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Whether it is UTF-8, perhaps with some damage, which is told where it stands. Letters of other encodings make no
/// characters of UTF-8, but by chance.
fn is_utf8(head: &[u8]) -> bool {
    let (mut characters, mut wrong) = (0, 0);
    let mut chunks = head.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        characters += chunk.valid().bytes().filter(|b| *b >= 0xc0).count();
        // a character that the end cuts in two is none of another encoding
        let cut = chunks.peek().is_none() && std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none());
        wrong += usize::from(!chunk.invalid().is_empty() && !cut);
    }
    wrong == 0 || characters > wrong
}

/// The file as UTF-8, decoded piece by piece. What is UTF-8 already is handed on as it is, wrong bytes too: whoever reads a
/// field finds them there.
pub(super) struct Text<R> {
    file: R,
    decoder: Option<Decoder>,
    input: Vec<u8>,
    input_at: usize,
    output: Vec<u8>,
    output_at: usize,
    file_ended: bool,
    ended: bool,
}

impl<R: Read> Text<R> {
    /// The text of a file, behind its byte order mark.
    pub(super) fn new(file: R, encoding: &'static Encoding) -> Text<R> {
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let (input, output) = (Vec::new(), Vec::new());
        Text { file, decoder, input, input_at: 0, output, output_at: 0, file_ended: false, ended: false }
    }

    /// Decodes a piece into the empty output.
    fn decode(&mut self) -> io::Result<()> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        if self.input_at == self.input.len() && !self.file_ended {
            self.input.resize(PIECE_BYTES, 0);
            let read = read_some(&mut self.file, &mut self.input)?;
            self.input.truncate(read);
            self.input_at = 0;
            self.file_ended = read == 0;
        }
        let source = &self.input[self.input_at..];
        let room = decoder.max_utf8_buffer_length_without_replacement(source.len()).unwrap_or(PIECE_BYTES * 4);
        self.output.resize(room.max(16), 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(source, &mut self.output, self.file_ended);
        self.input_at += read;
        self.output.truncate(written);
        self.output_at = 0;
        match result {
            DecoderResult::InputEmpty => self.ended = self.file_ended,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => self.output.push(NOTHING),
        }
        Ok(())
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.decoder.is_none() {
            return read_some(&mut self.file, buffer);
        }
        while self.output_at == self.output.len() {
            if self.ended {
                return Ok(0);
            }
            self.decode()?;
        }
        let rest = &self.output[self.output_at..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.output_at += len;
        Ok(len)
    }
}

/// A read that a signal doesn't end.
fn read_some(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> &'static str {
        find(bytes, true, None).unwrap().encoding.name()
    }

    fn utf16(text: &str, be: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if be { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn an_encoding_is_told_from_the_first_bytes() {
        assert_eq!(found(b"name,number\n"), "UTF-8");
        assert_eq!(found("name,number\nMüller,1\n".as_bytes()), "UTF-8");
        assert_eq!(found(b"\xef\xbb\xbfname"), "UTF-8");
        assert_eq!(found(b"\xff\xfen\0"), "UTF-16LE");
        assert_eq!(found(b"\xfe\xff\0n"), "UTF-16BE");
        assert_eq!(found(b"Name;Telefon\nM\xfcller, J\xf6rg;030 1\nStra\xdfer;2\n"), "windows-1252");
        for text in ["name,number\nAda,101\n", "имя,номер\nАнна,+7495123\nБорис,101\n", "氏名,電話\n山田,03-1234\n"]
        {
            assert_eq!(found(&utf16(text, false)), "UTF-16LE", "{text}");
            assert_eq!(found(&utf16(text, true)), "UTF-16BE", "{text}");
        }
        assert_eq!(found(b""), "UTF-8");
        // a zero byte is damage
        assert_eq!(found(b"name,number\nAda,1\nb\0,2\n"), "UTF-8");
        // a character that is cut, and one that is damaged, leave UTF-8 what it is
        assert_eq!(found(b"name,number\nM\xc3"), "UTF-8");
        assert_eq!(found("Müller,Jörg,Özgür\n".as_bytes().iter().copied().chain([0xff]).collect::<Vec<u8>>().as_slice()), "UTF-8");
        assert!(find(b"\xff\xfe\0\0n\0\0\0", true, None).unwrap_err().to_string().contains("UTF-32"));
    }

    #[test]
    fn an_encoding_can_be_asked_for_by_many_names() {
        for (name, wanted) in [
            ("latin1", "windows-1252"),
            ("Latin-1", "windows-1252"),
            ("ISO-8859-1", "windows-1252"),
            ("cp1252", "windows-1252"),
            ("utf8", "UTF-8"),
            ("UTF-16", "UTF-16LE"),
            ("utf16be", "UTF-16BE"),
            ("macroman", "macintosh"),
        ] {
            assert_eq!(find(b"name", true, Some(name)).unwrap().encoding.name(), wanted, "{name}");
        }
        let error = find(b"", true, Some("utf-9")).unwrap_err().to_string();
        assert!(error.contains("\"utf-9\" isn't known; did you mean utf-8?"), "{error}");
        // the mark says which end comes first
        assert_eq!(find(b"\xfe\xff\0n", true, Some("utf-16")).unwrap().encoding.name(), "UTF-16BE");
    }

    #[test]
    fn text_is_decoded_whole_however_it_is_read() {
        let text = "name,number\nMüller,101\n".repeat(5_000) + "end €";
        for encoding in [UTF_8, UTF_16LE, UTF_16BE, encoding_rs::WINDOWS_1252] {
            let bytes = match encoding.name() {
                "UTF-16LE" => utf16(&text, false),
                "UTF-16BE" => utf16(&text, true),
                _ => encoding.encode(&text).0.into_owned(),
            };
            for step in [1, 7, 40_000] {
                let mut file = Text::new(bytes.as_slice(), encoding);
                let (mut read, mut buffer) = (Vec::new(), vec![0; step]);
                loop {
                    match file.read(&mut buffer).unwrap() {
                        0 => break,
                        len => read.extend_from_slice(&buffer[..len]),
                    }
                }
                assert!(read == text.as_bytes(), "{} in steps of {step}", encoding.name());
            }
        }
    }

    #[test]
    fn what_means_nothing_in_an_encoding_is_no_utf8_afterwards() {
        let mut text = Vec::new();
        Text::new(&[b'a', 0, 0, 0xd8, b'b', 0, b'c'][..], UTF_16LE).read_to_end(&mut text).unwrap();
        assert_eq!(text, [b'a', NOTHING, b'b', NOTHING]);
    }
}
