//! An edit over what its client has seen, as requests to the desk.

use super::collection::Collection;
use super::condition::Over;
use crate::control::{Desk, Reply as DeskReply, Request};

/// How often a thing's revision is read anew because somebody else edits it in between.
const TRIES_MAX: usize = 8;

/// The desk's answer, and the revision that the thing has with it; `None` where others edit it so often that nobody knows.
pub(super) fn edit(desk: &mut Desk, show: &Request, edit: &Request, over: &Over) -> (DeskReply, Option<u64>) {
    let made_over = |desk: &mut Desk, revision: u64| desk.apply(Request::Over { revision, edit: Box::new(edit.clone()) });
    let mut last = DeskReply::Stale { revision: 0 };
    for _ in 0..TRIES_MAX {
        let (reply, read) = match over {
            Over::Anything => (desk.apply(edit.clone()), None),
            Over::Nothing => (made_over(desk, 0), Some(0)),
            // the writer compares with the one that it was read as
            Over::OneOf(_) | Over::Something => match revision_of(desk, show) {
                Ok(revision) if is_meant(over, revision) => (made_over(desk, revision), Some(revision)),
                Ok(revision) => return (DeskReply::Stale { revision }, None),
                Err(refused) => return (*refused, None),
            },
        };
        match (reply, read) {
            // it was so already: that of its last change, whoever made it
            (done @ DeskReply::Done { changed: false, .. }, None) => match unchanged(desk, show, edit) {
                Some(revision) => return (done, Some(revision)),
                None => last = done,
            },
            (done @ DeskReply::Done { changed: false, .. }, read) => return (done, read),
            (DeskReply::Done { revision, existed, changed, notes }, _) => {
                return (DeskReply::Done { revision, existed, changed, notes }, Some(revision));
            }
            // between reading and writing: it may still be one of those that are meant
            (stale @ DeskReply::Stale { .. }, Some(1..)) => last = stale,
            (other, _) => return (other, None),
        }
    }
    (last, None)
}

fn is_meant(over: &Over, revision: u64) -> bool {
    match over {
        Over::OneOf(revisions) => revisions.contains(&revision),
        _ => revision != 0,
    }
}

/// A thing's revision; 0 where it isn't there.
fn revision_of(desk: &mut Desk, show: &Request) -> Result<u64, Box<DeskReply>> {
    match Collection::shown(desk.apply(show.clone())) {
        Ok((shown, _)) => Ok(shown.first().map_or(0, |thing| thing.revision)),
        Err(other) if matches!(*other, DeskReply::NotFound(_)) => Ok(0),
        Err(other) => Err(other),
    }
}

/// The revision of a thing that an edit leaves as it is.
fn unchanged(desk: &mut Desk, show: &Request, edit: &Request) -> Option<u64> {
    let revision = revision_of(desk, show).ok()?;
    match desk.apply(Request::Over { revision, edit: Box::new(edit.clone()) }) {
        DeskReply::Done { changed: false, .. } => Some(revision),
        DeskReply::Done { revision, .. } => Some(revision),
        _ => None,
    }
}
