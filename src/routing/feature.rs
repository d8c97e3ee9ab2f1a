//! Star codes: what an extension's user dials to switch something, and what it is.
//!
//! A code begins with `*` or `#`, so that none can stand for a number that somebody has to reach. The longest code that
//! what was dialled begins with counts; what follows it has to be what that code takes, and nothing more.

use crate::number::{Kind, Number, NumberError, NumberPlan};
use crate::routing::render::Switch;
use thiserror::Error;

/// The longest code, in characters.
pub const CODE_CHARS_MAX: usize = 8;
/// The longest code of a schedule, in digits.
const SCHEDULE_DIGITS_MAX: usize = 4;
/// The most hours that a schedule is switched for: a week.
pub const NIGHT_HOURS_MAX: u8 = 168;

/// Which forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardWhich {
    /// Of every call.
    Always,
    /// Of a call that finds it busy.
    Busy,
    /// Of a call that nobody answers.
    NoAnswer,
    /// Of a call while the telephone can't be reached.
    Unavailable,
}

impl ForwardWhich {
    /// The word, as in `forward-busy`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ForwardWhich::Always => "always",
            ForwardWhich::Busy => "busy",
            ForwardWhich::NoAnswer => "no-answer",
            ForwardWhich::Unavailable => "unavailable",
        }
    }
}

/// How something is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switched {
    /// On.
    On,
    /// Off.
    Off,
    /// To what it isn't.
    Toggle,
}

/// What is to be switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feature {
    /// Do not disturb.
    DndOn,
    /// Disturb again.
    DndOff,
    /// One or the other.
    DndToggle,
    /// A forward to a number, or (`None`) no longer.
    Forward {
        /// Which.
        which: ForwardWhich,
        /// Where to.
        to: Option<Number>,
    },
    /// A schedule is closed by hand, or goes by the clock again.
    Night {
        /// The schedule, by its code.
        code: String,
        /// How.
        state: Switched,
        /// For so long; for good if nobody says.
        hours: Option<u8>,
    },
    /// The number that called last isn't let through any more.
    BlockLast,
}

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFor {
    /// [`Feature::DndOn`].
    DndOn,
    /// [`Feature::DndOff`].
    DndOff,
    /// [`Feature::DndToggle`].
    DndToggle,
    /// A forward; a number follows.
    Forward(ForwardWhich),
    /// No forward any more.
    ForwardOff(ForwardWhich),
    /// [`Feature::Night`]; the schedule's code follows, and perhaps `*` and hours.
    Night,
    /// [`Feature::BlockLast`].
    BlockLast,
}

/// Every code's key in the configuration, and what it is where nobody says: those that FreePBX has made usual.
pub const CODES: &[(CodeFor, &str, &str)] = &[
    (CodeFor::DndOn, "dnd_on", "*78"),
    (CodeFor::DndOff, "dnd_off", "*79"),
    (CodeFor::DndToggle, "dnd_toggle", "*76"),
    (CodeFor::Forward(ForwardWhich::Always), "forward_always", "*72"),
    (CodeFor::ForwardOff(ForwardWhich::Always), "forward_always_off", "*73"),
    (CodeFor::Forward(ForwardWhich::Busy), "forward_busy", "*90"),
    (CodeFor::ForwardOff(ForwardWhich::Busy), "forward_busy_off", "*91"),
    (CodeFor::Forward(ForwardWhich::NoAnswer), "forward_no_answer", "*52"),
    (CodeFor::ForwardOff(ForwardWhich::NoAnswer), "forward_no_answer_off", "*53"),
    (CodeFor::Forward(ForwardWhich::Unavailable), "forward_unavailable", "*94"),
    (CodeFor::ForwardOff(ForwardWhich::Unavailable), "forward_unavailable_off", "*95"),
    (CodeFor::Night, "night", "*28"),
    (CodeFor::BlockLast, "block_last", "*32"),
];

