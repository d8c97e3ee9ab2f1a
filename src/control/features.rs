//! What extensions' users switch themselves: by star code, or over HTTP.

use super::desk::{Desk, Refusal, again_if_stale, bad, parse_number};
use super::request::Reply;
use crate::cti::{CallView, LegView};
use crate::journal::{Journal, Query};
use crate::number::{Kind, Number};
use crate::routing::{Data, Extension, Feature, ForwardWhich, List, PlanItem, PlanKey, Screen, ScreenKey, Tenant};
use crate::store::{By, Edit};
use crate::wish::{Granted, Wish};
use serde::{Deserialize, Deserializer};

/// Calls that are looked at for the last one who called: those in between were the extension's own.
const CALLS_LOOKED_AT: usize = 50;

/// What is to be changed of an extension. What isn't named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionPatch {
    /// Do not disturb.
    #[serde(default)]
    pub dnd: Option<bool>,
    /// Where all calls go; JSON's `null` (`Some(None)`) takes it back.
    #[serde(default, deserialize_with = "named")]
    pub forward_always: Option<Option<String>>,
    /// Where a call goes that finds it busy.
    #[serde(default, deserialize_with = "named")]
    pub forward_busy: Option<Option<String>>,
    /// Where a call goes that nobody answers.
    #[serde(default, deserialize_with = "named")]
    pub forward_no_answer: Option<Option<String>>,
    /// Where a call goes while it can't be reached.
    #[serde(default, deserialize_with = "named")]
    pub forward_unavailable: Option<Option<String>>,
}

/// A key that stands there, with `null` or a number.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

impl Desk {
    /// Grants what a call wishes, in its extension's name.
    pub fn grant(&mut self, wish: &Wish) -> Granted {
        self.who =
            By::new(format!("extension {} by {}", wish.extension, wish.code), format!("star code {} from {}", wish.code, wish.extension));
        match self.switch(&wish.tenant, &wish.extension, &wish.feature) {
            Ok(true) => Granted::On,
            Ok(false) => Granted::Off,
            Err(Refusal::NotFound(why) | Refusal::BadInput(why)) => Granted::Refused(why),
            Err(Refusal::Store(error)) => Granted::Failed(error.to_string()),
            Err(Refusal::Journal(why)) => Granted::Failed(why),
            Err(Refusal::Stale(_) | Refusal::Overtaken { .. } | Refusal::Batch { .. }) => {
                Granted::Failed("it was changed by somebody else at the same time".to_owned())
            }
        }
    }

    /// Switches a feature; comes back with whether it is on now.
    fn switch(&self, tenant: &str, extension: &Number, feature: &Feature) -> Result<bool, Refusal> {
        match feature {
            Feature::DndOn => self.change(tenant, extension, |e| e.dnd = true).map(|e| e.dnd),
            Feature::DndOff => self.change(tenant, extension, |e| e.dnd = false).map(|e| e.dnd),
            Feature::DndToggle => self.change(tenant, extension, |e| e.dnd = !e.dnd).map(|e| e.dnd),
            Feature::Forward { which, to } => {
                self.change(tenant, extension, |e| *forward(e, *which) = to.clone())?;
                Ok(to.is_some())
            }
            Feature::Night { code, state, hours } => self.night(tenant, code, *state, *hours),
            Feature::BlockLast => self.block_last(tenant, extension).map(|()| true),
        }
    }

