//! Backups: the whole store as of one revision, in one file that says itself whether it is whole.
//!
//! A line of magic; then chunks: what it is (one byte), how long (four, big-endian), the bytes, and the CRC-32 of all that.
//! First `H`, the header as JSON; then `E`, entries: the space's place (one byte), the key's and the value's lengths (four
//! bytes each), both; `T`, as JSON, what the file holds; and last `S`, the SHA-256 of everything before that chunk. Nothing
//! comes after it. The spaces come in the order live, log, meta, block: see [`super::stream`]. No path and no name of a
//! machine is in it.

use super::engine::Space;
use super::examine::Examined;
use super::stream::Stream;
use super::{Reader, SCHEMA, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read};
use thiserror::Error;

/// What a backup begins with.
const MAGIC: &[u8; 16] = b"strowger backup\n";
/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// A chunk is closed when it has grown to this.
const CHUNK_BYTES: usize = 256 * 1024;
/// The longest chunk that is read: a closed one and the largest entry, with room.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;

const HEADER: u8 = b'H';
const ENTRIES: u8 = b'E';
const TRAILER: u8 = b'T';
const SUM: u8 = b'S';

/// What a backup says at its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) schema: u32,
    program: String,
    at_us: u64,
    /// What was edited after this revision has to be done again.
    pub(super) since: u64,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The file's format.
    pub format: u32,
    /// The store's schema.
    pub schema: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// When it was begun, in microseconds since 1970.
    pub at_us: u64,
    /// The revision that the store was at.
    pub revision: u64,
    /// The oldest change that history knows of in it.
    pub history_begins: Option<u64>,
    /// The tenants, by id.
    pub tenants: Vec<TenantHeld>,
    /// Entries, of all spaces.
    pub entries: u64,
    /// The file's length, in bytes.
    pub bytes: u64,
}

/// What a backup holds of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantHeld {
    /// Its id.
    pub tenant: String,
    /// Entries that were made by single edits and plans.
    pub edited: u64,
    /// Contacts that imports brought.
    pub imported: u64,
}

/// What is counted before the sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Trailer {
    revision: u64,
    spaces: [(u64, u64); 4],
    tenants: Vec<TenantHeld>,
}

/// Why a backup can't be used. Nothing was done with it.
#[derive(Debug, Error)]
pub enum BackupError {
    /// It can't be read.
    #[error("it can't be read ({0})")]
    Io(io::Error),
    /// It is none.
    #[error("it is no backup of a strowger store")]
    NoBackup,
    /// Written by a newer version.
    #[error(
        "it has format {format} and schema {schema}, and this version knows format {FORMAT} and schemas up to {SCHEMA}; use the newer strowger"
    )]
    Newer {
        /// Its format.
        format: u32,
        /// Its schema.
        schema: u32,
    },
    /// It ends too early, or was changed.
    #[error("it is damaged ({0}); take another backup")]
    Damaged(String),
    /// The store that it goes to.
    #[error("{0}")]
    Store(StoreError),
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> BackupError {
        BackupError::Store(error)
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, BackupError> {
    Err(BackupError::Damaged(what.into()))
}

/// A backup being made: a piece of the file each time it is asked.
pub struct Backup {
    stream: Stream,
    examined: Examined,
    header: Option<Header>,
    sum: Sha256,
    is_ended: bool,
}

impl Reader {
    /// Begins a backup. Edits, imports and calls go on.
    pub fn backup(&self) -> Backup {
        let stream = Stream::new(self);
        let header =
            Header { format: FORMAT, schema: SCHEMA, program: env!("CARGO_PKG_VERSION").into(), at_us: self.now_us(), since: stream.since };
        Backup { stream, examined: Examined::default(), header: Some(header), sum: Sha256::new(), is_ended: false }
    }
}

impl Backup {
    /// The next piece of the file, some hundred kilobytes; `None` behind the last.
    ///
    /// # Errors
    /// The disk could not be read, something in the store is damaged, or too much was edited meanwhile: what was written so
    /// far is no backup.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_ended {
            return Ok(None);
        }
        let mut piece = Vec::with_capacity(CHUNK_BYTES + 64 * 1024);
        if let Some(header) = self.header.take() {
            piece.extend_from_slice(MAGIC);
            chunk(&mut piece, HEADER, &json(&header)?);
            self.sum.update(&piece);
            return Ok(Some(piece));
        }
        let mut payload = Vec::with_capacity(CHUNK_BYTES + 64 * 1024);
        while payload.len() < CHUNK_BYTES {
            let Some((space, k, v)) = self.stream.next()? else { break };
            let corrupt = |what: String| StoreError::Corrupt { path: "(the store)".into(), what };
            self.examined.see(space, &k, &v).map_err(corrupt)?;
            payload.push(space as u8);
            payload.extend_from_slice(&(k.len() as u32).to_be_bytes());
            payload.extend_from_slice(&(v.len() as u32).to_be_bytes());
            payload.extend_from_slice(&k);
            payload.extend_from_slice(&v);
        }
        if !payload.is_empty() {
            chunk(&mut piece, ENTRIES, &payload);
            self.sum.update(&piece);
            return Ok(Some(piece));
        }
        self.is_ended = true;
        // an import whose blocks are gone would be found when it is too late
        self.examined.check_counts().map_err(|what| StoreError::Corrupt { path: "(the store)".into(), what })?;
        let trailer = Trailer { revision: self.stream.last, spaces: self.examined.spaces, tenants: tenants(&self.examined) };
        chunk(&mut piece, TRAILER, &json(&trailer)?);
        self.sum.update(&piece);
        let sum = self.sum.clone().finalize();
        chunk(&mut piece, SUM, &sum);
        Ok(Some(piece))
    }
}