/// What is heard when a code was dialled, on one switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sounds {
    /// Something is on now.
    pub on: String,
    /// Something is off now.
    pub off: String,
    /// It could not be switched.
    pub refused: String,
}

impl Sounds {
    /// What every installation of a switch has: Asterisk's own sounds; FreeSWITCH's may not be installed, its tones are.
    #[must_use]
    pub fn of(switch: Switch) -> Sounds {
        let sounds = |on: &str, off: &str, refused: &str| Sounds { on: on.into(), off: off.into(), refused: refused.into() };
        match switch {
            Switch::Asterisk => sounds("activated", "de-activated", "beeperr"),
            // rising, falling, and the tone of a number that can't be reached
            Switch::Freeswitch => sounds(
                "tone_stream://%(150,50,440);%(300,0,660)",
                "tone_stream://%(150,50,660);%(300,0,440)",
                "tone_stream://%(274,0,913.8);%(274,0,1370.6);%(380,0,1776.7)",
            ),
        }
    }
}

/// A tenant's star codes, and what is heard. [`Features::default`] has the usual ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    codes: Vec<(String, CodeFor)>,
    /// On Asterisk.
    pub asterisk: Sounds,
    /// On FreeSWITCH.
    pub freeswitch: Sounds,
}

impl Default for Features {
    fn default() -> Features {
        let codes = CODES.iter().map(|(what, _, code)| ((*code).to_owned(), *what)).collect();
        Features { codes, asterisk: Sounds::of(Switch::Asterisk), freeswitch: Sounds::of(Switch::Freeswitch) }
    }
}

/// What is wrong with a code, or with what was dialled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeatureError {
    /// A code that can't be one.
    #[error("{0:?} can't be a star code; begin with * or #, and write 1 to 7 of 0-9 * # behind it (an empty text switches the code off)")]
    Code(String),
    /// One code for two things.
    #[error("{code} is {other} already; every code is for one thing")]
    Twice {
        /// The code.
        code: String,
        /// The key that has it.
        other: &'static str,
    },
    /// No code that anybody knows.
    #[error("{0} is no star code here")]
    Unknown(String),
    /// Something behind a code that takes nothing.
    #[error("{code} takes nothing behind it, and {junk:?} was dialled there")]
    Junk {
        /// The code.
        code: String,
        /// What was dialled behind it.
        junk: String,
    },
    /// Nothing behind a code that takes a number.
    #[error("{0} takes a number behind it")]
    NoNumber(String),
    /// Something that is no number.
    #[error("the number behind {code} {error}")]
    Number {
        /// The code.
        code: String,
        /// What is wrong with it.
        error: NumberError,
    },
    /// A number that nothing may be forwarded to.
    #[error("{0} is an emergency number or a star code, and no place to forward calls to")]
    NotATarget(Number),
    /// Something that is no schedule's code.
    #[error("{0} takes a schedule's code of 1 to 4 digits behind it, and perhaps * and 1 to 168 hours")]
    Schedule(String),
}

impl Features {
    /// The same with another code for something; an empty one switches it off.
    ///
    /// # Errors
    /// [`FeatureError::Code`].
    pub fn with_code(mut self, what: CodeFor, code: &str) -> Result<Features, FeatureError> {
        let fits = code.starts_with(['*', '#'])
            && (2..=CODE_CHARS_MAX).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
        if !code.is_empty() && !fits {
            return Err(FeatureError::Code(code.to_owned()));
        }
        self.codes.retain(|(_, known)| *known != what);
        if !code.is_empty() {
            self.codes.push((code.to_owned(), what));
        }
        Ok(self)
    }

    /// Whether every code is for one thing.
    ///
    /// # Errors
    /// [`FeatureError::Twice`].
    pub fn check(self) -> Result<Features, FeatureError> {
        for (n, (code, _)) in self.codes.iter().enumerate() {
            if let Some((_, what)) = self.codes[n + 1..].iter().find(|(other, _)| other == code) {
                let other = CODES.iter().find(|(known, ..)| known == what).map_or("", |(_, key, _)| key);
                return Err(FeatureError::Twice { code: code.clone(), other });
            }
        }
        Ok(self)
    }

