//! Steps: what is done with a call, one after the other.

use crate::nearest::did_you_mean;
use crate::number::{Kind, Number, NumberError, NumberPlan};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The most targets that one step rings at once.
pub const TARGETS_MAX: usize = 32;
/// The longest word in a step (mailbox, queue, sound, context, …), in bytes.
pub const WORD_BYTES_MAX: usize = 80;
/// The longest time to ring, in seconds.
pub const TIMEOUT_SECONDS_MAX: u16 = 3600;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub action: Action,
    /// How long to ring; `None` means the configuration's default.
    pub timeout_seconds: Option<u16>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Ring all targets at once; the first to answer wins.
    Dial {
        /// Extensions and numbers, as the tenant reads them.
        targets: Vec<Number>,
        /// The trunk for numbers; `None` means the configuration's.
        trunk: Option<String>,
    },
    /// A mailbox.
    Voicemail(String),
    /// A queue.
    Queue(String),
    /// A conference room.
    Conference(String),
    /// Play a sound.
    Playback(String),
    /// Go on elsewhere in the dialplan.
    Goto {
        /// The context.
        context: String,
        /// The extension.
        extension: String,
        /// The priority or its label.
        priority: String,
    },
    /// Busy tone.
    Busy,
    /// Congestion tone.
    Congestion,
    /// Hang up.
    Hangup,
    /// No opinion: the dialplan's own default.
    Continue,
    /// Ring a group, by its id.
    Ring(String),
    /// Play a sound and let through whoever presses 1: for callers on the block list.
    Challenge(String),
}

impl Action {
    /// The word of `STROWGER_ACTION`.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Dial { .. } => "dial",
            Action::Voicemail(_) => "voicemail",
            Action::Queue(_) => "queue",
            Action::Conference(_) => "conference",
            Action::Playback(_) => "playback",
            Action::Goto { .. } => "goto",
            Action::Busy => "busy",
            Action::Congestion => "congestion",
            Action::Hangup => "hangup",
            Action::Continue => "continue",
            // what the switch does is the same
            Action::Ring(_) => "dial",
            Action::Challenge(_) => "challenge",
        }
    }
}

/// The kinds of step, for error messages and suggestions.
pub const STEP_KINDS: &[&str] =
    &["dial", "ring", "voicemail", "queue", "conference", "playback", "goto", "busy", "congestion", "hangup", "continue", "challenge"];

/// The words of `STROWGER_ACTION`.
pub const ACTION_WORDS: &[&str] =
    &["dial", "voicemail", "queue", "conference", "playback", "goto", "busy", "congestion", "hangup", "continue", "challenge"];

/// What is wrong with a step.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepError {
    /// A kind that doesn't exist.
    #[error(
        "{kind:?} is no kind of step{suggestion}; the kinds are dial, ring, voicemail, queue, conference, playback, goto, busy, congestion, hangup and continue, and challenge for blocked callers"
    )]
    Kind {
        /// What was typed.
        kind: String,
        /// `; did you mean …?` or nothing.
        suggestion: String,
    },
    /// A kind that needs an argument.
    #[error("{0} needs an argument, such as {1}")]
    Missing(&'static str, &'static str),
    /// A kind that takes none.
    #[error("{0} takes no argument")]
    Surplus(&'static str),
    /// A key that doesn't exist.
    #[error("{0:?} is no key of a {1} step; use {2}")]
    Key(String, &'static str, &'static str),
    /// A word with characters that a dialplan would read as its own.
    #[error("the {what} {text:?} can't be used; write 1 to 80 of {allowed}")]
    Word {
        /// Which word.
        what: &'static str,
        /// What was typed.
        text: String,
        /// What may be in it.
        allowed: &'static str,
    },
    /// A time that isn't one.
    #[error("timeout={0:?} is no number of seconds from 1 to 3600")]
    Timeout(String),
    /// A target that isn't a number.
    #[error("the target {text:?} {error}")]
    Target {
        /// What was typed.
        text: String,
        /// Why not.
        error: NumberError,
    },
    /// A target that is more than one number, or less.
    #[error("the target {0:?} is not one number as it is dialled; separate targets with commas")]
    TargetText(String),
    /// A target of a kind that can't be rung.
    #[error("the target {0:?} is {1}, which can't be rung")]
    TargetKind(String, &'static str),
    /// Too many targets.
    #[error("{0} targets are more than 32")]
    TooManyTargets(usize),
    /// A prefix that isn't one.
    #[error("{0:?} is no prefix; write + and digits for public numbers (+1415), or digits for extensions (10)")]
    Prefix(String),
    /// A prefix as it is dialled inside the country.
    #[error(
        "{0:?} is a prefix as dialled inside the country, and numbers are compared with their country code; write + and the country code, such as +49900 for Germany's 0900"
    )]
    NationalPrefix(String),
    /// A national number where no country is known.
    #[error("the target {0:?} can't be told from an extension's name; write + and the country code, or set the tenant's country")]
    NationalTarget(String),
    /// A fallback that takes data to carry out.
    #[error("{0:?} can't be a fallback, which is said when nothing can be looked up; name telephones with dial:, or another kind of step")]
    Fallback(String),
    /// A challenge where nobody is screened.
    #[error("challenge is for callers on the block list; write --action challenge:SOUND there")]
    Challenge,
    /// Too many steps, or none.
    #[error("a route has 1 to 16 steps, not {0}")]
    StepCount(usize),
}

