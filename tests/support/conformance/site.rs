//! The site that is asked about: three tenants, their routes, lists and contacts, and what its steps are to the switches.

use strowger::control::{ListKey, Request, RouteWhich};
use strowger::directory::ContactDraft;
use strowger::routing::List;

/// Three tenants, each in another country; one has a fallback, one a short code.
pub const CONFIGURATION: &str = r#"
[dial]
trunk = "telco"
[dial.asterisk]
options = "tk"
[dial.freeswitch]
options = "{ignore_early_media=true}"
[[tenant]]
id = "default"
country = "US"
[[tenant]]
id = "acme"
country = "DE"
fallback = "voicemail:900"
[[tenant]]
id = "leeds"
country = "GB"
short_codes = ["116117"]
"#;

/// `STROWGER_OPTIONS` of a dial.
pub const OPTIONS: [&str; 2] = ["tk", "{ignore_early_media=true}"];

/// What a step is, in each switch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Does {
    pub action: &'static str,
    pub asterisk: &'static str,
    pub freeswitch: &'static str,
    pub timeout: &'static str,
}

impl Does {
    pub const CONTINUE: Does = Does::word("continue", "");

    pub const fn word(action: &'static str, target: &'static str) -> Does {
        Does { action, asterisk: target, freeswitch: target, timeout: "" }
    }

    pub const fn dial(asterisk: &'static str, freeswitch: &'static str, timeout: &'static str) -> Does {
        Does { action: "dial", asterisk, freeswitch, timeout }
    }
}

/// The first step of the number that most questions call.
pub const RING_BOTH: Does = Does::dial("PJSIP/101&PJSIP/102", "user/101,user/102", "20");

/// A contact, and how its name comes out at each door. Over HTTP percent signs go too, and what either switch expands.
pub struct Name {
    pub id: &'static str,
    pub number: &'static str,
    pub stored: &'static str,
    pub asterisk: &'static str,
    pub freeswitch: &'static str,
    pub http: &'static str,
}

const fn name(id: &'static str, number: &'static str, stored: &'static str) -> Name {
    Name { id, number, stored, asterisk: stored, freeswitch: stored, http: stored }
}

