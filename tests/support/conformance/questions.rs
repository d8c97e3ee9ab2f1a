//! The hundred questions and what is to be answered, written out by hand: all doors being wrong together fails too.

use super::site::{self, Does, RING_BOTH};
use strowger::routing::{Course, RouteKey, StepToken};

/// The number that most questions call.
pub const DID: &str = "+14155550199";
/// A caller whom the default tenant knows.
pub const SCHOOL: &str = "+14155550101";
/// One whom nobody knows.
pub const STRANGER: &str = "+12025550147";

/// How a step ended, which each switch says in its own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Busy,
    NoAnswer,
    Unavailable,
    Congested,
    Nothing,
    Served,
}

/// What a question hands back.
#[derive(Debug, Clone)]
pub enum Back {
    /// The tokens that the same door gave out, one after the other.
    Own(Vec<Outcome>),
    /// This text.
    Token(&'static str),
    /// The token that the same door gave out, changed so.
    Changed(&'static str, fn(&mut StepToken)),
}

/// A question, and the decision that every door must come to.
#[derive(Debug, Clone)]
pub struct Question {
    pub tenant: &'static str,
    pub to: String,
    pub from: String,
    /// The caller's number comes with the call, and is not to be shown.
    pub hidden: bool,
    pub back: Back,
    /// A parameter that isn't one.
    pub wrong: Option<(&'static str, &'static str)>,
    pub status: &'static str,
    pub reason: &'static str,
    pub route: &'static str,
    pub does: Does,
    /// The contact who calls.
    pub contact: &'static str,
    /// Whether a step follows.
    pub next: bool,
    /// What `request=name` has to say of the caller.
    pub name_reason: &'static str,
    /// Who is found over HTTP where the number lost its plus on the way, and nobody by the digits alone.
    pub found_with_plus: &'static str,
}

fn ask(tenant: &'static str, to: &str, from: &str) -> Question {
    Question {
        tenant,
        to: to.to_owned(),
        from: from.to_owned(),
        hidden: false,
        back: Back::Own(vec![]),
        wrong: None,
        status: "",
        reason: "",
        route: "",
        does: Does::CONTINUE,
        contact: "",
        next: false,
        name_reason: "no-name",
        found_with_plus: "",
    }
}

impl Question {
    fn says(self, status: &'static str, reason: &'static str, route: &'static str, does: Does) -> Question {
        Question { status, reason, route, does, ..self }
    }

    fn found(self, reason: &'static str, route: &'static str, does: Does) -> Question {
        self.says("found", reason, route, does)
    }

    /// Left to the dialplan.
    fn unknown(self, reason: &'static str) -> Question {
        self.says("unknown", reason, "", Does::CONTINUE)
    }

    fn error(self, reason: &'static str, route: &'static str, does: Does) -> Question {
        self.says("error", reason, route, does)
    }

    /// The caller is known, and the answer says who it is.
    fn named(self, contact: &'static str) -> Question {
        Question { contact, ..self.known() }
    }

    /// The caller is known, but this answer has no place for it.
    fn known(self) -> Question {
        Question { name_reason: "matched", ..self }
    }

    fn next(self) -> Question {
        Question { next: true, ..self }
    }

    fn hidden(self) -> Question {
        Question { hidden: true, ..self.withheld() }
    }

    fn withheld(self) -> Question {
        Question { name_reason: "anonymous", ..self }
    }

    fn after(self, outcomes: &[Outcome]) -> Question {
        Question { back: Back::Own(outcomes.to_vec()), ..self }
    }

    fn token(self, token: &'static str) -> Question {
        Question { back: Back::Token(token), ..self }
    }

    fn changed(self, what: &'static str, change: fn(&mut StepToken)) -> Question {
        Question { back: Back::Changed(what, change), ..self }
    }

    fn wrong(self, name: &'static str, value: &'static str) -> Question {
        Question { wrong: Some((name, value)), name_reason: "bad-request", ..self }
    }
}

/// All of them.
pub fn all() -> Vec<Question> {
    [called(), steps_of_every_kind(), callers(), screened(), names(), handed_back(), refused()].concat()
}

/// Numbers that are called, in every spelling: 33.
fn called() -> Vec<Question> {
    let ring = Does::dial("PJSIP/101", "user/101", "20");
    let mut all = Vec::new();
    for to in ["+14155550199", "4155550199", "(415) 555-0199", "01114155550199", "sip:+14155550199@10.0.0.1;user=phone"] {
        all.push(ask("default", to, SCHOOL).found("matched", DID, RING_BOTH).named("school").next());
    }
    all.extend([
        ask("default", "+1.415 555/0142", SCHOOL).found("matched", "prefix +1415555", ring).named("school").next(),
        ask("default", "+14155556001", STRANGER).found("matched", "prefix +14155556", Does::word("queue", "support")).next(),
        ask("default", "+14155560142", SCHOOL).unknown("no-route").named("school"),
        ask("default", "101", "102").found("matched", "101", Does::dial("PJSIP/101", "user/101", "30")),
        ask("default", "205", "101").found("matched", "prefix 20", Does::dial("PJSIP/120", "user/120", "10")).named("kitchen"),
        ask("default", "*97", SCHOOL).unknown("no-route").named("school"),
        ask("default", "${EXTEN}", SCHOOL).unknown("no-route").named("school"),
        ask("default", "101&102,b", SCHOOL).unknown("no-route").named("school"),
        ask("default", "911", SCHOOL).unknown("emergency").known(),
        ask("default", "112", "anonymous").unknown("emergency").withheld(),
        ask("default", "", SCHOOL).error("bad-request", "", Does::CONTINUE).known(),
        ask("default", &"7".repeat(300), SCHOOL).error("bad-request", "", Does::CONTINUE).known(),
        ask("acme", "+", "+49301234567").error("bad-request", "", Does::word("voicemail", "900")).known(),
    ]);
    let both = Does::dial("PJSIP/20&PJSIP/21", "user/20,user/21", "30");
    for to in ["+493012345678", "030/12345678", "0049 30 12345678", "+49 (0)30 12345678", "tel:+49-30-12345678"] {
        all.push(ask("acme", to, STRANGER).found("matched", "+493012345678", both));
    }
    let desk = Does::dial("PJSIP/10", "user/10", "30");
    all.extend([
        ask("acme", "+493099999999", STRANGER).found("matched", "prefix +4930", Does::word("queue", "berlin")),
        ask("acme", "+14155550199", STRANGER).found("default", "default", desk).next(),
        ask("acme", "911", STRANGER).found("default", "default", desk).next(),
        ask("acme", "*21#", STRANGER).found("default", "default", desk).next(),
        ask("acme", "112", STRANGER).unknown("emergency"),
    ]);
    for to in ["+441134960000", "0113 496 0000", "00441134960000"] {
        all.push(ask("leeds", to, STRANGER).found("matched", "+441134960000", Does::dial("PJSIP/301", "user/301", "30")));
    }
    all.extend([
        ask("leeds", "116117", STRANGER).found("matched", "116117", Does::word("playback", "nurse")),
        ask("leeds", "999", STRANGER).unknown("emergency"),
    ]);
    all
}

/// Every kind of step: 12.
fn steps_of_every_kind() -> Vec<Question> {
    let kinds = [
        ("+12025550101", Does::dial("PJSIP/+14155550111@telco", "sofia/gateway/telco/+14155550111", "30")),
        ("+12025550102", Does::dial("PJSIP/+14155550111@backup", "sofia/gateway/backup/+14155550111", "30")),
        (
            "+12025550103",
            Does::dial("PJSIP/101&PJSIP/+14155550111@telco&PJSIP/alice", "user/101,sofia/gateway/telco/+14155550111,user/alice", "45"),
        ),
        ("+12025550104", Does::word("voicemail", "199")),
        ("+12025550105", Does { timeout: "60", ..Does::word("queue", "support@default") }),
        ("+12025550106", Does::word("conference", "3000")),
        ("+12025550107", Does::word("playback", "office/closed")),
        ("+12025550108", Does { asterisk: "office,500,1", freeswitch: "500 XML office", ..Does::word("goto", "") }),
        ("+12025550109", Does::word("busy", "")),
        ("+12025550110", Does::word("congestion", "")),
        ("+12025550111", Does::word("hangup", "")),
        ("+12025550112", Does::CONTINUE),
    ];
    kinds.into_iter().map(|(to, does)| ask("default", to, STRANGER).found("matched", to, does)).collect()
}

/// Callers who are known, unknown, withheld or no callers at all: 17.
fn callers() -> Vec<Question> {
    let ring = |from: &str| ask("default", DID, from).found("matched", DID, RING_BOTH).next();
    let mut all = Vec::new();
    for from in ["(415) 555-0101", "01114155550101", "\"Eve\" <sip:+14155550101@10.0.0.1>"] {
        all.push(ring(from).named("school"));
    }
    all.push(ring("+49301234567"));
    for from in ["", "Anonymous", "unknown", "anonymous@anonymous.invalid", "out of area", "+266696687"] {
        all.push(ring(from).withheld());
    }
    all.push(ring(SCHOOL).hidden());
    for from in ["+", "alice", "${SHELL(id)}"] {
        all.push(ring(from));
    }
    all.push(ring(&"7".repeat(300)));
    let both = Does::dial("PJSIP/20&PJSIP/21", "user/20,user/21", "30");
    let berlin = |from: &str| ask("acme", "+493012345678", from).found("matched", "+493012345678", both);
    all.push(berlin("030 1234567").named("boss"));
    // in Germany these digits are nobody's; with the plus that mod_cidlookup takes away they are somebody's
    all.push(Question { found_with_plus: "oma", ..berlin("14155550123") });
    all
}

/// Callers who don't get through, and one who does: 8.
fn screened() -> Vec<Question> {
    let stopped = |tenant, from: &str, reason, does| ask(tenant, DID, from).found(reason, "", does);
    vec![
        stopped("default", "+12025550150", "blocked", Does::word("busy", "")),
        stopped("default", "+19005550199", "blocked", Does::word("hangup", "")),
        ask("default", DID, "+19005550123").found("matched", DID, RING_BOTH).named("show").next(),
        stopped("default", "+12025550166", "blocked", Does::word("playback", "unwelcome")),
        stopped("default", "+12025550177", "challenge", Does::word("challenge", "press-1")).next(),
        stopped("acme", "0900 123456", "blocked", Does::word("congestion", "")),
        stopped("acme", "private", "anonymous", Does::word("voicemail", "901")).withheld(),
        stopped("acme", "+49301234567", "anonymous", Does::word("voicemail", "901")).hidden(),
        stopped("leeds", "withheld", "anonymous", Does::word("busy", "")).withheld(),
    ]
}

/// Names that hold whatever a switch might act on: all of the site's strange contacts.
fn names() -> Vec<Question> {
    let of = |c: &site::Name| ask("default", DID, c.number).found("matched", DID, RING_BOTH).named(c.id).next();
    site::NAMES.iter().map(of).collect()
}

/// Steps that are handed back: 9.
fn handed_back() -> Vec<Question> {
    use Outcome::{Busy, Congested, NoAnswer, Nothing, Served, Unavailable};
    const PLAN: &str = "+12025550113";
    let plan = |outcomes: &[Outcome], does| ask("default", PLAN, SCHOOL).found("matched", PLAN, does).named("school").after(outcomes);
    let over = |outcomes: &[Outcome]| plan(outcomes, Does::word("hangup", "")).says("found", "exhausted", PLAN, Does::word("hangup", ""));
    let queue = Does::word("queue", "sales");
    vec![
        plan(&[Busy], queue).next(),
        plan(&[NoAnswer], queue).next(),
        plan(&[Unavailable], queue).next(),
        plan(&[Congested], queue).next(),
        plan(&[Nothing, NoAnswer], Does::word("voicemail", "199")),
        over(&[Served]),
        over(&[Busy, Served]),
        over(&[]).changed("the last step's", |t| t.index = 2),
        ask("acme", "101", STRANGER).found("default", "default", Does::word("voicemail", "900")).after(&[Busy]),
    ]
}

/// What can't be answered, with the fallback that there is: 9.
fn refused() -> Vec<Question> {
    let fallback = Does::dial("PJSIP/101", "user/101", "30");
    let bad = || ask("default", DID, SCHOOL).error("bad-step", DID, fallback).known();
    let voicemail = Does::word("voicemail", "900");
    vec![
        bad().token("1.AAAA.00000000"),
        bad().changed("the route was edited since", |t| t.revision -= 1),
        bad().changed("older than a day", |t| t.started_seconds -= 25 * 3600),
        bad().changed("another tenant's", |t| t.tenant = "acme".to_owned()),
        ask("acme", DID, STRANGER).error("bad-step", "", voicemail).changed("another tenant's", |t| t.tenant = "default".to_owned()),
        ask("default", DID, SCHOOL)
            .error("bad-step", "", Does::CONTINUE)
            .known()
            .changed("gone", |t| t.course = Course::Route { key: RouteKey::Default, plan: 0 }),
        ask("default", DID, SCHOOL).error("bad-request", "", Does::CONTINUE).wrong("tenat", "acme"),
        ask("acme", DID, SCHOOL).error("bad-request", "", voicemail).wrong("tenat", "leeds"),
        Question { name_reason: "bad-request", ..ask("nobody", DID, SCHOOL).error("bad-request", "", Does::CONTINUE) },
    ]
}
