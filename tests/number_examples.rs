//! Every example number of every region as it is typed into a contact: a tenant of that region reads it as libphonenumber
//! does, in national and international spelling, and every tenant reads it in E.164's.
//!
//! `support/numbers/examples.txt` was made with the library's Python port, which shares no code with ours. `numbers.rs` asks
//! of the same numbers what they cost, whose they are and how they are dialled. Here the plans are those that a tenant gets
//! who configures nothing but a country: where extensions of up to six digits are possible, a few countries' numbers are no
//! longer than that, and they are the only exceptions.

use std::collections::BTreeMap;
use strowger::number::{Kind, Number, NumberPlan, is_withheld};

/// (region, how many of its examples are as short in national spelling as extensions may be): a telephone on the desk can
/// dial them as well as an extension, and whoever has extensions means those. Such a tenant writes them in international
/// spelling, or sets `extension_digits_max` below the country's numbers, which makes all of them numbers again (shown below).
#[rustfmt::skip]
const AS_SHORT_AS_EXTENSIONS: &[(&str, usize)] = &[
    ("AC", 3), ("AD", 3), ("CK", 2), ("FK", 2), ("FO", 5), ("GL", 4), ("IR", 1), ("KI", 1), ("NC", 4),
    ("NF", 2), ("NL", 1), ("NO", 1), ("NU", 1), ("PF", 1), ("SB", 3), ("SH", 3), ("SJ", 1), ("SR", 2),
    ("TA", 1), ("TK", 2), ("TO", 1), ("TV", 2), ("UY", 1), ("VU", 3), ("WF", 4), ("WS", 2),
];

struct Example {
    region: &'static str,
    e164: &'static str,
    kind: &'static str,
    national: &'static str,
    international: &'static str,
}

fn examples() -> Vec<Example> {
    let text: &'static str = include_str!("support/numbers/examples.txt");
    let example = |line: &'static str| match *line.split('|').collect::<Vec<_>>() {
        [region, e164, kind, _, _, national, international] => Example { region, e164, kind, national, international },
        _ => panic!("{line}"),
    };
    text.lines().filter(|line| !line.starts_with('#')).map(example).collect()
}

fn plan(region: &str) -> NumberPlan {
    NumberPlan::new(Some(region.parse().unwrap_or_else(|e| panic!("{e}"))))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Says all that disagree at once, and how many.
fn none_of(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{} {what}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a spelling is read as, if it isn't what it should be.
fn otherwise(plan: &NumberPlan, spelling: &str, e164: &str) -> Option<String> {
    let read = plan.parse(spelling);
    if read.as_ref().is_ok_and(|n| n.kind() == Kind::E164 && n.digits() == e164) {
        return None;
    }
    let read = read.map_or_else(|error| error.to_string(), |n| format!("{} {n}", n.kind().words()));
    Some(format!("{spelling} for {:?} is +{e164}, not {read}", plan.country()))
}

#[test]
fn the_fixture_has_every_region_and_every_type() {
    let examples = examples();
    let count = |by: fn(&Example) -> &'static str| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        examples.iter().for_each(|e| *counts.entry(by(e)).or_default() += 1);
        counts
    };
    let regions = count(|e| e.region);
    // the library's 245 regions, and the calling codes of no country as one more
    assert_eq!((examples.len(), regions.len(), regions["001"]), (1_134, 246, 12));
    let kinds = count(|e| e.kind);
    for kind in ["fixed-line", "mobile", "toll-free", "premium-rate", "shared-cost", "voip", "personal-number", "pager", "uan", "voicemail"]
    {
        assert!(kinds.get(kind).is_some_and(|count| *count >= 5), "{kind} in {kinds:?}");
    }
}

#[test]
fn a_tenant_reads_its_own_numbers_as_libphonenumber_does() {
    let (mut wrong, mut spellings) = (Vec::new(), 0);
    let mut short: BTreeMap<&str, usize> = BTreeMap::new();
    let mut plans: BTreeMap<&str, NumberPlan> = BTreeMap::new();
    for example in examples().iter().filter(|e| e.region != "001") {
        let plan = plans.entry(example.region).or_insert_with(|| plan(example.region));
        let dialled = digits(example.national);
        if dialled.len() <= plan.extension_digits_max() {
            *short.entry(example.region).or_default() += 1;
            // an exception, which is an extension and nothing else, and goes away with the setting that made it
            assert_eq!(plan.parse(example.national).map(|n| (n.kind(), n.digits().to_owned())), Ok((Kind::Extension, dialled)));
            wrong.extend(otherwise(&plan.clone().with_extension_digits_max(3), example.national, example.e164));
        } else {
            wrong.extend(otherwise(plan, example.national, example.e164));
            wrong.extend(otherwise(plan, &dialled, example.e164));
            // as telephones and switches hand it over
            wrong.extend(otherwise(plan, &format!("<sip:{dialled}@192.0.2.1;user=phone>"), example.e164));
        }
        wrong.extend(otherwise(plan, example.international, example.e164));
        spellings += 2;
    }
    none_of("spellings are read otherwise", &wrong);
    assert_eq!(short.into_iter().collect::<Vec<_>>(), AS_SHORT_AS_EXTENSIONS);
    assert_eq!(spellings, 2 * (1_134 - 12));
}

#[test]
fn every_tenant_reads_every_number_in_the_spelling_of_e164() {
    let plans =
        [NumberPlan::new(None), plan("DE"), plan("US"), plan("IT"), plan("HK"), plan("BR"), plan("GB").with_extension_digits_max(12)];
    let mut wrong = Vec::new();
    for example in examples() {
        for plan in &plans {
            let plus = format!("+{}", example.e164);
            for spelling in [&plus, &example.international.replace(' ', "\u{a0}"), &format!("tel:{plus}"), &format!("{plus};cpc=ordinary")]
            {
                wrong.extend(otherwise(plan, spelling, example.e164));
            }
            assert!(!is_withheld(&plus), "{plus}");
        }
        // and it is the key that is stored, and read back
        let number = plans[0].parse(&format!("+{}", example.e164)).unwrap();
        assert_eq!(Number::from_key(Kind::E164, number.digits()), Some(number));
    }
    none_of("spellings are read otherwise", &wrong);
}

#[test]
fn every_tenant_reads_its_neighbours_numbers_behind_its_own_way_out() {
    let examples = examples();
    let mut wrong = Vec::new();
    let regions: Vec<&str> = examples.iter().map(|e| e.region).filter(|region| *region != "001").collect();
    for (at, region) in regions.iter().enumerate().filter(|(at, region)| *at == 0 || regions[at - 1] != **region) {
        let plan = plan(region);
        // 00 is a way out of Hong Kong, and so are 001, 002, 0050 and others that begin like it, which are read first, in
        // the library as well: there people write 001
        let way_out = if *region == "HK" { "001" } else { plan.international_prefix() };
        // some twenty numbers of other countries for each, in turn
        for example in examples.iter().cycle().skip(at).step_by(53).take(20) {
            let away = format!("{way_out}{}", example.e164);
            wrong.extend(otherwise(&plan, &away, example.e164));
        }
    }
    none_of("spellings are read otherwise", &wrong);
}