    /// The code for something, if there is one.
    #[must_use]
    pub fn code(&self, what: CodeFor) -> Option<&str> {
        self.codes.iter().find(|(_, known)| *known == what).map(|(code, _)| code.as_str())
    }

    /// What is heard on a switch.
    #[must_use]
    pub fn sounds(&self, switch: Switch) -> &Sounds {
        match switch {
            Switch::Asterisk => &self.asterisk,
            Switch::Freeswitch => &self.freeswitch,
        }
    }

    /// Reads what was dialled, code and all: what is to be switched, and by which code.
    ///
    /// # Errors
    /// [`FeatureError`]; a wrong guess at what was meant would forward calls or leave them unheard, so there is none.
    pub fn read(&self, dialled: &str, plan: &NumberPlan) -> Result<(Feature, &str), FeatureError> {
        let begins = self.codes.iter().filter(|(code, _)| dialled.starts_with(code.as_str()));
        let Some((code, what)) = begins.max_by_key(|(code, _)| code.len()) else {
            return Err(FeatureError::Unknown(dialled.chars().take(CODE_CHARS_MAX).collect()));
        };
        let rest = &dialled[code.len()..];
        let alone = |feature: Feature| match rest {
            "" => Ok(feature),
            junk => Err(FeatureError::Junk { code: code.clone(), junk: junk.to_owned() }),
        };
        let feature = match *what {
            CodeFor::DndOn => alone(Feature::DndOn)?,
            CodeFor::DndOff => alone(Feature::DndOff)?,
            CodeFor::DndToggle => alone(Feature::DndToggle)?,
            CodeFor::BlockLast => alone(Feature::BlockLast)?,
            CodeFor::ForwardOff(which) => alone(Feature::Forward { which, to: None })?,
            CodeFor::Forward(which) => Feature::Forward { which, to: Some(target(code, rest, plan)?) },
            CodeFor::Night => night(code, rest)?,
        };
        Ok((feature, code))
    }
}

fn target(code: &str, rest: &str, plan: &NumberPlan) -> Result<Number, FeatureError> {
    if rest.is_empty() {
        return Err(FeatureError::NoNumber(code.to_owned()));
    }
    if rest.contains(['*', '#']) {
        return Err(FeatureError::Junk { code: code.to_owned(), junk: rest.to_owned() });
    }
    let number = plan.parse(rest).map_err(|error| FeatureError::Number { code: code.to_owned(), error })?;
    match number.kind() {
        Kind::Emergency | Kind::FeatureCode => Err(FeatureError::NotATarget(number)),
        _ => Ok(number),
    }
}

