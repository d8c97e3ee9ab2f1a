//! One call: its legs, and what it has to say since it was last asked.
//!
//! Every change goes one way only (a leg that is up doesn't ring again, who answered stays), and only what is another than
//! before makes news: so an event that comes twice, from two sources or after a reconnect, says nothing.

use super::words::{dialled, is_extension, is_leg};
use crate::cti::{Answered, CallState, CallView, Disposition, LegState, LegView};
use crate::decided::{LetOut, Member};
use crate::event::Now;
use crate::number::Class;
use std::sync::Arc;

/// What a call has to say, in the order it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    pub ringing: bool,
    pub answered: bool,
    pub transferred: bool,
    pub bridged: bool,
    pub held: bool,
    /// Something that none of those says.
    pub changed: bool,
}

/// A leg as it is known here.
#[derive(Debug)]
pub(super) struct Leg {
    pub view: LegView,
    /// Its dial string, for finding its member when a decision comes later.
    pub dial: String,
    /// Half of a `Local` or `loopback` pair: it only stands for what was dialled behind it. What its other half is called.
    pub far: Option<String>,
    /// The place of the proxy that it was dialled through.
    pub via: Option<usize>,
    /// A real leg was dialled through this one.
    pub through: bool,
    /// It was chosen: the caller talks to it.
    pub won: bool,
    /// It rang when another one was chosen.
    pub lost: bool,
    /// How its dial ended.
    pub outcome: Option<Disposition>,
}

impl Leg {
    /// Whether it is shown. A proxy is, where nothing real was dialled through it and it did something itself: then it
    /// stands for the dialplan behind it.
    pub fn is_shown(&self) -> bool {
        self.far.is_none() || (!self.through && self.view.state != LegState::Dialing)
    }

    /// Whose phone it is.
    pub fn extension(&self) -> &str {
        self.view.member.as_deref().unwrap_or(&self.view.number)
    }

    pub fn is_live(&self) -> bool {
        self.view.state != LegState::Ended
    }

    /// Whether a screen that is up for it stays: it rings, or is up and isn't chosen yet.
    pub fn pops(&self) -> bool {
        let waits = self.view.state == LegState::Ringing || (self.view.state == LegState::Up && !self.won);
        waits && self.may_pop()
    }

    fn may_pop(&self) -> bool {
        !self.lost && self.is_shown() && (self.view.member.is_some() || is_extension(&self.view.number))
    }
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// All but the legs.
    head: CallView,
    /// The switch: the place of its first source.
    pub group: usize,
    /// When it began, by the clock that nobody sets.
    pub began_us: u64,
    answered_at_us: Option<u64>,
    /// Since when its switch isn't heard, by the same clock.
    pub lost_at_us: Option<u64>,
    pub legs: Vec<Leg>,
    /// Its live channels, folded ones too.
    pub channels: Vec<Box<str>>,
    /// What the telephone is called that the caller's channel is one of, by what the switch says of it, and not by the number,
    /// which anybody may send as his own. (FreeSWITCH's listing doesn't say it: of a call that is met in it, it is the number.)
    pub called_from: Option<String>,
    /// What the switch calls it, and called those that were merged into it.
    pub ids: Vec<Box<str>>,
    pub news: News,
    /// Extensions with an open pop.
    pub pops: Vec<String>,
    /// Extensions that are counted as being in this call, each with its tenant.
    pub counted: Vec<(String, String)>,
    /// What decisions let out with it.
    pub let_out: Vec<LetOut>,
    /// Those of them that are counted, in their order: tenant, extension, class.
    pub classes: Vec<(String, String, Class)>,
    /// Who was said to have answered.
    pub answerer: Option<String>,
    /// How the switch says that it came out, where it says so.
    pub came_out: Option<Disposition>,
    /// Why the caller's channel ended, and what that says of a call of which nothing else does.
    pub end: Option<(String, Option<Disposition>)>,
}

impl Call {
    pub fn new(head: CallView, group: usize, id: &str, now: Now) -> Call {
        Call {
            head,
            group,
            began_us: now.monotonic_us,
            answered_at_us: None,
            lost_at_us: None,
            legs: Vec::new(),
            channels: Vec::new(),
            called_from: None,
            ids: vec![id.into()],
            news: News { ringing: true, ..News::default() },
            pops: Vec::new(),
            counted: Vec::new(),
            let_out: Vec::new(),
            classes: Vec::new(),
            answerer: None,
            came_out: None,
            end: None,
        }
    }

