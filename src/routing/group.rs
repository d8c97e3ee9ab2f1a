//! Ring groups: who rings for a called number, and in which order.
//!
//! The strategies' names and meanings are those of Asterisk's queues and FreePBX's ring groups, where people know them
//! from.

use super::step::{TARGETS_MAX, TIMEOUT_SECONDS_MAX, check_target, is_word};
use crate::directory::{NAME_BYTES_MAX, check_id};
use crate::nearest::did_you_mean;
use crate::number::{Kind, Number, NumberPlan};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most members of one group: what one dial string may ring at once.
pub const MEMBERS_MAX: usize = TARGETS_MAX;
/// The deepest that groups may stand in groups.
pub const GROUP_DEPTH_MAX: usize = 8;
/// The heaviest weight.
pub const WEIGHT_MAX: u16 = 1000;
/// The longest that a member may be kept from ringing, in seconds.
pub const DELAY_SECONDS_MAX: u16 = 300;

/// In which order a group's members ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// All at once.
    Ringall,
    /// One after the other, from the first.
    Hunt,
    /// The first, then the first two, then the first three, ….
    Memoryhunt,
    /// One after the other, in a new order for each call.
    Random,
    /// The same, and heavier members come earlier more often.
    Weighted,
    /// One after the other, beginning behind the member that the last call began with.
    Rrmemory,
    /// One after the other, beginning with the member that was rung longest ago.
    Leastrecent,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: &'static [Strategy] = &[
        Strategy::Ringall,
        Strategy::Hunt,
        Strategy::Memoryhunt,
        Strategy::Random,
        Strategy::Weighted,
        Strategy::Rrmemory,
        Strategy::Leastrecent,
    ];

    /// The word that people type.
    pub fn word(self) -> &'static str {
        match self {
            Strategy::Ringall => "ringall",
            Strategy::Hunt => "hunt",
            Strategy::Memoryhunt => "memoryhunt",
            Strategy::Random => "random",
            Strategy::Weighted => "weighted",
            Strategy::Rrmemory => "rrmemory",
            Strategy::Leastrecent => "leastrecent",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Strategy {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Strategy, GroupError> {
        Strategy::ALL
            .iter()
            .copied()
            .find(|s| s.word() == text)
            .ok_or_else(|| GroupError::Strategy { text: text.to_owned(), hint: did_you_mean(text, Strategy::ALL.iter().map(|s| s.word())) })
    }
}

/// Who is rung: a telephone, or another group's members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberTarget {
    /// An extension or an outside number.
    Number(Number),
    /// Another group, by its id.
    Group(String),
}

impl fmt::Display for MemberTarget {
    /// The number, or the group's id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberTarget::Number(number) => number.fmt(f),
            MemberTarget::Group(id) => f.write_str(id),
        }
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who is rung.
    pub target: MemberTarget,
    /// The member's name, for people.
    pub name: Option<String>,
    /// Seconds before he rings.
    pub delay_seconds: u16,
    /// Seconds that he rings; `None` is the group's.
    pub timeout_seconds: Option<u16>,
    /// How much he counts where the strategy is `weighted`, 1 to 1000.
    pub weight: u16,
    /// Whether he has to press 1 before the call is his, so that a mobile's voicemail can't steal it.
    pub confirm: bool,
    /// The trunk for an outside number; `None` is the configuration's.
    pub trunk: Option<String>,
}

/// A ring group. [`Group::check`] is the way to make one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: Option<String>,
    /// In which order the members ring.
    pub strategy: Strategy,
    /// Seconds that a member rings (all of them, where all ring at once), unless the step says another time; `None` is the
    /// configuration's.
    pub timeout_seconds: Option<u16>,
    /// In their order; at least one.
    pub members: Vec<Member>,
    /// The store's revision that made it what it is.
    pub revision: u64,
}

/// What is wrong with a group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroupError {
    /// An id that can't be a key.
    #[error("the group's id {0:?} can't be used; write 1 to 64 of A-Z a-z 0-9 _ . @ - and begin with a letter or digit")]
    Id(String),
    /// A strategy that doesn't exist.
    #[error("{text:?} is no strategy{hint}; the strategies are ringall, hunt, memoryhunt, random, weighted, rrmemory and leastrecent")]
    Strategy {
        /// What was typed.
        text: String,
        /// `; did you mean …?` or nothing.
        hint: String,
    },
    /// Too many members, or none.
    #[error("a group has 1 to {MEMBERS_MAX} members, not {0}; put groups into groups for more")]
    MemberCount(usize),
    /// A member without a number.
    #[error("the member {0:?} has no number; give it extension=, number= or group=")]
    NoNumber(String),
    /// A member with several.
    #[error("the member {0:?} has more than one of extension=, number= and group=")]
    TwoNumbers(String),
    /// A number that can't be rung.
    #[error("the member's number {text:?} {why}")]
    Number {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key that doesn't exist.
    #[error(
        "the member {member:?} has {key:?}{hint}; the keys are extension, number, group, name, delay, timeout, weight, confirm and trunk"
    )]
    Key {
        /// The member as typed.
        member: String,
        /// The key.
        key: String,
        /// `; did you mean …?` or nothing.
        hint: String,
    },
    /// A value out of its range.
    #[error("{key}={value:?} of the member {member:?} is not {range}")]
    Range {
        /// The member as typed.
        member: String,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What would be right.
        range: &'static str,
    },
    /// A name that can't be kept.
    #[error("the name {0:?} can't be used; write at most 256 bytes on one line")]
    Name(String),
    /// A time out of its range.
    #[error("timeout={0} is no number of seconds from 1 to 3600")]
    Timeout(u16),
    /// The same member twice.
    #[error("the member {0} stands there twice")]
    Twice(String),
    /// A group in itself.
    #[error("the group would be a member of itself")]
    Itself,
}