const WORD: &str = "A-Z a-z 0-9 _ . @ -";

/// Whether a text is one word to a dialplan, `also` with these characters.
pub(super) fn is_word(text: &str, also: &str) -> bool {
    (1..=WORD_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@' | b'-') || also.as_bytes().contains(&b))
}

fn word(what: &'static str, text: &str, also: &str, allowed: &'static str) -> Result<String, StepError> {
    if is_word(text, also) { Ok(text.to_owned()) } else { Err(StepError::Word { what, text: text.to_owned(), allowed }) }
}

impl Step {
    /// A step without a time.
    pub fn of(action: Action) -> Step {
        Step { action, timeout_seconds: None }
    }

    /// Refuses what can't be a fallback.
    ///
    /// # Errors
    /// [`StepError::Fallback`].
    pub fn check_fallback(self) -> Result<Step, StepError> {
        match self.action {
            Action::Ring(_) | Action::Challenge(_) => Err(StepError::Fallback(self.to_string())),
            _ => Ok(self),
        }
    }

    /// Reads `KIND[:ARG[,ARG]…][,key=value]…`, such as `dial:101,+14155550111,timeout=20`.
    ///
    /// # Errors
    /// [`StepError`] says what is wrong and what would be right.
    pub fn parse(text: &str, plan: &NumberPlan) -> Result<Step, StepError> {
        let (kind, rest) = match text.split_once([':', ',']) {
            Some((kind, _)) => (kind, text[kind.len() + 1..].trim()),
            None => (text, ""),
        };
        let (mut args, mut timeout_seconds, mut trunk) = (Vec::new(), None, None);
        for part in rest.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match part.split_once('=') {
                None => args.push(part),
                Some(("timeout", value)) => {
                    let seconds = value.parse().ok().filter(|s| (1..=TIMEOUT_SECONDS_MAX).contains(s));
                    timeout_seconds = Some(seconds.ok_or_else(|| StepError::Timeout(value.to_owned()))?);
                }
                Some(("trunk", value)) if kind == "dial" => trunk = Some(word("trunk", value, "/", WORD)?),
                Some((key, _)) => {
                    let (kind, keys) = if kind == "dial" { ("dial", "timeout= or trunk=") } else { ("such a", "timeout=") };
                    return Err(StepError::Key(key.to_owned(), kind, keys));
                }
            }
        }
        let action = Action::parse(kind.trim(), &args, trunk, plan)?;
        Ok(Step { action, timeout_seconds })
    }
}

