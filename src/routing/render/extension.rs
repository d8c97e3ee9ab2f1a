//! A decision as a whole extension for FreeSWITCH, which then needs no socket at all (mod_xml_curl, `section=dialplan`).
//!
//! Facts of FreeSWITCH that shaped it:
//!
//! * Every application's argument is expanded, and `multiset` takes its list apart ([`crate::expansion`]). What was
//!   stored never holds `${` when it gets here; the only expansions are the constants below.
//! * A list may choose its delimiter (`^^|`), and a value that holds it is torn apart. XML has no control characters to
//!   offer, so a printable one is chosen that no value holds.
//! * A failed `bridge` goes on only where `continue_on_fail` says so; else the caller gets the callee's cause.
//! * `transfer` hunts again: another fetch, with the step token among the channel's variables. A token that stays on a
//!   channel must not answer for a number that is called later, so it is set for this one fetch, and beside it the
//!   number it is for (`strowger_next`).

use super::{Rendered, VARIABLES, freeswitch};
use crate::expansion::{escaped, is_torn_by_multiset};
use crate::routing::xml::attribute;
use crate::routing::{Action, Decision, DialTemplates};

/// Where the call stands in the switch's dialplan.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The context that is hunted through.
    pub context: &'a str,
    /// The number that is hunted for.
    pub destination: &'a str,
}

/// What is hunted for after a step, where the number that was called can't stand in an argument.
const NEXT: &str = "strowger-next";
/// Delimiters to choose from. None of them is anything to a shell of quotes and escapes.
const DELIMITERS: &str = "|~^;!#%,+*";
/// What a step has set for its own `bridge`, taken away.
const LEFT_OVER: &str = "call_timeout=|hangup_after_bridge=|continue_on_fail=";
/// What stands between originates that ring at once.
const SEVERAL: &str = ":_:";
/// How long a caller who has to press a key is waited for, where the list doesn't say.
const CHALLENGE_SECONDS: u16 = 8;
/// How often an argument is expanded, and what `set` and `multiset` set.
const EXPANSIONS: u32 = 1;
const EXPANSIONS_OF_SET: u32 = 2;
/// Where the token of the next step stands in [`VARIABLES`].
const STEP: &str = "STEP";