    pub fn head(&self) -> &CallView {
        &self.head
    }

    /// The id of the caller's channel.
    pub fn caller(&self) -> &str {
        &self.ids[0]
    }

    /// The telephone that the caller talks at, where it is one and he still does.
    pub fn phone(&self) -> Option<&str> {
        self.called_from.as_deref().filter(|_| self.channels.iter().any(|channel| **channel == *self.caller()))
    }

    /// The call as it is told.
    pub fn view(&self) -> Arc<CallView> {
        let legs = self.legs.iter().filter(|leg| leg.is_shown()).map(|leg| leg.view.clone()).collect();
        Arc::new(CallView { legs, ..self.head.clone() })
    }

    /// Changes the head; news if it is another then.
    pub fn change(&mut self, change: impl FnOnce(&mut CallView)) {
        let before = self.head.clone();
        change(&mut self.head);
        self.news.changed |= before != self.head;
    }

    /// The same, for what isn't worth an event of its own.
    pub fn change_quietly(&mut self, change: impl FnOnce(&mut CallView)) {
        change(&mut self.head);
    }

    /// The call as whoever it was taken for hears of it last.
    pub fn given_away(&self, now: Now) -> Arc<CallView> {
        let cause = Some("another tenant's".to_owned());
        let (state, disposition, ended_us) = (CallState::Ended, Some(Disposition::Unknown), Some(self.at(now)));
        Arc::new(CallView { state, disposition, ended_us, cause, ..CallView::clone(&self.view()) })
    }

    /// It is this tenant's, who has heard nothing of it yet, and whose directory says who has a number.
    pub fn give_to(&mut self, tenant: &str, contact: impl Fn(&str) -> Option<(String, String)>) {
        let head = &mut self.head;
        tenant.clone_into(&mut head.tenant);
        if head.from.contact.take().is_some() {
            head.from.name = None;
        }
        if let Some((id, name)) = contact(&head.from.number).filter(|_| !head.from.withheld) {
            (head.from.contact, head.from.name) = (Some(id), Some(name));
        }
        if let Some(answered) = &mut head.answered_by {
            answered.name = contact(&answered.member).map(|(_, name)| name);
        }
        self.news = News {
            ringing: true,
            answered: head.answered_us.is_some(),
            transferred: head.transferred_to.is_some(),
            bridged: head.state == CallState::Bridged,
            held: head.state == CallState::Held,
            changed: false,
        };
    }

    /// The moment by the clock of this call: its beginning and what has passed since.
    /// One that was met in the middle began so long ago, at least.
    pub fn has_lasted(&mut self, us: u64, now: Now) {
        let began_us = now.monotonic_us.saturating_sub(us);
        if self.head.incomplete && began_us < self.began_us {
            self.began_us = began_us;
            self.change_quietly(|head| head.started_us = now.wall_us.saturating_sub(us));
        }
    }

    fn at(&self, now: Now) -> u64 {
        self.head.started_us.saturating_add(now.monotonic_us.saturating_sub(self.began_us))
    }