impl Action {
    fn parse(kind: &str, args: &[&str], trunk: Option<String>, plan: &NumberPlan) -> Result<Action, StepError> {
        let one = |kind: &'static str, example: &'static str, also: &str, allowed: &'static str| match args {
            [] => Err(StepError::Missing(kind, example)),
            [arg] => word(kind, arg, also, allowed),
            _ => Err(StepError::Word { what: kind, text: args.join(","), allowed }),
        };
        let none = |kind: &'static str, action: Action| if args.is_empty() { Ok(action) } else { Err(StepError::Surplus(kind)) };
        match kind {
            "dial" => dial(args, trunk, plan),
            "ring" => one("ring", "ring:family", "", WORD).map(Action::Ring),
            "challenge" => one("challenge", "challenge:press-1", "/", "A-Z a-z 0-9 _ . @ - /").map(Action::Challenge),
            "voicemail" => one("voicemail", "voicemail:199", "", WORD).map(Action::Voicemail),
            "queue" => one("queue", "queue:support", "", WORD).map(Action::Queue),
            "conference" => one("conference", "conference:1000", "", WORD).map(Action::Conference),
            "playback" => one("playback", "playback:office-closed", "/", "A-Z a-z 0-9 _ . @ - /").map(Action::Playback),
            "goto" => match args {
                [context, extension, priority] => Ok(Action::Goto {
                    context: word("context", context, "", WORD)?,
                    extension: word("extension", extension, "+*#", "A-Z a-z 0-9 _ . @ - + * #")?,
                    priority: word("priority", priority, "", WORD)?,
                }),
                _ => Err(StepError::Missing("goto", "goto:from-internal,101,1")),
            },
            "busy" => none("busy", Action::Busy),
            "congestion" => none("congestion", Action::Congestion),
            "hangup" => none("hangup", Action::Hangup),
            "continue" => none("continue", Action::Continue),
            other => {
                let suggestion = did_you_mean(other, STEP_KINDS.iter().copied());
                Err(StepError::Kind { kind: other.to_owned(), suggestion })
            }
        }
    }
}

/// Refuses what was typed as a telephone to ring and is none, or more than one.
///
/// # Errors
/// [`StepError`] says what it is instead.
pub(super) fn check_target(number: &Number, text: &str) -> Result<(), StepError> {
    // "101 102" and "101/102" are two telephones to whoever typed them, not extension 101102
    let is_plain = match number.kind() {
        Kind::Extension => text == number.digits(),
        _ => !text.contains([';', '@', '/', '<']),
    };
    if !is_plain {
        return Err(StepError::TargetText(text.to_owned()));
    }
    match number.kind() {
        Kind::E164 | Kind::Extension | Kind::ShortCode | Kind::Emergency => Ok(()),
        Kind::FeatureCode => Err(StepError::TargetKind(text.to_owned(), "a feature code")),
        // a SIP user name; whatever a dialplan could read as its own never gets in
        Kind::Opaque => {
            word("target", number.digits(), "+", "A-Z a-z 0-9 _ . @ - +")?;
            if number.digits().bytes().all(|b| b.is_ascii_digit()) {
                return Err(StepError::NationalTarget(text.to_owned()));
            }
            if number.digits().contains('@') {
                return Err(StepError::TargetKind(text.to_owned(), "an address with a host"));
            }
            Ok(())
        }
    }
}

fn dial(args: &[&str], trunk: Option<String>, plan: &NumberPlan) -> Result<Action, StepError> {
    if args.is_empty() {
        return Err(StepError::Missing("dial", "dial:101 or dial:101,+14155550111,timeout=20"));
    }
    if args.len() > TARGETS_MAX {
        return Err(StepError::TooManyTargets(args.len()));
    }
    let mut targets: Vec<Number> = Vec::with_capacity(args.len());
    for text in args {
        let number = plan.parse(text).map_err(|error| StepError::Target { text: (*text).to_owned(), error })?;
        check_target(&number, text)?;
        if !targets.contains(&number) {
            targets.push(number);
        }
    }
    Ok(Action::Dial { targets, trunk })
}

