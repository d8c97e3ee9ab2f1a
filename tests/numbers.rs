//! What the tables and the plans say of numbers, against what libphonenumber says: every example of every region.
//!
//! `support/numbers/examples.txt` was made with the library's Python port, which shares no code with ours.

use std::collections::BTreeMap;
use strowger::number::{Class, Kind, Number, NumberPlan, is_possible};

/// One line of the fixture.
struct Example {
    /// The region whose example it is.
    region: &'static str,
    e164: &'static str,
    /// What it is in that region.
    kind: &'static str,
    /// The region that the library names.
    named: &'static str,
    national: &'static str,
    international: &'static str,
}

impl Example {
    fn number(&self) -> Number {
        Number::from_key(Kind::E164, self.e164).unwrap()
    }

    /// What a tenant of that region calls it.
    fn class_at_home(&self) -> Class {
        match self.kind {
            "premium-rate" => Class::Premium,
            "toll-free" => Class::TollFree,
            "shared-cost" | "personal-number" => Class::SharedCost,
            "mobile" => Class::Mobile,
            "fixed-line" | "fixed-line-or-mobile" | "voip" | "pager" | "uan" | "voicemail" => Class::National,
            other => panic!("{other} is no type"),
        }
    }

    /// What a tenant of another calling code calls it.
    fn class_abroad(&self) -> Class {
        let of_no_country = ["870", "878", "881", "882", "883", "888"];
        match self.kind {
            "premium-rate" => Class::Premium,
            _ if self.region == "001" && of_no_country.iter().any(|code| self.e164.starts_with(code)) => Class::Satellite,
            _ => Class::International,
        }
    }
}

fn examples() -> Vec<Example> {
    let text: &'static str = include_str!("support/numbers/examples.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let examples: Vec<Example> = lines
        .map(|line| match *line.split('|').collect::<Vec<_>>() {
            [region, e164, kind, named, _, national, international] => Example { region, e164, kind, named, national, international },
            _ => panic!("{line}"),
        })
        .collect();
    assert!(examples.len() > 1_100, "the fixture isn't where it was");
    examples
}

fn plan(region: &str) -> NumberPlan {
    NumberPlan::new(Some(region.parse().unwrap_or_else(|e| panic!("{e}"))))
}

/// Says all that disagree at once, and how many.
fn none_of(what: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} {what}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn whose_a_number_is_agrees_with_libphonenumber_on_every_example_number() {
    let wrong = examples().into_iter().filter(|e| e.number().region() != Some(e.named)).map(|e| {
        let said = e.number().region();
        format!("+{} of {} belongs to {}, not to {said:?}", e.e164, e.region, e.named)
    });
    none_of("regions differ", wrong.collect());
}

#[test]
fn what_a_call_costs_at_home_agrees_with_libphonenumber_on_every_example_number() {
    let mut counted: BTreeMap<Class, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for example in examples().iter().filter(|e| e.region != "001") {
        let class = plan(example.region).class_of(&example.number());
        *counted.entry(class).or_default() += 1;
        if class != example.class_at_home() {
            wrong.push(format!("+{} is {} in {}, not {class}", example.e164, example.kind, example.region));
        }
    }
    none_of("classes differ", wrong);
    assert!([Class::Premium, Class::TollFree, Class::SharedCost, Class::National, Class::Mobile].iter().all(|c| counted[c] > 40));
}

#[test]
fn what_a_call_costs_from_abroad_agrees_with_libphonenumber_on_every_example_number() {
    let (de, us, nowhere) = (plan("DE"), plan("US"), NumberPlan::new(None));
    let mut wrong = Vec::new();
    for example in examples() {
        let (abroad, own_code) = if example.e164.starts_with("49") { (&us, "1") } else { (&de, "49") };
        assert!(!example.e164.starts_with(own_code));
        for plan in [abroad, &nowhere] {
            let class = plan.class_of(&example.number());
            if class != example.class_abroad() {
                wrong.push(format!("+{} is {} in {}, not {class} for {:?}", example.e164, example.kind, example.region, plan.country()));
            }
        }
    }
    none_of("classes differ", wrong);
}

#[test]
fn every_example_number_is_possible_and_in_its_own_country_valid() {
    let mut wrong = Vec::new();
    for example in examples() {
        let number = example.number();
        if !is_possible(&number) {
            wrong.push(format!("+{} of {} is possible", example.e164, example.region));
        }
        if example.region != "001" && !plan(example.region).is_valid(&number) {
            wrong.push(format!("+{} of {} is valid there", example.e164, example.region));
        }
        // E.164 has no more digits than this, and no number is so short
        for digits in [format!("{}00000000", example.e164), example.e164[..3].to_owned()] {
            if let Some(number) = Number::from_key(Kind::E164, &digits).filter(is_possible) {
                assert!(digits.len() > 3, "+{number:?} is possible");
            }
        }
    }
    none_of("are said not to be", wrong);
}

#[test]
fn every_spelling_of_every_example_number_is_read_as_libphonenumber_reads_it() {
    let mut wrong = Vec::new();
    let mut spellings = 0;
    for example in examples().iter().filter(|e| e.region != "001") {
        // some countries' national spellings have no more digits than extensions have by default
        let plan = plan(example.region).with_extension_digits_max(0);
        let number = example.number();
        let (dialled, away) = (plan.national(&number).unwrap(), plan.international(&number));
        // as from abroad; but 008 is a way out of Hong Kong too, so that 00 852 … leads to Mexico, in the library as well
        let way_out = if example.region == "HK" { "001" } else { plan.international_prefix() };
        let abroad = format!("{way_out}{}", example.e164);
        let e164 = format!("+{}", example.e164);
        for spelling in [example.national, example.international, &e164, &abroad, &dialled, &away] {
            spellings += 1;
            let read = plan.parse(spelling);
            if read.as_ref() != Ok(&number) {
                wrong.push(format!(
                    "{spelling} in {} is {e164}, not {}",
                    example.region,
                    read.map_or_else(|e| e.to_string(), |n| n.to_string())
                ));
            }
        }
        let digits: String = example.national.chars().filter(char::is_ascii_digit).collect();
        if dialled != digits {
            wrong.push(format!("{e164} is dialled {digits} in {}, not {dialled}", example.region));
        }
    }
    none_of("spellings are read otherwise", wrong);
    assert!(spellings > 6_000);
}

#[test]
fn the_tables_and_the_examples_are_of_one_version_of_the_library() {
    let version = |text: &str| -> String {
        let rest = text.lines().find_map(|line| line.split_once("libphonenumber ")).unwrap().1;
        rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect::<String>().trim_end_matches('.').to_owned()
    };
    let examples = version(include_str!("support/numbers/examples.txt"));
    assert_eq!(version(include_str!("../src/number/classes.rs")), examples);
    assert_eq!(version(include_str!("../src/number/regions.rs")), examples);
}
