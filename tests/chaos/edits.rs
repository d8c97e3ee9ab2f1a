//! Edits and imports, and a list of those that were acknowledged.

use crate::support::{Running, contact, within};
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;
use strowger::control::{Client, ClientError, Reply, Request};

/// Contacts that are edited in turn.
const EDITED: u64 = 40;
const EDIT_EVERY: Duration = Duration::from_millis(20);
/// Rows of the file that is imported.
const ROWS: usize = 300;
const IMPORT_EVERY: Duration = Duration::from_millis(1500);

/// What has to be there of one thing: what was acknowledged last, or one of those that came after it and weren't.
#[derive(Debug, Default)]
struct Kept {
    acknowledged: Option<u64>,
    unknown: Vec<u64>,
}

impl Kept {
    fn note(&mut self, seq: u64, is_acknowledged: bool) {
        if is_acknowledged {
            *self = Kept { acknowledged: Some(seq), unknown: Vec::new() };
        } else {
            self.unknown.push(seq);
        }
    }

    fn allows(&self, found: Option<u64>) -> bool {
        found == self.acknowledged || found.is_some_and(|seq| self.unknown.contains(&seq))
    }
}

/// All edits of a run, by the contact's id, and the imports.
#[derive(Debug, Default)]
pub struct Edits {
    contacts: BTreeMap<String, Kept>,
    file: Kept,
    acknowledged: u64,
    refused: BTreeMap<String, u64>,
    gone: u64,
    nobody: u64,
    imports: u64,
    imports_failed: BTreeMap<String, u64>,
}

/// The threads that edit and import.
pub struct Editing {
    edits: JoinHandle<Edits>,
    imports: JoinHandle<Edits>,
}

pub fn begin(world: &Arc<World>) -> Editing {
    let (editing, importing) = (world.clone(), world.clone());
    Editing { edits: std::thread::spawn(move || edit(&editing)), imports: std::thread::spawn(move || import(&importing)) }
}

impl Editing {
    /// What they did, once the world is over.
    pub fn join(self) -> Edits {
        let edits = self.edits.join().unwrap();
        let Edits { file, imports, imports_failed, .. } = self.imports.join().unwrap();
        Edits { file, imports, imports_failed, ..edits }
    }
}

fn edit(world: &World) -> Edits {
    let mut edits = Edits::default();
    let mut client = None;
    for seq in 1.. {
        if world.is_over() {
            break;
        }
        let id = format!("edited{}", seq % EDITED);
        let request = contact("default", &id, &seq.to_string(), &format!("+1415{:07}", 3_000_000 + seq % EDITED));
        let connected = match client.take() {
            Some(client) => Ok(client),
            None => Client::connect(world.admin()),
        };
        let reply = connected.and_then(|mut connected| {
            let reply = connected.ask(&request)?;
            client = Some(connected);
            Ok(reply)
        });
        if !matches!(reply, Ok(Reply::Done { .. })) {
            *world.refused.lock().unwrap() = format!("{reply:?}");
        }
        match reply {
            Ok(Reply::Done { .. }) => {
                edits.contacts.entry(id).or_default().note(seq, true);
                edits.acknowledged += 1;
                world.acknowledged.fetch_add(1, Relaxed);
            }
            Ok(other) => {
                edits.contacts.entry(id).or_default().note(seq, false);
                // numbers in it (bytes that are free) differ
                let why = format!("{other:?}")
                    .split_whitespace()
                    .filter(|w| !w.chars().any(|c| c.is_ascii_digit()))
                    .collect::<Vec<_>>()
                    .join(" ");
                *edits.refused.entry(why).or_default() += 1;
            }
            Err(ClientError::NoServer(_)) => edits.nobody += 1,
            Err(_) => {
                edits.contacts.entry(id).or_default().note(seq, false);
                edits.gone += 1;
            }
        }
        std::thread::sleep(EDIT_EVERY);
    }
    edits
}

/// Imports by the command line, which does the work itself where there is no server.
fn import(world: &World) -> Edits {
    let mut edits = Edits::default();
    for seq in 1.. {
        if world.is_over() {
            break;
        }
        let rows: String = (0..ROWS).map(|n| format!("row{n},{seq},+1415{:07}\n", 2_000_000 + n)).collect();
        let path = world.place.path().join("import.csv");
        // the file is on the disk that is full
        if std::fs::write(&path, format!("id,name,number\n{rows}")).is_ok() {
            let said = world.place.run(&["contact", "import", &path.display().to_string(), "--source", "chaos", "--mode", "replace"]);
            edits.file.note(seq, said.code == Some(0));
            match said.code {
                Some(0) => edits.imports += 1,
                Some(3 | 4) => *edits.imports_failed.entry(format!("status {}", said.code.unwrap())).or_default() += 1,
                _ => *edits.imports_failed.entry(format!("{said:?}")).or_default() += 1,
            }
        }
        std::thread::sleep(IMPORT_EVERY);
    }
    edits
}

impl Edits {
    /// Everything that was acknowledged is there in a server that is started once more, and the import is there whole.
    pub fn check(&self, world: &World) {
        let unheard_of: Vec<_> = self.imports_failed.keys().filter(|why| !why.starts_with("status ")).collect();
        assert!(unheard_of.is_empty(), "an import fails with 3 or 4 when the server or the store is away: {unheard_of:?}");
        assert!(self.acknowledged > 0 && self.imports > 0, "{self}");
        let server = world.place.serve(&[]);
        world.place.settled();
        for (id, kept) in &self.contacts {
            let found = named(&server, id);
            assert!(kept.allows(found), "{id}: {found:?} is there; {kept:?}");
        }
        let rows: Vec<Option<u64>> = (0..ROWS).map(|n| named(&server, &format!("row{n}"))).collect();
        assert!(rows.iter().all(|row| *row == rows[0]), "a part of an import: {rows:?}");
        assert!(self.file.allows(rows[0]), "{:?} was imported; {:?}", rows[0], self.file);
    }
}

/// The number that a contact has for a name.
fn named(server: &Running, id: &str) -> Option<u64> {
    let mut client = None;
    assert!(within(Duration::from_secs(10), || {
        client = Client::connect(&server.admin).ok();
        client.is_some()
    }));
    match client.unwrap().ask(&Request::ContactShow { tenant: "default".into(), id: id.to_owned() }).unwrap() {
        Reply::Contacts { contacts, .. } => Some(contacts[0].name.parse().unwrap()),
        Reply::NotFound(_) => None,
        other => panic!("{other:?}"),
    }
}

impl fmt::Display for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Edits { acknowledged, refused, gone, nobody, imports, imports_failed, .. } = self;
        write!(
            f,
            "{acknowledged} edits acknowledged, refused {refused:?}, {gone} without a reply, {nobody} found nobody; {imports} imports, failed {imports_failed:?}"
        )
    }
}
