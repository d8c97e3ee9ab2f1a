//! A step as it is written in a plan: `{ ring = "family" }`, or the text that the command line takes.

use crate::nearest::did_you_mean;
use crate::routing::{Action, Step};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A step as typed text: `dial:101,102,timeout=20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDraft(pub String);

/// Kinds with one word as their argument.
const WITH_WORD: &[&str] = &["ring", "voicemail", "queue", "conference", "playback", "goto", "challenge"];
/// Kinds without one.
const ALONE: &[&str] = &["busy", "congestion", "hangup", "continue"];
/// Every key of a step that is written as a table.
const KEYS: &[&str] = &[
    "dial",
    "ring",
    "voicemail",
    "queue",
    "conference",
    "playback",
    "goto",
    "challenge",
    "busy",
    "congestion",
    "hangup",
    "continue",
    "timeout_seconds",
    "trunk",
];

impl From<&Step> for StepDraft {
    fn from(step: &Step) -> StepDraft {
        StepDraft(step.to_string())
    }
}

impl Serialize for StepDraft {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for StepDraft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<StepDraft, D::Error> {
        deserializer.deserialize_any(AsStep)
    }
}

struct AsStep;

/// One target, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Targets {
    One(String),
    Many(Vec<String>),
}

impl<'de> Visitor<'de> for AsStep {
    type Value = StepDraft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a step, such as { ring = \"family\" } or \"dial:101,timeout=20\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StepDraft, E> {
        Ok(StepDraft(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepDraft, A::Error> {
        let (mut head, mut timeout, mut trunk) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let said = match key.as_str() {
                "timeout_seconds" => {
                    timeout = Some(map.next_value::<u64>()?);
                    continue;
                }
                "trunk" => {
                    trunk = Some(map.next_value::<String>()?);
                    continue;
                }
                "dial" => match map.next_value::<Targets>()? {
                    Targets::One(target) => format!("dial:{target}"),
                    Targets::Many(targets) => format!("dial:{}", targets.join(",")),
                },
                kind if WITH_WORD.contains(&kind) => format!("{kind}:{}", map.next_value::<String>()?),
                kind if ALONE.contains(&kind) => {
                    if !map.next_value::<bool>()? {
                        return Err(A::Error::custom(format!("{kind} = false is no step; leave it out")));
                    }
                    kind.to_owned()
                }
                other => {
                    let hint = did_you_mean(other, KEYS.iter().copied());
                    return Err(A::Error::custom(format!("{other:?} is no key of a step{hint}; the keys are {}", KEYS.join(", "))));
                }
            };
            if head.replace(said).is_some() {
                return Err(A::Error::custom("a step does one thing; write two steps"));
            }
        }
        let head = head.ok_or_else(|| A::Error::custom("a step without what to do, such as ring = \"family\""))?;
        let timeout = timeout.map(|t| format!(",timeout={t}")).unwrap_or_default();
        let trunk = trunk.map(|t| format!(",trunk={t}")).unwrap_or_default();
        Ok(StepDraft(format!("{head}{trunk}{timeout}")))
    }
}

/// A step as a table of TOML: `{ dial = ["101", "102"], timeout_seconds = 20 }`.
pub(super) fn table(step: &Step) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut parts = vec![match &step.action {
        Action::Dial { targets, .. } => {
            let targets: Vec<String> = targets.iter().map(|t| quoted(&t.to_string())).collect();
            format!("dial = [{}]", targets.join(", "))
        }
        Action::Ring(a) => format!("ring = {}", quoted(a)),
        Action::Voicemail(a) => format!("voicemail = {}", quoted(a)),
        Action::Queue(a) => format!("queue = {}", quoted(a)),
        Action::Conference(a) => format!("conference = {}", quoted(a)),
        Action::Playback(a) => format!("playback = {}", quoted(a)),
        Action::Challenge(a) => format!("challenge = {}", quoted(a)),
        Action::Goto { context, extension, priority } => format!("goto = {}", quoted(&format!("{context},{extension},{priority}"))),
        Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => format!("{} = true", step.action.word()),
    }];
    if let Action::Dial { trunk: Some(trunk), .. } = &step.action {
        parts.push(format!("trunk = {}", quoted(trunk)));
    }
    parts.extend(step.timeout_seconds.map(|seconds| format!("timeout_seconds = {seconds}")));
    format!("{{ {} }}", parts.join(", "))
}
