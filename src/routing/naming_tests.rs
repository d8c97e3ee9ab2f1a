use super::super::tests::*;
use super::super::{Data, FoundBy, LookupFailed, PlanItem, QuestionText, Reason, Status};
use super::*;
use crate::number::NumberPlan;
use crate::routing::{Extension, Moment, NOTHING_LIVE, Request, Route, RouteKey, Sheet, Step, Tenant, Trace, decide};
use proptest::prelude::*;

fn number(typed: &str) -> Number {
    NumberPlan::new("DE".parse().ok()).parse(typed).unwrap()
}

fn policy(several: Several, trunk: TrunkName, hint: Hint) -> NamePolicy {
    NamePolicy { several, trunk, hint, ascii: false }
}

fn sheet(names: &[(&str, &str, &str)]) -> Sheet {
    let mut sheet = Sheet::default();
    for (typed, contact, name) in names {
        sheet.names.push((number(typed), CallerName { contact: (*contact).into(), name: (*name).into() }));
    }
    let steps = vec![Step::parse("dial:101", &NumberPlan::new(None)).unwrap()];
    sheet.put(PlanItem::Route(Route::of(RouteKey::Default, steps)));
    sheet.put(PlanItem::Extension(Extension { ascii: true, ..Extension::of(number("101")) }));
    sheet
}

fn ask(tenant: &Tenant, data: &dyn Data, text: QuestionText<'_>) -> (Decision, Vec<String>) {
    let question = Question::read(&text, &tenant.plan).unwrap();
    let mut trace = Trace::on();
    let moment = Moment { now_us: 1_700_000_000_000_000, seed: 1, live: &NOTHING_LIVE };
    let (decision, _) = decide(tenant, &question, data, moment, &mut trace).unwrap();
    (decision, trace.rules().iter().map(ToString::to_string).collect())
}

const ADA: &str = "+4930123456";

fn name_of(policy: NamePolicy, data: &Sheet, sent: &str) -> (Status, Reason, String, String, bool) {
    let tenant = Tenant { names: policy, ..tenant() };
    let (decision, _) = ask(&tenant, data, QuestionText { request: "name", from: ADA, name: sent, ..QuestionText::default() });
    let caller = decision.caller.clone().unwrap_or(CallerName { contact: String::new(), name: String::new() });
    (decision.status, decision.reason, caller.contact, caller.name, decision.keeps_sent_name)
}

#[test]
fn several_with_one_number_are_said_together_only_where_the_tenant_wants_it() {
    let data = sheet(&[(ADA, "ada", "Ada"), (ADA, "bob", "Bob"), (ADA, "ada-2", "Ada"), (ADA, "eve", "Eve")]);
    let said = |several| {
        let (.., contact, name, _) = name_of(policy(several, TrunkName::Directory, Hint::None), &data, "");
        (contact, name)
    };
    assert_eq!(said(Several::Newest), ("ada".to_owned(), "Ada".to_owned()));
    assert_eq!(said(Several::Both), ("ada".to_owned(), "Ada / Bob".to_owned()), "each name once, of the first three");
    let long = "x".repeat(200);
    let data = sheet(&[(ADA, "long", &long), (ADA, "longer", &"y".repeat(60)), (ADA, "eve", "Eve")]);
    let (.., name, _) = name_of(policy(Several::Both, TrunkName::Directory, Hint::None), &data, "");
    assert_eq!(name, format!("{long} / Eve"), "what doesn't fit is left out whole");
}

#[test]
fn the_name_that_the_trunk_sent_is_replaced_kept_or_replaced_where_it_is_a_number() {
    let data = sheet(&[(ADA, "ada", "Ada")]);
    for (sent, kept) in [
        ("ACME GmbH", [false, true, true]),
        ("+49 30 123456", [false, true, false]),
        ("(030) 12-34", [false, true, false]),
        ("", [false; 3]),
        ("\"\"", [false; 3]),
        ("unknown", [false; 3]),
        ("Anonymous", [false; 3]),
    ] {
        for (trunk, kept) in [TrunkName::Directory, TrunkName::Keep, TrunkName::Numbers].into_iter().zip(kept) {
            let wanted = (Status::Found, Reason::Matched, "ada".to_owned(), "Ada".to_owned(), kept);
            assert_eq!(name_of(policy(Several::Newest, trunk, Hint::None), &data, sent), wanted, "{sent:?} {trunk:?}");
        }
    }
}