    /// Changes what is said of an extension.
    pub(super) fn extension_patch(&self, tenant: &str, number: &str, patch: &ExtensionPatch) -> Result<Extension, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        let extension = parse_number(plan, number)?;
        let mut forwards = Vec::new();
        for (which, to) in [
            (ForwardWhich::Always, &patch.forward_always),
            (ForwardWhich::Busy, &patch.forward_busy),
            (ForwardWhich::NoAnswer, &patch.forward_no_answer),
            (ForwardWhich::Unavailable, &patch.forward_unavailable),
        ] {
            if let Some(to) = to {
                forwards.push((which, to.as_deref().map(|to| parse_number(plan, to)).transpose()?));
            }
        }
        self.change(tenant, &extension, |e| {
            e.dnd = patch.dnd.unwrap_or(e.dnd);
            for (which, to) in &forwards {
                forward(e, *which).clone_from(to);
            }
        })
    }

    /// Reads an extension, changes it and writes it, anew where somebody else was faster.
    fn change(&self, tenant: &str, number: &Number, change: impl Fn(&mut Extension)) -> Result<Extension, Refusal> {
        again_if_stale(|| self.try_change(tenant, number, &change))
    }

    /// What is new of its forwards has to be permitted.
    fn try_change(&self, tenant: &str, number: &Number, change: &impl Fn(&mut Extension)) -> Result<Extension, Refusal> {
        let rules = self.tenant(tenant)?;
        let before = match self.store.item(tenant, &PlanKey::Extension(number.clone()))? {
            Some(PlanItem::Extension(extension)) => extension,
            _ => Extension::of(number.clone()),
        };
        let mut after = before.clone();
        change(&mut after);
        let after = after.check().map_err(|e| Refusal::BadInput(e.to_string()))?;
        for ((which, to), (_, was)) in after.forwards().into_iter().zip(before.forwards()) {
            if let Some(to) = to.filter(|to| Some(*to) != was) {
                check_permitted(rules, &after, which, to)?;
            }
        }
        self.check_references(tenant, &PlanItem::Extension(after.clone()))?;
        // of a new one the revision is 0, which is that of one that isn't there
        self.edit(tenant, Edit::Over(before.revision, Box::new(Edit::Put(PlanItem::Extension(after.clone())))))?;
        Ok(after)
    }

    /// The last one who called the extension isn't let through any more.
    fn block_last(&self, tenant: &str, extension: &Number) -> Result<(), Refusal> {
        let rules = self.tenant(tenant)?;
        let journal = self.observed.as_ref().and_then(|observed| observed.journal.as_ref());
        let Some(journal) = journal else {
            return bad("who called last is not known; calls are journalled where a [[switch]] is configured");
        };
        let Some(last) = last_caller(journal, tenant, &extension.to_string())? else {
            return Err(Refusal::NotFound(format!("nobody with a number has called {extension} lately")));
        };
        let number = parse_number(&rules.plan, &last)?;
        match number.kind() {
            Kind::Emergency => return bad(format!("{number} is an emergency number, and never blocked")),
            Kind::Extension | Kind::ShortCode | Kind::FeatureCode => {
                return bad(format!("{number} is one of the house's own, and not blocked by star code"));
            }
            Kind::E164 | Kind::Opaque => {}
        }
        let store = self.store.reader();
        let is_allowed = |data: &dyn Data| match (data.screen_number(List::Allow, &number)?, number.region()) {
            (None, Some(country)) => data.screen(List::Allow, &ScreenKey::Country(country.to_owned())),
            (found, _) => Ok(found),
        };
        let allowed = store.in_snapshot(tenant, is_allowed).unwrap_or_else(|| store.on_disk(tenant, is_allowed));
        if allowed.map_err(|error| Refusal::Journal(error.to_string()))?.is_some() {
            return bad(format!("{number} is on the allow list, which wins"));
        }
        self.edit(tenant, Edit::PutScreen(Screen { list: List::Block, key: ScreenKey::Number(number), action: None, rate: None })).map(drop)
    }
}

fn forward(extension: &mut Extension, which: ForwardWhich) -> &mut Option<Number> {
    match which {
        ForwardWhich::Always => &mut extension.forward_always,
        ForwardWhich::Busy => &mut extension.forward_busy,
        ForwardWhich::NoAnswer => &mut extension.forward_no_answer,
        ForwardWhich::Unavailable => &mut extension.forward_unavailable,
    }
}

/// Whether an extension may send its calls there: where it may call itself.
fn check_permitted(rules: &Tenant, extension: &Extension, which: &str, to: &Number) -> Result<(), Refusal> {
    let class = rules.plan.class_of(to);
    let permitted = extension.permissions.as_ref().unwrap_or(&rules.permissions);
    if permitted.contains(&class) {
        return Ok(());
    }
    bad(format!("forward-{which}: {to} is of the class {class}, which {} may not call; add it to its permissions first", extension.number))
}

/// The number of the last call to an extension that has one.
fn last_caller(journal: &Journal, tenant: &str, extension: &str) -> Result<Option<String>, Refusal> {
    let query = Query { tenant: tenant.to_owned(), number: Some(extension.to_owned()), limit: CALLS_LOOKED_AT, ..Query::default() };
    let page = journal.read(&query).map_err(|error| Refusal::Journal(error.to_string()))?;
    let is_to = |call: &CallView| {
        let rang = |leg: &LegView| leg.member.as_deref() == Some(extension) || leg.number == extension;
        call.from.number != extension && (call.to == extension || call.legs.iter().any(rang))
    };
    let has_number = |call: &&CallView| is_to(call) && !call.from.withheld && !call.from.number.is_empty();
    Ok(page.calls.iter().find(has_number).map(|call| call.from.number.clone()))
}

/// What an edit of an extension is answered with, where JSON is spoken.
pub(super) fn extension_json(extension: &Extension) -> serde_json::Value {
    let forwards = extension
        .forwards()
        .into_iter()
        .map(|(which, to)| (format!("forward_{}", which.replace('-', "_")), to.map(ToString::to_string).into()));
    let own = [("number".to_owned(), extension.number.to_string().into()), ("dnd".to_owned(), extension.dnd.into())];
    own.into_iter().chain(forwards).collect::<serde_json::Map<String, serde_json::Value>>().into()
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::from(Err(refusal))
    }
}