impl fmt::Display for Step {
    /// The text that [`Step::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self.action, Action::Ring(_)) { "ring" } else { self.action.word() })?;
        match &self.action {
            Action::Dial { targets, trunk } => {
                for (i, target) in targets.iter().enumerate() {
                    write!(f, "{}{target}", if i == 0 { ':' } else { ',' })?;
                }
                if let Some(trunk) = trunk {
                    write!(f, ",trunk={trunk}")?;
                }
            }
            Action::Voicemail(a)
            | Action::Queue(a)
            | Action::Conference(a)
            | Action::Playback(a)
            | Action::Ring(a)
            | Action::Challenge(a) => {
                write!(f, ":{a}")?;
            }
            Action::Goto { context, extension, priority } => write!(f, ":{context},{extension},{priority}")?,
            Action::Busy | Action::Congestion | Action::Hangup | Action::Continue => {}
        }
        match self.timeout_seconds {
            Some(seconds) => write!(f, ",timeout={seconds}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Prefix;

    fn parse(text: &str) -> Result<Step, StepError> {
        Step::parse(text, &NumberPlan::new("US".parse().ok()))
    }

    #[test]
    fn a_step_is_shown_as_it_can_be_typed() {
        for text in [
            "dial:101",
            "dial:101,102,+14155550111,timeout=20",
            "dial:+14155550111,trunk=carrier-a",
            "dial:alice",
            "voicemail:199",
            "voicemail:199@family",
            "queue:support,timeout=300",
            "conference:1000",
            "playback:custom/office-closed",
            "goto:from-internal,101,1",
            "busy",
            "congestion",
            "hangup",
            "continue",
            "ring:family,timeout=25",
            "challenge:custom/press-1,timeout=8",
        ] {
            assert_eq!(parse(text).map(|s| s.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(parse("dial:(415) 555-0111,timeout=5").map(|s| s.to_string()), Ok("dial:+14155550111,timeout=5".into()));
        assert_eq!(parse("busy,timeout=5").map(|s| s.to_string()), Ok("busy,timeout=5".into()));
    }

    #[test]
    fn every_kind_of_step_has_a_word_for_the_dialplans() {
        let texts = STEP_KINDS.iter().map(|kind| match *kind {
            "goto" => "goto:c,e,1".to_owned(),
            "busy" | "congestion" | "hangup" | "continue" => (*kind).to_owned(),
            kind => format!("{kind}:101"),
        });
        let words: std::collections::BTreeSet<&str> = texts.map(|text| parse(&text).expect("a step").action.word()).collect();
        assert_eq!(words, ACTION_WORDS.iter().copied().collect());
    }

    #[test]
    fn nothing_that_a_dialplan_reads_as_its_own_gets_into_a_step() {
        for text in [
            "dial:101&102",
            "dial:101 102",
            "dial:101/102",
            "dial:101;rm",
            "dial:${EXTEN}",
            "dial:Local/1@x",
            "dial:a|b",
            "dial:alice@example.com",
            "dial:*21",
            "voicemail:1 2",
            "voicemail:${X}",
            "playback:a&b",
            "goto:a,b(c),1",
            "queue:a\nb",
            "dial:101,trunk=a,trunk=b&c",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_step_says_what_would_be_right() {
        let error = |text: &str| parse(text).expect_err(text).to_string();
        assert!(error("dail:101").contains("did you mean dial?"));
        assert!(error("dial").contains("dial:101"));
        assert!(error("dial:101,tiemout=3").contains("timeout= or trunk="));
        assert!(error("dial:101,timeout=soon").contains("1 to 3600"));
        assert!(error("busy:now").contains("takes no argument"));
        assert!(error("goto:a").contains("goto:from-internal,101,1"));
        let plan = NumberPlan::new("DE".parse().ok());
        let prefix = |text: &str| Prefix::parse(text, &plan).map(|p| p.to_string());
        assert!(prefix("+0").is_err());
        assert_eq!(prefix("+1 (415)"), Ok("+1415".to_owned()));
        assert_eq!(prefix("10"), Ok("10".to_owned()));
        assert!(prefix("0900").expect_err("national").to_string().contains("+49900"));
        let nowhere = Step::parse("dial:03012345678,trunk=carrier", &NumberPlan::new(None)).expect_err("national");
        assert!(nowhere.to_string().contains("set the tenant's country"));
    }
}
