//! A dialplan as mod_dialplan_xml reads it: contexts, extensions, conditions, and the hunt through them.
//!
//! From the source of mod_dialplan_xml: actions are collected while hunting and run afterwards, but inline ones run at
//! once; actions of a condition that matched stay collected even if a later condition of the same extension fails.

use super::text::{Names, expand};
use regex::Regex;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// Whether hunting an extension ends with this condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    OnFalse,
    OnTrue,
    Always,
    Never,
}

#[derive(Debug, Clone)]
pub struct Action {
    pub application: String,
    pub data: String,
    pub inline: bool,
}

#[derive(Debug, Clone)]
pub struct Condition {
    /// A field of the caller's profile, or a text with `${variable}`; none matches always.
    pub field: Option<String>,
    pub expression: String,
    pub ends: Break,
    pub actions: Vec<Action>,
    pub anti_actions: Vec<Action>,
}

#[derive(Debug, Clone)]
pub struct Extension {
    pub name: String,
    pub goes_on: bool,
    pub conditions: Vec<Condition>,
}

/// Extensions by context, in order.
pub type Contexts = BTreeMap<String, Vec<Extension>>;

/// What a hunt asks of the channel.
pub trait Hunter: Names {
    /// A field of the profile that is hunted for.
    fn field(&self, name: &str) -> Option<String>;
    /// Runs an inline action.
    fn inline(&mut self, application: &str, data: &str);
}

/// Applications that may run while hunting, as the source marks them.
pub const INLINE: [&str; 5] = ["set", "unset", "multiset", "export", "cidlookup"];

/// The actions that a hunt through extensions collects; `None` if nothing matched.
pub fn hunt(hunter: &mut dyn Hunter, extensions: &[Extension]) -> Option<Vec<(String, String)>> {
    let (mut collected, mut any) = (Vec::new(), false);
    for extension in extensions {
        let proceeds = hunt_one(hunter, extension, &mut collected, &mut any);
        if proceeds && !extension.goes_on {
            break;
        }
    }
    any.then_some(collected)
}

fn hunt_one(hunter: &mut dyn Hunter, extension: &Extension, collected: &mut Vec<(String, String)>, any: &mut bool) -> bool {
    let mut proceeds = false;
    for condition in &extension.conditions {
        let expression = expand(hunter, &condition.expression);
        let subject = condition
            .field
            .as_ref()
            .map(|field| if field.contains('$') { expand(hunter, field) } else { hunter.field(field).unwrap_or_default() });
        let captures = match &subject {
            None => Some(Vec::new()),
            Some(subject) => matched(&expression, subject),
        };
        proceeds = captures.is_some();
        let (actions, groups) = match &captures {
            Some(groups) => (&condition.actions, groups.as_slice()),
            None => (&condition.anti_actions, &[][..]),
        };
        for action in actions {
            let data = if expression.contains('(') && captures.is_some() { substituted(&action.data, groups) } else { action.data.clone() };
            *any = true;
            if action.inline {
                assert!(INLINE.contains(&action.application.as_str()), "{} cannot run inline", action.application);
                hunter.inline(&action.application, &data);
            } else {
                collected.push((action.application.clone(), data));
            }
            proceeds = true;
        }
        let ends = match condition.ends {
            Break::OnFalse => captures.is_none(),
            Break::OnTrue => captures.is_some(),
            Break::Always => true,
            Break::Never => false,
        };
        if ends {
            break;
        }
    }
    proceeds
}

thread_local! {
    /// Expressions that were met before: compiling one costs more than all else that a hunt does.
    static KNOWN: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

/// The groups of a match, the whole match first. Not anchored.
fn matched(expression: &str, subject: &str) -> Option<Vec<String>> {
    KNOWN.with_borrow_mut(|known| {
        let compile = || Regex::new(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
        let regex = known.entry(expression.to_owned()).or_insert_with(compile);
        let captures = regex.captures(subject)?;
        Some(captures.iter().map(|group| group.map(|g| g.as_str().to_owned()).unwrap_or_default()).collect())
    })
}

/// `$1` and the others put in.
fn substituted(data: &str, groups: &[String]) -> String {
    let (mut out, mut rest) = (String::new(), data);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match rest[..digits].parse::<usize>() {
            Ok(number) => {
                out.push_str(groups.get(number).map(String::as_str).unwrap_or_default());
                rest = &rest[digits..];
            }
            Err(_) => {
                out.push('$');
                // the character behind it is copied with it, even a dollar sign
                if let Some(next) = rest.chars().next() {
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
    }
    out + rest
}

/// What the preprocessor does to a file: `X-PRE-PROCESS set`, then `$${global}` put in.
pub fn preprocessed(text: &str, globals: &mut BTreeMap<String, String>) -> String {
    let set = Regex::new(r#"<X-PRE-PROCESS\s+cmd="set"\s+data="([^="]+)=([^"]*)"\s*/>"#).unwrap();
    let global = Regex::new(r"\$\$\{([^}]*)\}").unwrap();
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let known = |found: &regex::Captures<'_>| globals.get(&found[1]).cloned().unwrap_or_default();
        let line = global.replace_all(line, known).into_owned();
        if let Some(found) = set.captures(&line) {
            globals.insert(found[1].to_owned(), found[2].to_owned());
        }
        out.push_str(&set.replace_all(&line, ""));
    }
    out
}

/// Reads contexts below a node; extensions outside of any context belong to `outer`, as where a context includes a
/// directory of files.
pub fn contexts(node: roxmltree::Node<'_, '_>, outer: &str) -> Contexts {
    let mut contexts = Contexts::new();
    for child in node.descendants().filter(|n| n.is_element()) {
        match child.tag_name().name() {
            "context" => {
                contexts.entry(attribute(child, "name")).or_default();
            }
            "extension" => {
                let context = child.ancestors().find(|n| n.has_tag_name("context")).map(|n| attribute(n, "name"));
                contexts.entry(context.unwrap_or_else(|| outer.to_owned())).or_default().push(extension(child));
            }
            _ => {}
        }
    }
    contexts
}

fn attribute(node: roxmltree::Node<'_, '_>, name: &str) -> String {
    node.attribute(name).unwrap_or_default().to_owned()
}

fn extension(node: roxmltree::Node<'_, '_>) -> Extension {
    let conditions = node.children().filter(|n| n.has_tag_name("condition")).map(condition).collect();
    Extension { name: attribute(node, "name"), goes_on: attribute(node, "continue") == "true", conditions }
}

fn condition(node: roxmltree::Node<'_, '_>) -> Condition {
    let actions = |tag: &str| node.children().filter(|n| n.has_tag_name(tag)).map(action).collect();
    let ends = match node.attribute("break") {
        None | Some("on-false") => Break::OnFalse,
        Some("on-true") => Break::OnTrue,
        Some("always") => Break::Always,
        Some("never") => Break::Never,
        Some(other) => panic!("break={other}: there is none such"),
    };
    assert!(!node.children().any(|n| n.has_tag_name("condition")), "nested conditions: not in this fake");
    Condition {
        field: node.attribute("field").map(str::to_owned),
        expression: attribute(node, "expression"),
        ends,
        actions: actions("action"),
        anti_actions: actions("anti-action"),
    }
}

fn action(node: roxmltree::Node<'_, '_>) -> Action {
    let text = node.text().unwrap_or_default().to_owned();
    let data = if text.is_empty() { attribute(node, "data") } else { text };
    Action { application: attribute(node, "application"), data, inline: attribute(node, "inline") == "true" }
}
