//! The block and allow lists, one entry at a time.

use super::desk::{Desk, PAGE_MAX, Refusal, bad, parse_number, read_step};
use super::request::{ListKey, Reply};
use super::views::ScreenView;
use crate::number::{ClassError, Country};
use crate::plan::{ItemDraft, ScreenDraft, StepDraft};
use crate::routing::{List, PlanItem, PlanKey, Prefix, Screen, ScreenKey};
use crate::store::{Edit, PlanSort};

impl Desk {
    pub(super) fn screen_ls(&self, tenant: &str, list: List, after: Option<&ListKey>) -> Result<Reply, Refusal> {
        self.tenant(tenant)?;
        let after = after.map(|key| self.screen_key(tenant, key)).transpose()?.map(|key| PlanKey::Screen(list, key));
        let found = self.store.items_with_revisions(tenant, PlanSort::Screen, Some(list), after.as_ref(), PAGE_MAX)?;
        let screen = |(revision, item)| match item {
            PlanItem::Screen(screen) => Some((revision, screen)),
            _ => None,
        };
        let screens: Vec<(u64, Screen)> = found.into_iter().filter_map(screen).collect();
        let next = screens.last().filter(|_| screens.len() == PAGE_MAX).map(|(_, screen)| match &screen.key {
            ScreenKey::Number(n) => ListKey::Number(n.to_string()),
            ScreenKey::Prefix(p) => ListKey::Prefix(p.to_string()),
            ScreenKey::Withheld => ListKey::Anonymous,
            ScreenKey::Country(code) => ListKey::Country(code.clone()),
            ScreenKey::Class(class) => ListKey::Class(class.to_string()),
            ScreenKey::Verification(v) => ListKey::Verification(v.word().to_owned()),
            ScreenKey::Rate => ListKey::Rate(String::new()),
        });
        Ok(Reply::Screens { screens: screens.iter().map(|(revision, screen)| ScreenView::of(*revision, screen)).collect(), next })
    }

    pub(super) fn screen_key(&self, tenant: &str, key: &ListKey) -> Result<ScreenKey, Refusal> {
        let plan = &self.tenant(tenant)?.plan;
        Ok(match key {
            ListKey::Number(text) => ScreenKey::Number(parse_number(plan, text)?),
            ListKey::Prefix(text) => ScreenKey::Prefix(Prefix::parse(text, plan)?),
            ListKey::Anonymous => ScreenKey::Withheld,
            ListKey::Country(text) => ScreenKey::Country(text.parse::<Country>().map_err(Refusal::BadInput)?.code()),
            ListKey::Class(text) => ScreenKey::Class(text.parse().map_err(|e: ClassError| Refusal::BadInput(e.to_string()))?),
            ListKey::Verification(text) => ScreenKey::Verification(text.parse().map_err(Refusal::BadInput)?),
            ListKey::Rate(_) => ScreenKey::Rate,
        })
    }

    pub(super) fn screen_set(&self, tenant: &str, list: List, key: &ListKey, action: Option<&str>) -> Result<Reply, Refusal> {
        let rules = self.tenant(tenant)?;
        if list == List::Allow && *key == ListKey::Anonymous {
            return bad("callers who withhold their number are let through unless the block list says otherwise; use block rm --anonymous");
        }
        // the text of the step is read by itself, so that what is wrong with it is said in its own words
        let action = action.map(|text| read_step(rules, text)).transpose()?.map(|step| StepDraft(step.to_string()));
        let mut draft = ScreenDraft { action, ..ScreenDraft::default() };
        match key.clone() {
            ListKey::Number(text) => draft.number = Some(text),
            ListKey::Prefix(text) => draft.prefix = Some(text),
            ListKey::Anonymous => draft.anonymous = true,
            ListKey::Country(text) => draft.country = Some(text),
            ListKey::Class(text) => draft.class = Some(text),
            ListKey::Verification(text) => draft.verification = Some(text),
            ListKey::Rate(text) => draft.rate = Some(text),
        }
        let draft = if list == List::Allow { ItemDraft::Allow(draft) } else { ItemDraft::Block(draft) };
        let item = draft.check(rules, None).map_err(|wrong| Refusal::BadInput(wrong.to_string()))?;
        let notes = match &item {
            PlanItem::Screen(Screen { key: ScreenKey::Number(number), .. }) => self.note(tenant, number),
            _ => None,
        };
        self.edit_with(tenant, Edit::Put(item), notes.into_iter().collect())
    }
}
