//! Who makes a change, and from where: what history says of it.

/// The longest of either, in bytes; the rest is cut off. A record of the log has room for this beside its entries.
const BY_BYTES_MAX: usize = 256;

/// Who makes a change, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    /// A user of the machine (`uid 1000`), a token, an extension.
    pub who: String,
    /// `console`, `admin socket`, `http 10.0.0.5`, `star code *78`, `import family`; empty where nobody said.
    pub from: String,
    /// The revision that the change undoes.
    pub undoes: Option<u64>,
}

impl By {
    /// Somebody from somewhere.
    pub fn new(who: impl Into<String>, from: impl Into<String>) -> By {
        By { who: cut(who.into()), from: cut(from.into()), undoes: None }
    }

    /// The same one, who brings an import of this source.
    #[must_use]
    pub fn importing(&self, source: &str) -> By {
        let from = if self.from.is_empty() { format!("import {source}") } else { format!("import {source} ({})", self.from) };
        By { from: cut(from), ..self.clone() }
    }

    /// The same one, who undoes a change.
    #[must_use]
    pub fn undoing(&self, revision: u64) -> By {
        By { undoes: Some(revision), ..self.clone() }
    }
}

fn cut(mut text: String) -> String {
    if text.len() > BY_BYTES_MAX {
        let end = (0..=BY_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    text
}

impl From<&str> for By {
    fn from(who: &str) -> By {
        By::new(who, "")
    }
}

impl From<&String> for By {
    fn from(who: &String) -> By {
        By::new(who.as_str(), "")
    }
}

impl From<String> for By {
    fn from(who: String) -> By {
        By::new(who, "")
    }
}

impl From<&By> for By {
    fn from(by: &By) -> By {
        by.clone()
    }
}
