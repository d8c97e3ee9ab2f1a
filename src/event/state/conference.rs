//! Who is in which conference.

use super::book::Context;
use super::words::clean;
use crate::cti::{Conference, Draft, What};
use crate::event::SourceInfo;
use std::collections::HashMap;

/// Members of all conferences of all switches that are followed.
const MEMBERS_MAX: usize = 20_000;

/// Members by switch and channel; a channel is in one conference at a time.
#[derive(Default)]
pub(super) struct Conferences {
    members: HashMap<(usize, String), Member>,
    sizes: HashMap<(usize, String), usize>,
}

struct Member {
    room: String,
    number: String,
    since_us: u64,
}

impl Conferences {
    /// Somebody comes in. Twice is once.
    pub fn joined(&mut self, source: &SourceInfo, group: usize, room: &str, leg: &str, number: &str, ctx: &mut Context<'_>) {
        let key = (group, clean(leg));
        if self.members.get(&key).is_some_and(|member| member.room == room) || self.members.len() >= MEMBERS_MAX {
            return;
        }
        self.left(source, group, leg, ctx);
        let size = self.sizes.entry((group, room.to_owned())).or_default();
        *size += 1;
        let members = *size;
        let said = Conference { room: room.to_owned(), leg: key.1.clone(), number: number.to_owned(), members };
        self.members.insert(key, Member { room: room.to_owned(), number: number.to_owned(), since_us: ctx.now.monotonic_us });
        say(source, ctx, What::ConferenceJoined(said));
    }

    /// Those who came in before, and whose channels a switch's own state doesn't hold, have left.
    pub fn left_unheard(&mut self, source: &SourceInfo, group: usize, lives: impl Fn(&str) -> bool, before_us: u64, ctx: &mut Context<'_>) {
        let is_gone = |((of, leg), member): &(&(usize, String), &Member)| *of == group && member.since_us < before_us && !lives(leg);
        let mut gone: Vec<String> = self.members.iter().filter(is_gone).map(|((_, leg), _)| leg.clone()).collect();
        gone.sort_unstable();
        for leg in gone {
            self.left(source, group, &leg, ctx);
        }
    }

    /// Somebody leaves, or has hung up.
    pub fn left(&mut self, source: &SourceInfo, group: usize, leg: &str, ctx: &mut Context<'_>) {
        if self.members.is_empty() {
            return;
        }
        let key = (group, clean(leg));
        let Some(member) = self.members.remove(&key) else { return };
        let room = (group, member.room);
        let size = self.sizes.get_mut(&room).map_or(0, |size| {
            *size = size.saturating_sub(1);
            *size
        });
        if size == 0 {
            self.sizes.remove(&room);
        }
        let said = Conference { room: room.1, leg: key.1, number: member.number, members: size };
        say(source, ctx, What::ConferenceLeft(said));
    }
}

fn say(source: &SourceInfo, ctx: &mut Context<'_>, what: What) {
    let draft = Draft { switch: source.name.clone(), tenant: Some(source.tenant.clone()), at_us: ctx.now.wall_us, what };
    ctx.out.push(crate::event::Output::Say(draft));
}