#[test]
fn a_number_that_nobody_has_says_itself_where_it_is_from() {
    let data = sheet(&[]);
    let tenant = |hint| Tenant { names: policy(Several::Newest, TrunkName::Directory, hint), ..tenant() };
    for (from, region, class) in [
        ("+4915112345678", Some("Germany"), Some("Germany, mobile")),
        ("+4930123456", Some("Germany"), Some("Germany")),
        ("+498001234567", Some("Germany"), Some("Germany, toll-free")),
        ("+447400123456", Some("United Kingdom"), Some("United Kingdom, mobile")),
        ("+870773111632", None, None),
        ("101", None, None),
        ("", None, None),
    ] {
        for (hint, wanted) in [(Hint::None, None), (Hint::Region, region), (Hint::Class, class)] {
            let (decision, trace) = ask(&tenant(hint), &data, QuestionText { request: "name", from, ..QuestionText::default() });
            let said = decision.caller.as_ref().map(|c| (c.contact.as_str(), c.name.as_str()));
            assert_eq!(said, wanted.map(|name| ("", name)), "{from} {hint:?}");
            match wanted {
                Some(name) => {
                    assert_eq!((decision.status, decision.reason), (Status::Found, Reason::Region), "{from} {hint:?}");
                    assert!(trace.contains(&format!("directory: the number itself says {name}")), "{trace:?}");
                }
                None => assert_eq!(decision.status, Status::Unknown, "{from} {hint:?}"),
            }
        }
    }
    // of a call only the name differs
    let route = |hint| ask(&tenant(hint), &data, QuestionText { to: "+4930999901", from: ADA, ..QuestionText::default() }).0;
    let (with, without) = (route(Hint::Class), route(Hint::None));
    assert_eq!(without.caller, None);
    assert_eq!(Decision { caller: None, ..with }, without);
}

#[test]
fn a_hint_never_takes_the_place_of_a_name() {
    let hinted = |sent| name_of(policy(Several::Newest, TrunkName::Directory, Hint::Region), &sheet(&[]), sent).4;
    assert!(hinted("ACME GmbH"));
    assert!(!hinted("+4930123456") && !hinted("unknown") && !hinted(""));
}

/// Who is asked for which phone book.
struct Asked(Sheet, std::cell::RefCell<Vec<Option<String>>>);

macro_rules! passed {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        impl Data for Asked {
            $(fn $name(&self, $($arg: $ty),*) -> $out { self.0.$name($($arg),*) })*
            fn known(&self, number: &Number, callee: Option<&Number>, names_max: usize) -> Result<Known, LookupFailed> {
                self.1.borrow_mut().push(callee.map(ToString::to_string));
                let known = self.0.known(number, callee, names_max)?;
                Ok(Known { by: known.by.map(|_| FoundBy::Beginning(8)), passed_over: true, ..known })
            }
        }
    };
}

passed! {
    revision() -> u64;
    route(key: &RouteKey) -> super::super::Found<std::sync::Arc<Route>>;
    route_by_prefix(number: &Number) -> super::super::Found<std::sync::Arc<Route>>;
    screen_number(list: super::super::List, number: &Number) -> super::super::Found<std::sync::Arc<super::super::Screen>>;
    screen(list: super::super::List, key: &super::super::ScreenKey) -> super::super::Found<std::sync::Arc<super::super::Screen>>;
    group(id: &str) -> super::super::Found<std::sync::Arc<super::super::Group>>;
    schedule(id: &str) -> super::super::Found<std::sync::Arc<super::super::CompiledSchedule>>;
    extension(number: &Number) -> super::super::Found<std::sync::Arc<Extension>>;
    trunks() -> Result<std::sync::Arc<Vec<std::sync::Arc<super::super::Trunk>>>, LookupFailed>;
    limit(class: crate::number::Class, scope: super::super::Scope) -> super::super::Found<super::super::Limit>;
    user(domain: &str, extension: &str) -> super::super::Found<std::sync::Arc<super::super::User>>;
    has_domain(domain: &str) -> Result<bool, LookupFailed>;
}