fn tenants(examined: &Examined) -> Vec<TenantHeld> {
    let mut names: Vec<&String> = examined.edits.keys().chain(examined.generations.keys()).collect();
    names.sort();
    names.dedup();
    let held = |tenant: &String| TenantHeld {
        tenant: tenant.clone(),
        edited: examined.edits.get(tenant).copied().unwrap_or(0),
        imported: examined.imported(tenant),
    };
    names.into_iter().map(held).collect()
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|e| StoreError::Failed(e.to_string()))
}

fn chunk(piece: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let begin = piece.len();
    piece.push(kind);
    piece.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    piece.extend_from_slice(payload);
    let crc = crc32fast::hash(&piece[begin..]);
    piece.extend_from_slice(&crc.to_be_bytes());
}

/// The file on its way in, each byte counted and summed.
struct Chunks<R> {
    file: R,
    sum: Sha256,
    bytes: u64,
}

impl<R: Read> Chunks<R> {
    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), BackupError> {
        self.file.read_exact(buffer).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => BackupError::Damaged(format!("it ends too early, after byte {}", self.bytes)),
            _ => BackupError::Io(e),
        })?;
        self.bytes += buffer.len() as u64;
        Ok(())
    }

    /// The next chunk, with the sum of everything before it.
    fn next(&mut self) -> Result<(u8, Vec<u8>, Sha256), BackupError> {
        let before = self.sum.clone();
        let at = self.bytes;
        let mut head = [0; 5];
        self.exactly(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > CHUNK_BYTES_MAX {
            return damaged(format!("the chunk at byte {at} is too long"));
        }
        let mut payload = vec![0; length];
        self.exactly(&mut payload)?;
        let mut crc = [0; 4];
        self.exactly(&mut crc)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(&payload);
        if hasher.finalize() != u32::from_be_bytes(crc) {
            return damaged(format!("the checksum of the chunk at byte {at} doesn't fit"));
        }
        self.sum.update(head);
        self.sum.update(&payload);
        self.sum.update(crc);
        Ok((kind, payload, before))
    }
}

