//! `STROWGER`, a small text file beside the database: the schema and the revision of the last quiet moment.
//!
//! It is read before the database is touched, so that a store of a newer version is refused as it lies; and it
//! remembers how far the store had come, because an engine that finds its file cut short opens what is left and says
//! nothing.

use super::StoreError;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// The schema that this version writes.
pub const SCHEMA: u32 = 3;
const NAME: &str = "STROWGER";

/// What the marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) schema: u32,
    pub(crate) revision: u64,
}

impl Marker {
    /// Reads the marker; `None` where there is none (a new store). `known` is the newest schema that this program knows of
    /// what lies there: another kind of store counts its own.
    pub(crate) fn read(dir: &Path, known: u32) -> Result<Option<Marker>, StoreError> {
        let path = dir.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                return Err(StoreError::Corrupt { path, what: "it isn't text".into() });
            }
            Err(e) => return Err(StoreError::NotWritable { path, error: e.to_string() }),
        };
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok());
        let schema = field("schema ").map(|schema| u32::try_from(schema).unwrap_or(u32::MAX));
        match (schema, field("revision ")) {
            (Some(schema), Some(revision)) => Ok(Some(Marker { schema, revision })),
            // a newer version may say other things
            (Some(schema), None) if schema > known => Ok(Some(Marker { schema, revision: 0 })),
            _ => Err(StoreError::Corrupt { path, what: "it doesn't say which schema the store has".into() }),
        }
    }

    /// Writes the marker whole or not at all.
    pub(crate) fn write(self, dir: &Path) -> Result<(), StoreError> {
        let failed = |e: std::io::Error| StoreError::NotWritable { path: dir.into(), error: e.to_string() };
        let temporary = dir.join("STROWGER.new");
        let mut file = File::create(&temporary).map_err(failed)?;
        writeln!(file, "A strowger store; see the strowger documentation before you change anything here.").map_err(failed)?;
        writeln!(file, "schema {}\nrevision {}", self.schema, self.revision).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&temporary, dir.join(NAME)).map_err(failed)?;
        File::open(dir).and_then(|d| d.sync_all()).map_err(failed)
    }
}