/// The decision as a document; `None` where the dialplan's own default is to run.
pub fn freeswitch_extension(decision: &Decision, dial: Option<&DialTemplates>, place: Place<'_>) -> Option<String> {
    let rendered = freeswitch(decision, dial);
    let target = rendered.value("TARGET").unwrap_or_default();
    let has_next = decision.token.is_some();
    let mut actions = Actions::default();
    match &decision.step.action {
        Action::Continue => return None,
        Action::Dial { .. } | Action::Ring(_) if target.is_empty() => return None,
        Action::Dial { .. } | Action::Ring(_) => {
            let timeout = rendered.value("TIMEOUT").unwrap_or_default();
            // without one the caller gets the callee's cause
            let on_fail = if has_next { "true" } else { "" };
            let own = [("call_timeout", timeout), ("hangup_after_bridge", "true"), ("continue_on_fail", on_fail)];
            let options = rendered.value("OPTIONS").unwrap_or_default();
            if target.contains(SEVERAL) {
                // several originates: call_timeout isn't read, the caller hears nothing, and the cause stands elsewhere
                actions.set_all(&rendered, &[&own[..], &[("originate_failed_cause", "")]].concat());
                actions.add("ring_ready", "");
                actions.add("bridge", &format!("<originate_timeout={timeout}>{options}{target}"));
                actions.next(&rendered, "${originate_failed_cause}", place);
            } else {
                actions.set_all(&rendered, &own);
                actions.add("bridge", &format!("{options}{target}"));
                actions.next(&rendered, "${originate_disposition}", place);
            }
        }
        Action::Voicemail(mailbox) => {
            actions.set_all(&rendered, &[("voicemail_message_len", "")]);
            actions.add("answer", "");
            match dial.and_then(|d| d.domain.as_deref()) {
                Some(domain) => actions.add("voicemail", &format!("default {domain} {mailbox}")),
                // the switch's own domain; a mailbox is a word of letters and digits
                None => actions.add_ours("voicemail", &format!("default $${{domain}} {}", attribute(mailbox))),
            }
            // how long the message is; nothing where there is no such box
            actions.next(&rendered, "voicemail${voicemail_message_len}", place);
            actions.add("hangup", "NORMAL_CLEARING");
        }
        Action::Queue(_) => {
            actions.set_all(&rendered, &[("hangup_after_bridge", "true"), ("cc_cause", "")]);
            actions.add("answer", "");
            actions.add("callcenter", target);
            actions.next(&rendered, "${cc_cause}", place);
            actions.add("hangup", "NORMAL_CLEARING");
        }
        Action::Conference(_) => {
            actions.set_all(&rendered, &[]);
            actions.add("answer", "");
            // a room with its profile
            let room = if target.contains('@') { target.to_owned() } else { format!("{target}@default") };
            actions.add("conference", &room);
            actions.add("hangup", "NORMAL_CLEARING");
        }
        Action::Playback(_) => {
            actions.set_all(&rendered, &[]);
            actions.add("answer", "");
            actions.add("playback", target);
            actions.next(&rendered, "SUCCESS", place);
            actions.add("hangup", "NORMAL_CLEARING");
        }
        Action::Challenge(_) => {
            let wait_ms = u32::from(decision.step.timeout_seconds.unwrap_or(CHALLENGE_SECONDS)) * 1000;
            actions.set_all(&rendered, &[("strowger_key", "")]);
            actions.add("answer", "");
            // one digit, once
            actions.add("play_and_get_digits", &format!("1 1 1 {wait_ms} # {target} silence_stream://10 strowger_key 1"));
            actions.next(&rendered, "KEY${strowger_key}", place);
            actions.add("hangup", "CALL_REJECTED");
        }
        Action::Goto { .. } => {
            actions.set_all(&rendered, &[]);
            actions.add("transfer", target);
        }
        Action::Busy => actions.refuse(&rendered, "USER_BUSY"),
        Action::Congestion => actions.refuse(&rendered, "NORMAL_CIRCUIT_CONGESTION"),
        Action::Hangup => actions.refuse(&rendered, "NORMAL_CLEARING"),
    }
    Some(format!(
        "<document type=\"freeswitch/xml\"><section name=\"dialplan\"><context name=\"{}\"><extension name=\"strowger\"><condition>{}</condition></extension></context></section></document>",
        attribute(place.context),
        actions.0
    ))
}

/// Whether a text is one word to `transfer`, none of its options (`-both`), and none that an expansion could begin in.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'*' | b'#' | b'.' | b'_' | b'-'))
}

#[derive(Default)]
struct Actions(String);

impl Actions {
    /// An application with an argument of stored text.
    fn add(&mut self, application: &str, argument: &str) {
        self.add_ours(application, &attribute(argument));
    }

    /// An application with an argument of our own making, ready for an attribute.
    fn add_ours(&mut self, application: &str, argument: &str) {
        self.0.push_str(&format!("<action application=\"{application}\" data=\"{argument}\"/>"));
    }

