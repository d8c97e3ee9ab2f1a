//! Drafts of entries of the block and allow lists, read as their tenant reads them.

use super::check::{number, step};
use super::draft::ScreenDraft;
use super::mistake::Mistakes;
use crate::number::{Class, Country, Kind, NumberPlan};
use crate::routing::{Action, CallerRate, List, Prefix, Screen, ScreenKey, Step, Tenant, Verification};

impl ScreenDraft {
    pub(super) fn check(&self, tenant: &Tenant, list: List) -> Result<Screen, Mistakes> {
        let mut wrong = Mistakes::default();
        let keys = self.keys(&tenant.plan, &mut wrong);
        let rate: Option<CallerRate> = self.rate.as_ref().and_then(|text| wrong.kept("rate", text.parse()));
        let fields = [&self.number, &self.prefix, &self.country, &self.class, &self.verification, &self.rate];
        let said = fields.into_iter().flatten().count() + usize::from(self.anonymous);
        if said != 1 {
            wrong.wrong("", "an entry is about one of number, prefix, country, class, verification, anonymous and rate");
        }
        let key = keys.into_iter().next().or(rate.map(|_| ScreenKey::Rate));
        if let Some(key) = key.as_ref().filter(|key| list == List::Allow && is_for_blocking(key)) {
            wrong.wrong("", format!("the allow list is for number, prefix and country; callers are let through unless the block list says otherwise, so remove {key} there"));
        }
        let action = self.action.as_ref().and_then(|draft| wrong.kept("action", checked_action(list, step(tenant, draft))));
        let screen = key.map(|key| Screen { list, key, action, rate });
        wrong.none_of(screen)
    }

    fn keys(&self, plan: &NumberPlan, wrong: &mut Mistakes) -> Vec<ScreenKey> {
        let mut keys = Vec::new();
        if let Some(text) = &self.number {
            let read = number(plan, text).and_then(|number| match number.kind() {
                Kind::Emergency => Err(format!("{number} is an emergency number, whose calls back are never screened")),
                _ => Ok(ScreenKey::Number(number)),
            });
            keys.extend(wrong.kept("number", read));
        }
        if let Some(text) = &self.prefix {
            let read = Prefix::parse(text, plan).map_err(|e| e.to_string()).and_then(|prefix| {
                let emergency = (prefix.kind != Kind::E164).then(|| plan.emergency_shadowed_by_prefix(&prefix.digits)).flatten();
                match emergency {
                    Some(emergency) => Err(format!("{prefix} is the emergency number {emergency}, whose calls back are never screened")),
                    None => Ok(ScreenKey::Prefix(prefix)),
                }
            });
            keys.extend(wrong.kept("prefix", read));
        }
        if let Some(text) = &self.country {
            keys.extend(wrong.kept("country", text.parse::<Country>()).map(|country| ScreenKey::Country(country.code())));
        }
        if let Some(text) = &self.class {
            keys.extend(wrong.kept("class", text.parse::<Class>()).map(ScreenKey::Class));
        }
        if let Some(text) = &self.verification {
            keys.extend(wrong.kept("verification", text.parse::<Verification>()).map(ScreenKey::Verification));
        }
        if self.anonymous {
            keys.push(ScreenKey::Withheld);
        }
        keys
    }
}

/// Keys that the allow list has no use for: whoever isn't blocked is let through.
fn is_for_blocking(key: &ScreenKey) -> bool {
    matches!(key, ScreenKey::Withheld | ScreenKey::Class(_) | ScreenKey::Verification(_) | ScreenKey::Rate)
}

fn checked_action(list: List, step: Result<Step, String>) -> Result<Step, String> {
    if list == List::Allow {
        return Err("action is for the block list; allowed callers get the route's answer".to_owned());
    }
    match step? {
        Step { action: Action::Ring(_), .. } => {
            Err("a group can't be rung for a blocked caller; name telephones with dial:, or a route".to_owned())
        }
        step => Ok(step),
    }
}
