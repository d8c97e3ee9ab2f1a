//! Where in a file something stands.

use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Where lines begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(n, _)| n + 1)).collect())
    }

    /// The line of a byte, from 1.
    pub(super) fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }

    /// The column of a byte, from 1, in characters.
    pub(super) fn column(&self, text: &str, byte: usize) -> usize {
        let start = self.0.get(self.at(byte).saturating_sub(1)).copied().unwrap_or(0);
        text.get(start..byte).map_or(1, |before| before.chars().count() + 1)
    }
}

/// The byte at which `members[1].number` of a table stands; what is left out stands where it would be looked for.
pub(super) fn byte_of(table: &Spanned<DeValue<'_>>, path: &str) -> usize {
    let (mut here, mut byte, mut rest) = (table, table.span().start, path);
    loop {
        rest = rest.trim_start_matches('.');
        let next = if let Some((index, behind)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let value = index.parse::<usize>().ok().and_then(|n| here.get_ref().as_array()?.get(n));
            value.map(|value| (value.span().start, value, behind))
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let found = here.get_ref().as_table().and_then(|t| t.get_key_value(&rest[..end]));
            found.map(|(key, value)| (key.span().start, value, &rest[end..]))
        };
        match next {
            Some((start, value, behind)) => (byte, here, rest) = (start, value, behind),
            None => return byte,
        }
    }
}

/// The path of what an error's span is about: of the key that is exactly there, else of the smallest value around it.
pub(super) fn path_of(table: &Spanned<DeValue<'_>>, span: &Range<usize>) -> String {
    let mut best = (usize::MAX, String::new());
    look_in(table, span, "", &mut best);
    best.1
}

fn look_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &str, best: &mut (usize, String)) {
    let mut see = |around: Range<usize>, path: &str| {
        let is_around = around.start <= span.start && span.end <= around.end;
        if is_around && around.len() <= best.0 {
            *best = (around.len(), path.to_owned());
        }
    };
    see(value.span(), path);
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, inner) in table {
                let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
                if key.span() == *span {
                    *best = (0, path.clone());
                }
                look_in(inner, span, &path, best);
            }
        }
        DeValue::Array(values) => {
            for (n, inner) in values.iter().enumerate() {
                look_in(inner, span, &format!("{path}[{n}]"), best);
            }
        }
        _ => {}
    }
}
