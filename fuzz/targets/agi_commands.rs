//! Any values into `EXEC MSet`: every line is whole, and our Asterisk reads exactly the cleaned values.

use crate::pieces;
use bytes::BytesMut;
use strowger_fuzz::wire::agi::{
    Value, VariableName,
    command::{self, COMMAND_LINE_BYTES_MAX},
    switch_side::{self, MSET_PLACES_ASTERISK_16},
};

pub fn run(input: &[u8]) {
    let name = |n: usize| VariableName::new(&format!("V{n}")).expect("a letter and digits are a name");
    let pairs: Vec<_> = pieces::values(input).into_iter().enumerate().map(|(n, value)| (name(n), Value::from_bytes(value))).collect();
    let mut lines = BytesMut::new();
    let Ok(line_count) = command::mset(&pairs, &mut lines) else { return assert!(lines.is_empty()) };
    assert_eq!(command::lines(&lines).count(), line_count);
    let mut read = Vec::new();
    for line in command::lines(&lines) {
        assert!(line.len() <= COMMAND_LINE_BYTES_MAX);
        let words = switch_side::words(line.strip_suffix(b"\n").expect("a line ends"));
        assert_eq!(words.len(), 3);
        read.extend(switch_side::mset_pairs(&words[2], MSET_PLACES_ASTERISK_16));
    }
    let sent = pairs.iter().map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_str().as_bytes().to_vec()));
    assert!(read.into_iter().eq(sent));
}