#[test]
fn the_phone_book_is_that_of_whoever_is_called() {
    let mut plan = sheet(&[(ADA, "ada", "Ada")]);
    for (to, step) in [("+4930999901", "dial:101"), ("+4930999902", "dial:101,102"), ("+4930999903", "dial:+4915112345678")] {
        let steps = vec![Step::parse(step, &NumberPlan::new(None)).unwrap(), Step::parse("voicemail:9", &NumberPlan::new(None)).unwrap()];
        plan.put(PlanItem::Route(Route::of(RouteKey::Number(number(to)), steps)));
    }
    let data = Asked(plan, Default::default());
    let tenant = tenant();
    let asked = |to: &str, owner: &str, request: &str| {
        let (decision, trace) = ask(&tenant, &data, QuestionText { request, to, owner, from: ADA, ..QuestionText::default() });
        assert_eq!(decision.caller.map(|c| c.contact).as_deref(), Some("ada"), "{to}");
        assert!(trace.iter().any(|rule| rule.ends_with("contact ada, by the first 8 digits of the number")), "{trace:?}");
        assert!(trace.iter().any(|rule| rule.contains("another's personal phone book passed over")), "{trace:?}");
        data.1.borrow_mut().drain(..).collect::<Vec<_>>()
    };
    for (to, owner, request, wanted) in [
        ("+4930999901", "", "route", Some("101")),
        ("+4930999902", "", "route", None),
        ("+4930999903", "", "route", None),
        ("102", "", "route", Some("102")),
        ("102", "103", "route", Some("103")),
        ("+4930999901", "103", "route", Some("103")),
        ("+4930999902", "anna", "route", None),
        ("102", "", "name", Some("102")),
        ("", "102", "name", Some("102")),
        ("", "", "name", None),
    ] {
        assert_eq!(asked(to, owner, request), [wanted.map(str::to_owned)], "{to} {owner} {request}");
    }
}

#[test]
fn a_name_is_written_in_ascii_for_whoever_asks_for_it_and_for_nobody_else() {
    let data = sheet(&[(ADA, "j", "Jürgen Groß")]);
    let (usual, ascii) = (tenant(), Tenant { names: NamePolicy { ascii: true, ..NamePolicy::default() }, ..tenant() });
    let said = |tenant: &Tenant, to: &str, asked: &str| {
        let (decision, _) = ask(tenant, &data, QuestionText { request: "name", to, from: ADA, ascii: asked, ..QuestionText::default() });
        decision.caller.unwrap().name
    };
    assert_eq!(said(&usual, "102", ""), "Jürgen Groß");
    assert_eq!(said(&usual, "102", "what?"), "Jürgen Groß");
    for (tenant, to, asked) in [(&usual, "102", "yes"), (&usual, "101", ""), (&ascii, "102", ""), (&ascii, "", "on")] {
        assert_eq!(said(tenant, to, asked), "Jurgen Gross", "{to} {asked}");
    }
    assert_eq!(said(&ascii, "101", "no"), "Jürgen Groß");
}

#[test]
fn names_in_every_writing_become_ascii_or_stay() {
    for (name, ascii) in [
        ("Ada", "Ada"),
        ("Åsa Öberg", "Asa Oberg"),
        ("Łukasz", "Lukasz"),
        ("e\u{301}mile", "emile"),
        ("北京", "Bei Jing"),
        ("\u{301}", "\u{301}"),
        ("\u{e000}", "\u{e000}"),
    ] {
        assert_eq!(in_ascii(name), ascii, "{name}");
    }
    for name in ["محمد", "Шевченко", "😀 Ada"] {
        let ascii = in_ascii(name);
        assert!(ascii.is_ascii() && ascii.chars().any(|c| c.is_ascii_alphabetic()), "{name}: {ascii}");
    }
}

proptest! {
    #[test]
    fn whatever_the_names_what_is_said_fits_and_cuts_no_character(names in proptest::collection::vec("\\PC{1,64}", 1..5)) {
        let names: Vec<_> = names.iter().map(|name| CallerName { contact: "c".into(), name: name.clone() }).collect();
        let text = joined(&names);
        prop_assert!(text.starts_with(&names[0].name) && text.len() <= NAME_BYTES_MAX);
        let ascii = in_ascii(&text);
        prop_assert!(ascii.len() <= NAME_BYTES_MAX && (ascii.is_ascii() || ascii == text));
    }
}

#[test]
fn a_word_that_is_none_names_the_nearest() {
    assert_eq!("both".parse(), Ok(Several::Both));
    assert_eq!("numbers".parse::<TrunkName>().map(TrunkName::word), Ok("numbers"));
    let error = "regoin".parse::<Hint>().unwrap_err();
    assert_eq!(error, "\"regoin\" is not a hint; write one of none, region, class; did you mean region?");
    assert_eq!(Request::from_name("name"), Some(Request::Name));
}
