//! `request=feature`: a star code is read here, and granted by whoever has a way to the writer. The call asks, and waits for
//! less than a second; what it is told is a sound.

use super::answer::{Answer, Answerer, shown};
use super::request::Ask;
use crate::number::{Kind, Number};
use crate::routing::{Action, Decision, Feature, Question, Reason, Status, Step, Tenant, refusal};
use crate::wish::{Granted, Ungranted, Wish};

impl Answerer {
    /// Answers a star code: on, off or refused, each with its sound. Where it isn't known what became of it the dialplan goes
    /// on.
    pub(super) async fn feature<'a>(&self, ask: &Ask, tenant: &'a Tenant, question: &Question) -> Answer<'a> {
        let sounds = tenant.features.sounds(ask.switch_kind);
        let heard = |sound: &str, reason: Reason| {
            let step = Step::of(Action::Playback(sound.to_owned()));
            Answer::unread(Decision::of(Status::Found, reason, step), Some(tenant))
        };
        let refused = |why: String| {
            let why = self.numbers().text(&why);
            tracing::warn!(
                call_id = shown(&ask.call_id),
                code = shown(&code_of(&question.dialled)),
                why,
                "a star code was refused; nothing was switched"
            );
            heard(&sounds.refused, Reason::FeatureRefused)
        };
        let unknown = |status: Status, reason: Reason, why: &str| {
            tracing::warn!(call_id = shown(&ask.call_id), why, "a star code was not answered in time or not at all; the dialplan goes on");
            Answer::unread(refusal(None, status, reason), Some(tenant))
        };
        let extension = match extension_of(ask, tenant) {
            Ok(extension) => extension,
            Err(why) => return refused(why),
        };
        let (feature, code): (Feature, &str) = match tenant.features.read(&question.dialled, &tenant.plan) {
            Ok(read) => read,
            Err(error) => return refused(error.to_string()),
        };
        let Some(wishes) = self.wishes() else { return unknown(Status::Error, Reason::BadRequest, "nobody grants wishes here") };
        let wish = Wish { tenant: tenant.id.clone(), call_id: ask.call_id.clone(), extension, code: code.to_owned(), feature };
        match wishes.wish(wish).await {
            Ok(Granted::On) => heard(&sounds.on, Reason::FeatureOn),
            Ok(Granted::Off) => heard(&sounds.off, Reason::FeatureOff),
            Ok(Granted::Refused(why)) => refused(why),
            Ok(Granted::Failed(why)) => unknown(Status::Error, Reason::StoreFailed, &why),
            Err(Ungranted::Full) => unknown(Status::Error, Reason::Capacity, "too many star codes wait already"),
            Err(Ungranted::Nobody) => unknown(Status::Error, Reason::Draining, "nobody grants wishes any more"),
            Err(Ungranted::Late) => unknown(Status::Late, Reason::Late, "the edit took too long; it may still be made"),
        }
    }
}

/// Who dials. That he hides his number from others is no secret from his own switch.
fn extension_of(ask: &Ask, tenant: &Tenant) -> Result<Number, String> {
    let number = tenant.plan.parse(&ask.from).map_err(|error| format!("the caller {error}"))?;
    let is_inside = match number.kind() {
        Kind::Extension => true,
        // a SIP user name; digits that nobody can read aren't one
        Kind::Opaque => number.digits().starts_with(char::is_alphabetic) && !crate::number::is_withheld(number.digits()),
        _ => false,
    };
    if is_inside { Ok(number) } else { Err("the caller is no extension; hand one over with from=".to_owned()) }
}

/// What was dialled without the number that may stand in it.
fn code_of(dialled: &str) -> String {
    dialled.chars().take(3).collect()
}