impl Member {
    /// A member with nothing but a target.
    pub fn of(target: MemberTarget) -> Member {
        Member { target, name: None, delay_seconds: 0, timeout_seconds: None, weight: 1, confirm: false, trunk: None }
    }

    /// Reads `extension=101,name=Kitchen` or `number=+14155550111,name=Mom,confirm`.
    ///
    /// # Errors
    /// [`GroupError`] says what is wrong and what would be right.
    pub fn parse(text: &str, plan: &NumberPlan) -> Result<Member, GroupError> {
        let (mut targets, mut member) = (Vec::new(), Member::of(MemberTarget::Group(String::new())));
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').map_or((part, ""), |(k, v)| (k.trim(), v.trim()));
            let range = |key, range| GroupError::Range { member: text.to_owned(), key, value: value.to_owned(), range };
            match key {
                "extension" | "number" => targets.push(MemberTarget::Number(rung_number(value, plan)?)),
                "group" => targets.push(MemberTarget::Group(value.to_owned())),
                "name" => member.name = Some(value.to_owned()).filter(|n| !n.is_empty()),
                "delay" => member.delay_seconds = value.parse().map_err(|_| range("delay", "a number of seconds from 0 to 300"))?,
                "timeout" => {
                    member.timeout_seconds = Some(value.parse().map_err(|_| range("timeout", "a number of seconds from 1 to 3600"))?);
                }
                "weight" => member.weight = value.parse().map_err(|_| range("weight", "a number from 1 to 1000"))?,
                "trunk" => member.trunk = Some(value.to_owned()),
                "confirm" => {
                    member.confirm = match value {
                        "" | "yes" | "true" => true,
                        "no" | "false" => false,
                        _ => return Err(range("confirm", "yes or no")),
                    }
                }
                other => {
                    let keys = ["extension", "number", "group", "name", "delay", "timeout", "weight", "confirm", "trunk"];
                    let hint = did_you_mean(other, keys);
                    return Err(GroupError::Key { member: text.to_owned(), key: other.to_owned(), hint });
                }
            }
        }
        match (targets.pop(), targets.is_empty()) {
            (None, _) => Err(GroupError::NoNumber(text.to_owned())),
            (Some(_), false) => Err(GroupError::TwoNumbers(text.to_owned())),
            (Some(target), true) => {
                member.target = target;
                member.check()
            }
        }
    }

    /// Checks what a member that was put together some other way holds.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn check(self) -> Result<Member, GroupError> {
        let shown = || self.target.to_string();
        let range = |key, value: u16, range| GroupError::Range { member: shown(), key, value: value.to_string(), range };
        match &self.target {
            // every call to the group would be one to the emergency service
            MemberTarget::Number(number) if number.kind() == Kind::Emergency => {
                return Err(GroupError::Number { text: shown(), why: "is an emergency number, which no group rings".to_owned() });
            }
            MemberTarget::Number(number) => {
                check_target(number, &number.to_string()).map_err(|e| GroupError::Number { text: shown(), why: e.to_string() })?;
            }
            MemberTarget::Group(id) => check_id(id).map_err(|_| GroupError::Id(id.clone()))?,
        }
        check_name(self.name.as_deref())?;
        if self.delay_seconds > DELAY_SECONDS_MAX {
            return Err(range("delay", self.delay_seconds, "a number of seconds from 0 to 300"));
        }
        if let Some(seconds) = self.timeout_seconds.filter(|s| !(1..=TIMEOUT_SECONDS_MAX).contains(s)) {
            return Err(range("timeout", seconds, "a number of seconds from 1 to 3600"));
        }
        if !(1..=WEIGHT_MAX).contains(&self.weight) {
            return Err(range("weight", self.weight, "a number from 1 to 1000"));
        }
        if let Some(trunk) = self.trunk.as_deref().filter(|t| !is_word(t, "/")) {
            let value = trunk.to_owned();
            return Err(GroupError::Range { member: shown(), key: "trunk", value, range: "1 to 80 of A-Z a-z 0-9 _ . @ - /" });
        }
        Ok(self)
    }
}