/// Contacts of the default tenant whose names could be taken for something else.
pub const NAMES: [Name; 11] = [
    name("apostrophe", "+12025550201", "Sinéad O'Brien"),
    name("quoted", "+12025550202", "'a' 'b"),
    name("double", "+12025550203", "Bäckerei Jürgen \"Brezn\" Groß 中文 📞"),
    name("backslash", "+12025550204", r"back\slash \n \\ \' end\"),
    name("xml", "+12025550205", r#"<x y="1">Tom & Jerry &amp; ]]></x> X-PRE-PROCESS"#),
    name("delimiters", "+12025550206", "a=b,c|d;e:f {g} [h] ~^!#+*&@/"),
    Name {
        asterisk: "{system(reboot)} {domain} $5$$",
        freeswitch: "{system(reboot)} {domain} $5$$",
        http: "{system(reboot)} {domain} $5$$",
        ..name("expansion", "+12025550207", "${system(reboot)} $${domain} $5$$")
    },
    Name { asterisk: "[1+1] x", http: "[1+1] x", ..name("expression", "+12025550208", "$[1+1] x") },
    Name { http: "10041 0A off", ..name("percent", "+12025550209", "100%41 %0A off") },
    Name {
        asterisk: " Ada Love  lace  x ",
        freeswitch: " Ada Love  lace  x ",
        http: " Ada Love  lace  x ",
        ..name("controls", "+12025550210", "\u{1}Ada\tLove\r\nlace\u{85}\u{2028}x\u{7f}")
    },
    name("undef", "+12025550211", "_undef_"),
];

/// The other contacts: tenant, id, number, name.
const PEOPLE: [(&str, &str, &str, &str); 5] = [
    ("default", "school", "+14155550101", "Lincoln School"),
    ("default", "kitchen", "101", "Kitchen"),
    ("default", "show", "+19005550123", "The Show"),
    ("acme", "boss", "030 1234567", "Der Chef"),
    ("acme", "oma", "+14155550123", "Oma Rosa"),
];

/// How a contact's name comes out: on Asterisk, on FreeSWITCH, over HTTP. Empty for nobody.
pub fn shown(id: &str) -> [&'static str; 3] {
    let strange = NAMES.iter().find(|n| n.id == id).map(|n| [n.asterisk, n.freeswitch, n.http]);
    strange.or_else(|| PEOPLE.iter().find(|p| p.1 == id).map(|p| [p.3; 3])).unwrap_or_default()
}

fn route(tenant: &str, which: RouteWhich, steps: &[&str], fallback: Option<&str>) -> Request {
    let steps = steps.iter().map(|s| (*s).to_owned()).collect();
    Request::RouteSet { tenant: tenant.to_owned(), which, steps, fallback: fallback.map(str::to_owned) }
}

fn screen(tenant: &str, list: List, key: ListKey, action: Option<&str>) -> Request {
    Request::ScreenSet { tenant: tenant.to_owned(), list, key, action: action.map(str::to_owned) }
}

fn contact(tenant: &str, id: &str, number: &str, name: &str) -> Request {
    let (id, name) = (id.to_owned(), name.to_owned());
    let contact = ContactDraft { id, name, numbers: vec![(number.to_owned(), None)], ..ContactDraft::default() };
    Request::ContactSet { tenant: tenant.to_owned(), contact }
}

/// What fills the store.
pub fn requests() -> Vec<Request> {
    let number = |to: &str| RouteWhich::Number(to.to_owned());
    let prefix = |to: &str| RouteWhich::Prefix(to.to_owned());
    let fallback = Some("dial:101,timeout=30");
    let mut all = vec![
        route("default", number("+14155550199"), &["dial:101,102,timeout=20", "voicemail:199"], fallback),
        route("default", prefix("+1415555"), &["dial:101,timeout=20", "busy"], fallback),
        route("default", prefix("+14155556"), &["queue:support", "hangup"], None),
        route("default", number("101"), &["dial:101"], None),
        route("default", prefix("20"), &["dial:120,timeout=10"], None),
        route("default", number("+12025550113"), &["dial:101,timeout=20", "queue:sales", "voicemail:199"], None),
        route("acme", RouteWhich::Default, &["dial:10", "voicemail:900"], None),
        route("acme", number("030 12345678"), &["dial:20,21"], None),
        route("acme", prefix("+4930"), &["queue:berlin"], None),
        route("leeds", number("0113 496 0000"), &["dial:301"], None),
        route("leeds", number("116117"), &["playback:nurse"], None),
        screen("default", List::Block, ListKey::Number("+12025550150".into()), None),
        screen("default", List::Block, ListKey::Prefix("+1900".into()), Some("hangup")),
        screen("default", List::Block, ListKey::Prefix("+1202555016".into()), Some("playback:unwelcome")),
        screen("default", List::Block, ListKey::Number("+12025550177".into()), Some("challenge:press-1")),
        screen("default", List::Allow, ListKey::Number("+19005550123".into()), None),
        screen("acme", List::Block, ListKey::Prefix("+49900".into()), Some("congestion")),
        screen("acme", List::Block, ListKey::Anonymous, Some("voicemail:901")),
        screen("leeds", List::Block, ListKey::Anonymous, None),
    ];
    let kinds = [
        "dial:+14155550111",
        "dial:+14155550111,trunk=backup",
        "dial:101,+14155550111,alice,timeout=45",
        "voicemail:199",
        "queue:support@default,timeout=60",
        "conference:3000",
        "playback:office/closed",
        "goto:office,500,1",
        "busy",
        "congestion",
        "hangup",
        "continue",
    ];
    all.extend(kinds.iter().zip(101..).map(|(step, n)| route("default", number(&format!("+12025550{n}")), &[step], None)));
    all.extend(PEOPLE.iter().map(|(tenant, id, number, name)| contact(tenant, id, number, name)));
    all.extend(NAMES.iter().map(|n| contact("default", n.id, n.number, n.stored)));
    all
}
