//! Recorded sessions of real switches, read back into bytes.

// each test binary uses a part of this
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The files of a folder of recordings whose names begin so, in order.
pub fn paths(switch: &str, prefix: &str) -> Vec<PathBuf> {
    in_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(switch), prefix)
}

fn in_folder(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

/// Undoes `\n`, `\r`, `\t`, `\\` and `\xNN`.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => bytes.push(b'\n'),
            (_, Some('r')) => bytes.push(b'\r'),
            (_, Some('t')) => bytes.push(b'\t'),
            (_, Some('\\')) => bytes.push(b'\\'),
            (_, Some('x')) => bytes.push(u8::from_str_radix(&chars.by_ref().take(2).collect::<String>(), 16).unwrap()),
            (_, Some(other)) => panic!("unknown escape {other:?}"),
            (c, None) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// Bytes that one side wrote at once.
pub struct Segment {
    pub by_switch: bool,
    pub bytes: Vec<u8>,
}

/// A recorded session (or several, one after the other) of a FreeSWITCH's event socket.
///
/// `== DIR t=SECONDS n=BYTES` heads a segment: `F>S` and `S>F` on a socket that FreeSWITCH opened, `F>C` and `C>F` on
/// one that was opened to it. The segment's lines follow, escaped; the line breaks between them are no data. Other lines
/// that begin with `# ` are remarks.
pub struct FreeswitchTranscript {
    pub name: String,
    pub segments: Vec<Segment>,
    pub remarks: Vec<String>,
}

impl FreeswitchTranscript {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines();
        let (mut segments, mut remarks) = (Vec::new(), Vec::new());
        while let Some(line) = lines.next() {
            if let Some(remark) = line.strip_prefix("# ") {
                remarks.push(remark.to_owned());
                continue;
            }
            let head = line.strip_prefix("== ").unwrap_or_else(|| panic!("{name}: {line:?}"));
            let length: usize = head.split("n=").nth(1).unwrap().parse().unwrap();
            let mut bytes = Vec::new();
            while bytes.len() < length {
                bytes.extend(unescape(lines.next().unwrap_or_else(|| panic!("{name}: a segment is cut"))));
            }
            assert_eq!(bytes.len(), length, "{name}: {line}");
            segments.push(Segment { by_switch: head.starts_with("F>"), bytes });
        }
        Self { name, segments, remarks }
    }

    /// All that FreeSWITCH wrote.
    pub fn by_switch(&self) -> Vec<u8> {
        self.segments.iter().filter(|segment| segment.by_switch).flat_map(|segment| segment.bytes.clone()).collect()
    }

    /// All that was written to it.
    pub fn to_switch(&self) -> Vec<u8> {
        self.segments.iter().filter(|segment| !segment.by_switch).flat_map(|segment| segment.bytes.clone()).collect()
    }
}

/// Every recorded session of FreeSWITCH's event socket whose name begins so, those in `calls.tar.gz` too.
pub fn freeswitch(prefix: &str) -> Vec<FreeswitchTranscript> {
    let unpacked = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/freeswitch/calls.tar.gz");
    let tar = Command::new("tar").arg("-C").arg(unpacked.path()).args(["--no-same-owner", "-xzf"]).arg(archive).status().unwrap();
    assert!(tar.success());
    let paths = paths("freeswitch", prefix).into_iter().chain(in_folder(unpacked.path(), prefix));
    paths.map(|path| FreeswitchTranscript::read(&path)).collect()
}