    pub fn leg_at(&self, id: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.view.id == id)
    }

    /// The proxy whose other half is called so.
    pub fn proxy_at(&self, far: &str) -> Option<usize> {
        self.legs.iter().position(|leg| leg.far.as_deref() == Some(far))
    }

    /// A leg is dialled.
    pub fn dial(&mut self, view: LegView, dial: String, far: Option<String>, via: Option<usize>, now: Now) -> usize {
        let at = self.at(now);
        let inherited = via.and_then(|via| self.legs.get(via)).and_then(|proxy| proxy.view.member.clone());
        if let Some(proxy) = via.and_then(|via| self.legs.get_mut(via)) {
            self.news.changed |= proxy.is_shown();
            proxy.through = true;
        }
        let mut leg = Leg { view, dial, far, via, through: false, won: false, lost: false, outcome: None };
        leg.view.started_us = at;
        leg.view.member = leg.view.member.take().or(inherited);
        self.legs.push(leg);
        self.legs.len() - 1
    }

    /// A leg rings.
    pub fn rings(&mut self, leg: usize) {
        if let Some(leg) = self.legs.get_mut(leg).filter(|leg| leg.view.state == LegState::Dialing) {
            leg.view.state = LegState::Ringing;
            self.news.changed |= leg.is_shown();
        }
    }

    /// A leg is answered; whether it is the one that the caller talks to is another matter ([`Call::wins`]).
    pub fn up(&mut self, leg: usize, now: Now) {
        let at = self.at(now);
        if let Some(leg) = self.legs.get_mut(leg).filter(|leg| matches!(leg.view.state, LegState::Dialing | LegState::Ringing)) {
            leg.view.state = LegState::Up;
            leg.view.answered_us = Some(at);
            self.news.changed |= leg.is_shown();
        }
    }

    /// A leg is chosen: who stands behind it has answered the call. The others that ring have lost.
    pub fn wins(&mut self, leg: usize, name: impl FnOnce(&str) -> Option<String>, now: Now) {
        let behind = |proxy: usize| {
            let up = |leg: &Leg| leg.via == Some(proxy) && matches!(leg.view.state, LegState::Up | LegState::Held);
            self.legs.iter().position(up)
        };
        let mut winner = leg;
        // a proxy stands behind the one it was dialled through, so this ends
        while let Some(next) = behind(winner).filter(|next| *next > winner) {
            winner = next;
        }
        if !self.legs.get(winner).is_some_and(|leg| leg.is_live() && !leg.won) {
            return;
        }
        self.up(leg, now);
        self.up(winner, now);
        for (place, other) in self.legs.iter_mut().enumerate() {
            other.won |= place == winner || place == leg;
            other.lost |= !other.won && matches!(other.view.state, LegState::Dialing | LegState::Ringing);
        }
        if self.head.answered_by.is_none() {
            let leg = &self.legs[winner];
            let member = leg.extension().to_owned();
            let name = name(&member);
            self.head.answered_by = Some(Answered { leg: leg.view.id.clone(), member, name });
            self.news.changed = true;
        }
        self.answered(now);
    }

    /// Somebody has answered, or the switch itself.
    pub fn answered(&mut self, now: Now) {
        if self.head.answered_us.is_none() {
            self.head.answered_us = Some(self.at(now));
            self.answered_at_us = Some(now.monotonic_us);
            self.head.state = CallState::Answered;
            self.news.answered = true;
        }
    }

    /// Caller and called party hear each other.
    pub fn bridged(&mut self, now: Now) {
        self.answered(now);
        if self.head.state == CallState::Answered {
            self.head.state = CallState::Bridged;
            self.news.bridged = true;
        }
    }

    /// They no longer do. Nothing is said: what comes next says more.
    pub fn unbridged(&mut self) {
        if matches!(self.head.state, CallState::Bridged | CallState::Held) {
            self.head.state = CallState::Answered;
        }
    }

    /// A party holds, or no longer; the leg, if it is one.
    pub fn held(&mut self, leg: Option<usize>, held: bool) {
        let (from, to) = if held { (CallState::Bridged, CallState::Held) } else { (CallState::Held, CallState::Bridged) };
        let (leg_from, leg_to) = if held { (LegState::Up, LegState::Held) } else { (LegState::Held, LegState::Up) };
        if self.head.state == from {
            self.head.state = to;
            if held { self.news.held = true } else { self.news.bridged = true }
        }
        if let Some(leg) = leg.and_then(|leg| self.legs.get_mut(leg)).filter(|leg| leg.view.state == leg_from) {
            leg.view.state = leg_to;
            self.news.changed = true;
        }
    }

    /// It was given to somebody else.
    pub fn transferred(&mut self, to: &str) {
        if self.head.transferred_to.as_deref() != Some(to) {
            self.head.transferred_to = Some(to.to_owned());
            self.news.transferred = true;
        }
    }

    /// A leg is over. Why, in the switch's word; the first word stays, but for one that says nothing.
    pub fn leg_ended(&mut self, leg: usize, cause: Option<&str>, outcome: Option<Disposition>, now: Now) {
        let at = self.at(now);
        let dropped = matches!(cause, Some("CANCEL" | "LOSE_RACE"));
        let place = leg;
        let another_is_up = self.legs.iter().enumerate().any(|(other, leg)| other != place && leg.view.state == LegState::Up);
        let Some(leg) = self.legs.get_mut(leg) else { return };
        leg.outcome = leg.outcome.or(outcome);
        if leg.is_live() {
            // both switches drop the others before they say who has won
            leg.lost |= dropped && another_is_up;
            let was_shown = leg.is_shown();
            leg.view.state = LegState::Ended;
            leg.view.ended_us = Some(at);
            leg.view.cause = cause.map(str::to_owned);
            self.news.changed |= was_shown || leg.is_shown();
        }
    }

    /// Members of a decision: each leg is given its own.
    pub fn members(&mut self, members: &[Member]) {
        for leg in self.legs.iter_mut().filter(|leg| leg.view.member.is_none()) {
            if let Some(id) = member_of(&leg.dial, &leg.view.number, members) {
                leg.view.member = Some(id);
                self.news.changed |= leg.is_shown();
            }
        }
        for place in 0..self.legs.len() {
            let inherited = self.legs[place].via.and_then(|via| self.legs.get(via)).and_then(|proxy| proxy.view.member.clone());
            let leg = &mut self.legs[place];
            if leg.view.member.is_none() && inherited.is_some() {
                leg.view.member = inherited;
                self.news.changed |= leg.is_shown();
            }
        }
        if let Some(answered) = &mut self.head.answered_by
            && let Some(leg) = self.legs.iter().find(|leg| leg.view.id == answered.leg)
            && leg.extension() != answered.member
        {
            answered.member = leg.extension().to_owned();
            self.news.changed = true;
        }
    }

    /// It is over.
    pub fn finish(&mut self, given_up: Option<&str>, now: Now) {
        for leg in 0..self.legs.len() {
            self.leg_ended(leg, None, None, now);
        }
        self.finish_head(given_up, now);
    }

    /// The same, while its legs go on elsewhere.
    pub fn finish_head(&mut self, given_up: Option<&str>, now: Now) {
        let disposition = if given_up.is_some() { Disposition::Unknown } else { self.disposition() };
        let cause = given_up.map(str::to_owned).or_else(|| self.end.take().map(|(cause, _)| cause).filter(|cause| !cause.is_empty()));
        let us = now.monotonic_us.saturating_sub(self.began_us);
        let talk_us = self.answered_at_us.map_or(0, |at| now.monotonic_us.saturating_sub(at));
        let ended_us = self.at(now);
        let head = &mut self.head;
        head.state = CallState::Ended;
        head.ended_us = Some(ended_us);
        head.duration_ms = Some(us / 1_000);
        head.talk_ms = Some(talk_us / 1_000);
        head.disposition = Some(disposition);
        head.cause = cause;
    }

    fn disposition(&self) -> Disposition {
        if self.head.answered_us.is_some() {
            return Disposition::Answered;
        }
        let any = |outcome| self.legs.iter().any(|leg| leg.outcome == Some(outcome));
        let by_legs = [Disposition::Cancelled, Disposition::NoAnswer, Disposition::Busy, Disposition::Failed];
        let by_legs = by_legs.into_iter().find(|outcome| any(*outcome));
        let by_end = self.end.as_ref().and_then(|(_, said)| *said);
        self.came_out.or(by_legs).or(by_end).unwrap_or(Disposition::Failed)
    }

    /// Takes another call in: its legs, channels and names.
    pub fn take_in(&mut self, mut other: Call) {
        let places = self.legs.len();
        for mut leg in other.legs.drain(..) {
            leg.via = leg.via.map(|via| via + places);
            self.legs.push(leg);
        }
        self.channels.append(&mut other.channels);
        self.ids.append(&mut other.ids);
        self.let_out.append(&mut other.let_out);
        self.news.changed = true;
    }

    /// Who has answered, if that wasn't said yet.
    pub fn new_answerer(&mut self) -> Option<String> {
        let member = self.head.answered_by.as_ref().map(|answered| &answered.member)?;
        if self.answerer.as_ref() == Some(member) {
            return None;
        }
        self.answerer = Some(member.clone());
        self.answerer.clone()
    }

    /// Whether it has as many legs as are kept.
    pub fn is_full(&self, legs_max: usize) -> bool {
        self.legs.len() >= legs_max
    }
}

/// Whose leg it is by a decision: the dial string tells, else the number, where only one member has it.
pub(super) fn member_of(dial: &str, number: &str, members: &[Member]) -> Option<String> {
    let by_dial = members.iter().find(|member| is_leg(dial, &member.leg));
    let has_number = |member: &&Member| !number.is_empty() && (member.id == number || dialled(&member.leg) == dialled(dial));
    let by_number = || {
        let mut found = members.iter().filter(has_number);
        found.next().filter(|_| found.next().is_none())
    };
    by_dial.or_else(by_number).map(|member| member.id.clone())
}