fn rung_number(text: &str, plan: &NumberPlan) -> Result<Number, GroupError> {
    let wrong = |why: String| GroupError::Number { text: text.to_owned(), why };
    let number = plan.parse(text).map_err(|e| wrong(e.to_string()))?;
    check_target(&number, text).map_err(|e| wrong(e.to_string()))?;
    Ok(number)
}

/// A name for people: on one line, and not too long.
fn check_name(name: Option<&str>) -> Result<(), GroupError> {
    match name {
        Some(name) if name.len() > NAME_BYTES_MAX || name.trim().is_empty() || name.chars().any(char::is_control) => {
            Err(GroupError::Name(name.chars().take(40).collect()))
        }
        _ => Ok(()),
    }
}

impl fmt::Display for Member {
    /// The text that [`Member::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            MemberTarget::Group(id) => write!(f, "group={id}")?,
            MemberTarget::Number(n) if n.kind() == Kind::Extension => write!(f, "extension={n}")?,
            MemberTarget::Number(n) => write!(f, "number={n}")?,
        }
        if let Some(name) = &self.name {
            write!(f, ",name={name}")?;
        }
        if self.delay_seconds > 0 {
            write!(f, ",delay={}", self.delay_seconds)?;
        }
        if let Some(seconds) = self.timeout_seconds {
            write!(f, ",timeout={seconds}")?;
        }
        if self.weight != 1 {
            write!(f, ",weight={}", self.weight)?;
        }
        if let Some(trunk) = &self.trunk {
            write!(f, ",trunk={trunk}")?;
        }
        if self.confirm {
            f.write_str(",confirm")?;
        }
        Ok(())
    }
}

impl Group {
    /// Checks every field. That its groups exist, and that none is inside itself, is for whoever knows the others.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(mut self) -> Result<Group, GroupError> {
        check_id(&self.id).map_err(|_| GroupError::Id(self.id.clone()))?;
        check_name(self.name.as_deref())?;
        if let Some(seconds) = self.timeout_seconds.filter(|s| !(1..=TIMEOUT_SECONDS_MAX).contains(s)) {
            return Err(GroupError::Timeout(seconds));
        }
        if !(1..=MEMBERS_MAX).contains(&self.members.len()) {
            return Err(GroupError::MemberCount(self.members.len()));
        }
        self.members = self.members.into_iter().map(Member::check).collect::<Result<_, _>>()?;
        for (n, member) in self.members.iter().enumerate() {
            if self.members[..n].iter().any(|other| other.target == member.target) {
                return Err(GroupError::Twice(member.target.to_string()));
            }
            if member.target == MemberTarget::Group(self.id.clone()) {
                return Err(GroupError::Itself);
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> NumberPlan {
        NumberPlan::new("US".parse().ok())
    }

    #[test]
    fn a_member_is_shown_as_it_can_be_typed() {
        for text in [
            "extension=101",
            "extension=101,name=Kitchen",
            "number=+14155550111,name=Mom,confirm",
            "number=+14155550111,delay=5,timeout=20,weight=3,trunk=carrier,confirm",
            "group=sales,delay=10",
        ] {
            assert_eq!(Member::parse(text, &plan()).map(|m| m.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Member::parse("number=(415) 555-0111", &plan()).map(|m| m.to_string()), Ok("number=+14155550111".into()));
    }

    #[test]
    fn a_wrong_member_says_what_would_be_right() {
        let error = |text: &str| Member::parse(text, &plan()).expect_err(text).to_string();
        assert!(error("name=Mom").contains("has no number; give it extension=, number= or group="));
        assert!(error("").contains("has no number"));
        assert!(error("extension=101,number=+14155550111").contains("more than one"));
        assert!(error("extension=101,wieght=3").contains("did you mean weight?"));
        assert!(error("extension=101,weight=0").contains("1 to 1000"));
        assert!(error("extension=101,delay=301").contains("0 to 300"));
        assert!(error("extension=101,confirm=perhaps").contains("yes or no"));
        assert!(error("extension=101&102").contains("can't be used"));
        assert!(error("number=*21").contains("feature code"));
    }

    #[test]
    fn a_group_in_itself_and_a_member_twice_are_refused() {
        let group = |members: &[&str]| Group {
            id: "family".into(),
            name: None,
            strategy: Strategy::Ringall,
            timeout_seconds: Some(25),
            members: members.iter().map(|m| Member::parse(m, &plan()).expect("a member")).collect(),
            revision: 0,
        };
        assert!(group(&["extension=101", "number=+14155550111"]).check().is_ok());
        assert_eq!(group(&["group=family"]).check(), Err(GroupError::Itself));
        assert_eq!(group(&["extension=101", "extension=101,delay=3"]).check(), Err(GroupError::Twice("101".into())));
        assert_eq!(group(&[]).check(), Err(GroupError::MemberCount(0)));
        assert!("rigall".parse::<Strategy>().expect_err("unknown").to_string().contains("did you mean ringall?"));
    }
}