fn night(code: &str, rest: &str) -> Result<Feature, FeatureError> {
    let wrong = || FeatureError::Schedule(code.to_owned());
    let (schedule, hours) = rest.split_once('*').map_or((rest, None), |(schedule, hours)| (schedule, Some(hours)));
    let is_code = (1..=SCHEDULE_DIGITS_MAX).contains(&schedule.len()) && schedule.bytes().all(|b| b.is_ascii_digit());
    if !is_code {
        return Err(wrong());
    }
    let read =
        |text: &str| text.parse().ok().filter(|hours| text.bytes().all(|b| b.is_ascii_digit()) && (1..=NIGHT_HOURS_MAX).contains(hours));
    let hours = hours.map(|text| read(text).ok_or_else(wrong)).transpose()?;
    Ok(Feature::Night { code: schedule.to_owned(), state: Switched::Toggle, hours })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan() -> NumberPlan {
        NumberPlan::new("US".parse().ok())
    }

    fn read(dialled: &str) -> Result<Feature, FeatureError> {
        Features::default().read(dialled, &plan()).map(|(feature, _)| feature)
    }

    fn forward(which: ForwardWhich, to: &str) -> Feature {
        Feature::Forward { which, to: (!to.is_empty()).then(|| plan().parse(to).unwrap()) }
    }

    #[test]
    fn the_usual_codes_are_what_people_know_them_as() {
        let night = |code: &str, hours| Feature::Night { code: code.into(), state: Switched::Toggle, hours };
        for (dialled, feature) in [
            ("*78", Feature::DndOn),
            ("*79", Feature::DndOff),
            ("*76", Feature::DndToggle),
            ("*724155550111", forward(ForwardWhich::Always, "+14155550111")),
            ("*72+4930123456", forward(ForwardWhich::Always, "+4930123456")),
            ("*72102", forward(ForwardWhich::Always, "102")),
            ("*73", forward(ForwardWhich::Always, "")),
            ("*900114930123456", forward(ForwardWhich::Busy, "+4930123456")),
            ("*91", forward(ForwardWhich::Busy, "")),
            ("*52102", forward(ForwardWhich::NoAnswer, "102")),
            ("*53", forward(ForwardWhich::NoAnswer, "")),
            ("*94102", forward(ForwardWhich::Unavailable, "102")),
            ("*95", forward(ForwardWhich::Unavailable, "")),
            ("*281", night("1", None)),
            ("*281234*8", night("1234", Some(8))),
            ("*28007*168", night("007", Some(168))),
            ("*32", Feature::BlockLast),
        ] {
            assert_eq!(read(dialled), Ok(feature), "{dialled}");
        }
    }

    #[test]
    fn a_code_with_junk_behind_it_switches_nothing() {
        for dialled in [
            "*781",
            "*78#",
            "*78*78",
            "*73102",
            "*72",
            "*72*78",
            "*72102#",
            "*72102*5",
            "*72+",
            "*28",
            "*28*",
            "*28*5",
            "*2812345",
            "*281*",
            "*281*0",
            "*281*169",
            "*281*+5",
            "*281*5*5",
            "*281#",
            "*32+14155550111",
            "*91*",
            "*72911",
        ] {
            assert!(read(dialled).is_err(), "{dialled}: {:?}", read(dialled));
        }
        for dialled in ["", "78", "102", "*", "*1", "#78", "**78", "+*78"] {
            assert!(matches!(read(dialled), Err(FeatureError::Unknown(_))), "{dialled}");
        }
    }

    #[test]
    fn the_longest_code_counts_and_one_that_is_switched_off_is_none() {
        let features = Features::default()
            .with_code(CodeFor::Forward(ForwardWhich::Always), "*7")
            .and_then(|f| f.with_code(CodeFor::DndOff, ""))
            .and_then(Features::check)
            .unwrap();
        let read = |dialled: &str| features.read(dialled, &plan()).map(|(feature, code)| (feature, code.to_owned()));
        assert_eq!(read("*78"), Ok((Feature::DndOn, "*78".into())));
        assert_eq!(read("*7102"), Ok((forward(ForwardWhich::Always, "102"), "*7".into())));
        // what is left of it is a number now
        assert_eq!(read("*79"), Ok((forward(ForwardWhich::Always, "9"), "*7".into())));
        assert_eq!((features.code(CodeFor::DndOff), features.code(CodeFor::DndOn)), (None, Some("*78")));
    }

    #[test]
    fn a_code_can_be_no_number_that_somebody_has_to_reach_and_no_two_are_alike() {
        for code in ["112", "911", "1", "*", "*78 ", "*12345678", "*7a", "+78", "78*"] {
            let wrong = Features::default().with_code(CodeFor::DndOn, code);
            assert!(matches!(wrong, Err(FeatureError::Code(_))), "{code}");
        }
        let twice = Features::default().with_code(CodeFor::DndOn, "*32").and_then(Features::check);
        assert!(matches!(&twice, Err(FeatureError::Twice { code, .. }) if code == "*32"), "{twice:?}");
        assert!(Features::default().check().is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_dialled_is_one_feature_or_refused_with_a_reason(dialled in "[*#+0-9]{0,20}|\\PC{0,20}") {
            if let Err(error) = read(&dialled) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