/// What is in a file, whose checksums all fit, that was read whole.
pub(super) fn read(
    file: impl Read,
    mut begin: impl FnMut(&Header) -> Result<(), BackupError>,
    mut each: impl FnMut(Space, &[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(Header, Held), BackupError> {
    let mut chunks = Chunks { file, sum: Sha256::new(), bytes: 0 };
    let mut magic = [0; MAGIC.len()];
    match chunks.exactly(&mut magic) {
        Ok(()) if magic == *MAGIC => chunks.sum.update(magic),
        Err(error @ BackupError::Io(_)) => return Err(error),
        _ => return Err(BackupError::NoBackup),
    }
    let (kind, payload, _) = chunks.next()?;
    if kind != HEADER {
        return damaged("it has no header");
    }
    let header = read_header(&payload)?;
    begin(&header)?;
    let mut examined = Examined::default();
    let (trailer, sum) = loop {
        let (kind, payload, _) = chunks.next()?;
        match kind {
            ENTRIES => read_entries(&payload, &mut examined, &mut each)?,
            TRAILER => {
                let trailer: Trailer = serde_json::from_slice(&payload).or_else(|e| damaged(format!("its end can't be read: {e}")))?;
                let (kind, sum, before) = chunks.next()?;
                if kind != SUM || sum[..] != before.finalize()[..] {
                    return damaged("the checksum of the whole doesn't fit");
                }
                break (trailer, sum);
            }
            _ => return damaged(format!("a chunk is of the kind {kind}, which this version doesn't know")),
        }
    };
    drop(sum);
    let mut more = [0];
    match chunks.file.read(&mut more) {
        Ok(0) => {}
        Ok(_) => return damaged("something comes behind its end"),
        Err(e) => return Err(BackupError::Io(e)),
    }
    check(&header, &examined, &trailer).or_else(damaged)?;
    let Header { format, schema, program, at_us, .. } = header.clone();
    let Trailer { revision, tenants, .. } = trailer;
    let entries = examined.spaces.iter().map(|(entries, _)| entries).sum();
    let history_begins = examined.log.map(|(first, _)| first);
    Ok((header, Held { format, schema, program, at_us, revision, history_begins, tenants, entries, bytes: chunks.bytes }))
}

/// The header; of a newer format, only what says so is looked at.
fn read_header(payload: &[u8]) -> Result<Header, BackupError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
        schema: u32,
    }
    let unreadable = |e: serde_json::Error| BackupError::Damaged(format!("its header can't be read: {e}"));
    let version: Version = serde_json::from_slice(payload).map_err(unreadable)?;
    if version.format > FORMAT || version.schema > SCHEMA {
        return Err(BackupError::Newer { format: version.format, schema: version.schema });
    }
    serde_json::from_slice(payload).map_err(unreadable)
}

fn read_entries(
    mut rest: &[u8],
    examined: &mut Examined,
    each: &mut impl FnMut(Space, &[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), BackupError> {
    while let Some((head, tail)) = rest.split_first_chunk::<9>() {
        let [space, lengths @ ..] = *head;
        let [a, b, c, d, e, f, g, h] = lengths;
        let (k_len, v_len) = (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]) as usize);
        let split = tail.split_at_checked(k_len).and_then(|(k, tail)| Some((k, tail.split_at_checked(v_len)?)));
        let (Some(space), Some((k, (v, tail)))) = (Space::ALL.get(usize::from(space)), split) else {
            return damaged("an entry can't be read");
        };
        examined.see(*space, k, v).or_else(damaged)?;
        each(*space, k, v)?;
        rest = tail;
    }
    if rest.is_empty() { Ok(()) } else { damaged("an entry can't be read") }
}

/// Compares what was found with what the file says.
fn check(header: &Header, examined: &Examined, trailer: &Trailer) -> Result<(), String> {
    if examined.spaces != trailer.spaces {
        return Err("it doesn't hold as many entries as it says".into());
    }
    if tenants(examined) != trailer.tenants {
        return Err("it doesn't hold the tenants that it says".into());
    }
    examined.check_counts()?;
    let last = examined.log.map_or(0, |(_, last)| last);
    if last != trailer.revision || header.since > last {
        return Err(format!("its log ends at revision {last}, and it says {}", trailer.revision));
    }
    match examined.log {
        Some((first, _)) if header.since < last && first > header.since + 1 => Err("its log begins too late".into()),
        _ => Ok(()),
    }
}

/// Reads a backup whole, every checksum and every record, and says what it holds.
///
/// # Errors
/// [`BackupError`] says what is wrong with it.
pub fn verify(file: impl Read) -> Result<Held, BackupError> {
    read(file, |_| Ok(()), |_, _, _| Ok(())).map(|(_, held)| held)
}