    /// Every variable of the answer, then some of our own; an empty value takes an older one away.
    fn set_all(&mut self, rendered: &Rendered, own: &[(&str, &str)]) {
        let name = rendered.caller_name.as_deref().filter(|name| !name.is_empty());
        let mut pairs: Vec<(String, &str)> = own.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        pairs.extend(name.map(|name| ("effective_caller_id_name".to_owned(), name)));
        pairs.extend(rendered.caller_number.as_deref().map(|number| ("effective_caller_id_number".to_owned(), number)));
        pairs.push(("strowger_next".to_owned(), ""));
        let answer = VARIABLES.iter().zip(&rendered.values);
        pairs.extend(answer.map(|(name, value)| {
            let value = if *name == STEP { "" } else { value.as_str() };
            (format!("strowger_{}", name.to_ascii_lowercase()), value)
        }));
        let (plain, quoted): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(_, value)| !is_torn_by_multiset(value));
        for (name, value) in quoted {
            self.add("set", &format!("{name}={}", escaped(value, EXPANSIONS_OF_SET)));
        }
        let is_free = |delimiter: &char| !plain.iter().any(|(_, value)| value.contains(*delimiter));
        match DELIMITERS.chars().find(is_free) {
            Some(delimiter) => {
                let list: Vec<String> = plain.iter().map(|(name, value)| format!("{name}={value}")).collect();
                self.add("multiset", &format!("^^{delimiter}{}", list.join(&delimiter.to_string())));
            }
            None => plain.iter().for_each(|(name, value)| self.add("set", &format!("{name}={value}"))),
        }
        if let Some(name) = name {
            self.add("set_profile_var", &format!("caller_id_name={}", escaped(name, EXPANSIONS)));
        }
    }

    fn refuse(&mut self, rendered: &Rendered, cause: &str) {
        self.set_all(rendered, &[]);
        self.add("hangup", cause);
    }

    /// Fetches the next step, if there is one, and says how this one ended.
    fn next(&mut self, rendered: &Rendered, outcome: &str, place: Place<'_>) {
        let token = rendered.value(STEP).unwrap_or_default();
        if token.is_empty() {
            return;
        }
        let destination = if is_word(place.destination) { place.destination } else { NEXT };
        // the site's own lines may get the call next, and these settings are none of theirs
        self.add("multiset", &format!("^^|strowger_step={token}|{LEFT_OVER}|strowger_next={destination}"));
        self.add_ours("set", &format!("strowger_status={outcome}"));
        if is_word(place.context) {
            self.add("transfer", &format!("{destination} XML {}", place.context));
        } else {
            // a transfer without a context stays in its own
            self.add("transfer", destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberPlan;
    use crate::routing::{CallerName, Course, Reason, RouteKey, Status, Step, StepToken};

    fn dial() -> DialTemplates {
        super::super::tests::templates("{ignore_early_media=true}")
    }

    fn decision(step: &str, name: &str, more: bool) -> Decision {
        let token = StepToken {
            tenant: "default".to_owned(),
            course: Course::Route { key: RouteKey::Default, plan: 0 },
            revision: 1,
            index: 0,
            attempt: 0,
            started_seconds: 1,
            order: 1,
            hops: 1,
            rung: 0,
        };
        Decision {
            token: more.then_some(token),
            route: Some(RouteKey::Default),
            caller: (!name.is_empty()).then(|| CallerName { contact: "c".to_owned(), name: name.to_owned() }),
            ..Decision::of(Status::Found, Reason::Matched, Step::parse(step, &NumberPlan::new(None)).unwrap())
        }
    }

    /// The actions of an answer: application and argument, as the switch's own parser would have them.
    fn actions(decision: &Decision, place: Place<'_>) -> Vec<(String, String)> {
        let text = freeswitch_extension(decision, Some(&dial()), place).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let context = document.descendants().find(|n| n.has_tag_name("context")).unwrap();
        assert_eq!(context.attribute("name"), Some(place.context));
        let action = |n: roxmltree::Node<'_, '_>| {
            (n.attribute("application").unwrap().to_owned(), n.attribute("data").unwrap_or_default().to_owned())
        };
        document.descendants().filter(|n| n.has_tag_name("action")).map(action).collect()
    }

    #[test]
    fn the_name_that_the_trunk_sent_stays_where_the_decision_says_so() {
        let kept = Decision { keeps_sent_name: true, ..decision("dial:101", "Ann", false) };
        let text = freeswitch_extension(&kept, Some(&dial()), PLACE).unwrap();
        assert!(!text.contains("effective_caller_id_name") && !text.contains("set_profile_var"), "{text}");
        assert!(text.contains("strowger_name=Ann") && text.contains("strowger_contact=c"), "{text}");
        for rendered in [crate::routing::render::freeswitch(&kept, Some(&dial())), crate::routing::render::asterisk(&kept, Some(&dial()))] {
            assert_eq!(
                (rendered.caller_name.as_deref(), rendered.value("NAME"), rendered.value("CONTACT")),
                (None, Some("Ann"), Some("c"))
            );
        }
    }

    const PLACE: Place<'_> = Place { context: "public", destination: "+14155550199" };

    fn applications(actions: &[(String, String)]) -> Vec<&str> {
        actions.iter().map(|(application, _)| application.as_str()).collect()
    }

    #[test]
    fn a_dial_with_a_next_step_goes_on_after_a_failure_and_asks_again() {
        let actions = actions(&decision("dial:101,timeout=20", "Ann", true), PLACE);
        assert_eq!(applications(&actions), ["multiset", "set_profile_var", "bridge", "multiset", "set", "transfer"]);
        assert!(
            actions[0].1.starts_with("^^|call_timeout=20|hangup_after_bridge=true|continue_on_fail=true|effective_caller_id_name=Ann|")
        );
        assert!(actions[0].1.ends_with("|strowger_status=found"), "{}", actions[0].1);
        assert_eq!(actions[2].1, "{ignore_early_media=true}user/101@pbx.example");
        assert!(actions[0].1.contains("|strowger_next=|") && actions[0].1.contains("|strowger_step=|"), "{}", actions[0].1);
        assert!(
            actions[3].1.starts_with("^^|strowger_step=3.") && actions[3].1.ends_with("|strowger_next=+14155550199"),
            "{}",
            actions[3].1
        );
        assert_eq!(actions[4].1, "strowger_status=${originate_disposition}");
        assert_eq!(actions[5].1, "+14155550199 XML public");
    }

    #[test]
    fn the_last_dial_gives_the_caller_the_callees_cause() {
        let actions = actions(&decision("dial:101", "", false), PLACE);
        assert_eq!(applications(&actions), ["multiset", "bridge"]);
        assert!(actions[0].1.contains("|continue_on_fail=|"));
    }

    #[test]
    fn no_opinion_leaves_the_call_to_the_switchs_own_dialplan() {
        assert_eq!(freeswitch_extension(&decision("continue", "Ann", false), Some(&dial()), PLACE), None);
    }

    #[test]
    fn a_called_number_that_is_no_word_never_gets_into_an_argument() {
        for destination in ["100 XML internal", "-both", "", "1'0", "${x}"] {
            let actions = actions(&decision("dial:101", "", true), Place { context: "public", destination });
            assert_eq!(actions.last().unwrap().1, "strowger-next XML public", "{destination}");
        }
    }

    #[test]
    fn quotes_backslashes_and_delimiters_in_a_name_disturb_nobody_else() {
        let named = actions(&decision("dial:101", r"O'Brien \ Sons", false), PLACE);
        assert_eq!(applications(&named), ["set", "set", "multiset", "set_profile_var", "bridge"]);
        assert_eq!(named[0].1, r"effective_caller_id_name=O'Brien \\\\ Sons");
        assert_eq!(named[3].1, r"caller_id_name=O'Brien \\ Sons");
        let piped = actions(&decision("dial:101", "a|b~c", false), PLACE);
        assert!(piped[0].1.starts_with("^^^call_timeout=30^"), "{}", piped[0].1);
    }

    #[test]
    fn nothing_in_a_name_is_expanded_or_ends_its_attribute() {
        let actions = actions(&decision("busy", r#"<x a="${api(hupall)}">&$${b}"#, false), PLACE);
        assert!(actions[0].1.contains(r#"|strowger_name=<x a="{api(hupall)}">&{b}|"#), "{}", actions[0].1);
        assert_eq!(actions[2], ("hangup".to_owned(), "USER_BUSY".to_owned()));
    }

    #[test]
    fn a_name_keeps_the_blanks_that_a_list_would_take_away() {
        for (name, shown) in [(" Ann", " Ann"), ("Ann ", "Ann "), ("\u{1}Ann\u{7f}", " Ann ")] {
            let actions = actions(&decision("busy", name, false), PLACE);
            assert!(actions.contains(&("set".to_owned(), format!("strowger_name={shown}"))), "{actions:?}");
        }
    }
}
