//! What a search of contacts costs: `cargo bench --bench search [-- CONTACTS]`, 1,000,000 by default.
//!
//! Names are made of common first and last names, companies of a branch and a town, numbers of four cities, always the same
//! ones. Each sort of query is asked with 200 different texts, and the slowest hundredth is what counts: somebody types.

use std::hint::black_box;
use std::time::Instant;
use strowger::directory::search::{Builder, Query};
use strowger::directory::{Contact, ContactNumber};
use strowger::number::NumberPlan;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const FIRST: &[&str] = &[
    "Anna",
    "Michael",
    "Jürgen",
    "Maria",
    "Thomas",
    "Sabine",
    "Andreas",
    "Ursula",
    "Stefan",
    "Renate",
    "Zoë",
    "Jörg",
    "François",
    "Łukasz",
    "Giulia",
    "Søren",
    "Monika",
    "Peter",
    "Karin",
    "Wolfgang",
    "Petra",
    "Klaus",
    "Susanne",
    "Hans",
    "Manuela",
    "Samuel",
    "Noel",
    "Emma",
    "Paul",
    "Mia",
    "Leon",
    "Hannah",
];
const LAST: &[&str] = &[
    "Müller",
    "Schmidt",
    "Schneider",
    "Fischer",
    "Weber",
    "Meyer",
    "Wagner",
    "Becker",
    "Schulz",
    "Hoffmann",
    "Schäfer",
    "Koch",
    "Bauer",
    "Richter",
    "Klein",
    "Wolf",
    "Schröder",
    "Neumann",
    "Schwarz",
    "Zimmermann",
    "Braun",
    "Krüger",
    "Hofmann",
    "Hartmann",
    "Lange",
    "Schmitt",
    "Werner",
    "Krause",
    "Lehmann",
    "Weiß",
    "Groß",
    "Kowalski",
    "O'Brien",
    "Jørgensen",
    "Rossi",
    "Dubois",
];
const SYLLABLES: &[&str] =
    &["ber", "stein", "hof", "mann", "ler", "wal", "kir", "sen", "tal", "gru", "ho", "lin", "mar", "vik", "ster", "ow"];
const BRANCH: &[&str] = &["Bäckerei", "Autohaus", "Praxis", "Kanzlei", "Elektro", "Sanitär", "Hotel", "Software", "Logistik", "Tischlerei"];
const TOWN: &[&str] = &["Berlin", "Köln", "München", "Hamburg", "Leipzig", "Göttingen", "Würzburg", "Kiel", "Aachen", "Görlitz"];
const AREA: &[&str] = &["4930", "49221", "4989", "4940"];

/// Numbers that look random and are always the same (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.roll(words.len())]
    }

    /// Half of the people have a common name, the others one of thousands.
    fn last_name(&mut self) -> String {
        if self.roll(2) == 0 {
            return self.of(LAST).to_owned();
        }
        let mut name: String = (0..3).map(|_| self.of(SYLLABLES)).collect();
        name[..1].make_ascii_uppercase();
        name
    }
}

fn contact(n: usize, dice: &mut Dice, plan: &NumberPlan) -> Outcome<Contact> {
    let number = format!("+{}{:07}", dice.of(AREA), 1_000_000 + n % 9_000_000);
    let name = format!("{} {}", dice.of(FIRST), dice.last_name());
    let numbers = vec![ContactNumber::of(plan.parse(&number)?, number, None)];
    let company = (dice.roll(3) > 0).then(|| format!("{} {} {} GmbH", dice.of(BRANCH), dice.last_name(), dice.of(TOWN)));
    Ok(Contact { company, ..Contact::of(format!("crm-{n:08}"), name, numbers) })
}

/// A word with one mistake in it.
fn mistyped(word: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = 1 + dice.roll(letters.len() - 2);
    match dice.roll(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters[at] = 'x',
    }
    letters.into_iter().collect()
}

fn main() -> Outcome {
    let count = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let plan = NumberPlan::new("DE".parse().ok());
    let mut dice = Dice(7);
    let (mut builder, mut pushing) = (Builder::new(), 0.0);
    for n in 0..count {
        let contact = contact(n, &mut dice, &plan)?;
        let began = Instant::now();
        builder.push(&contact)?;
        pushing += began.elapsed().as_secs_f64();
    }
    let began = Instant::now();
    let index = builder.finish();
    let took = pushing + began.elapsed().as_secs_f64();
    println!("{count} contacts: built in {took:.2} s, {:.0} MB, {} bytes each", index.bytes() as f64 / 1e6, index.bytes() / count.max(1));
    println!("{:24} {:>8} {:>8} {:>8} {:>6}  such as", "20 best by", "p50 ms", "p99 ms", "max ms", "found");
    type Text = fn(&mut Dice) -> String;
    let sorts: [(&str, Text); 10] = [
        ("one letter", |dice| char::from(b'a' + dice.roll(26) as u8).to_string()),
        ("common name", |dice| dice.of(LAST).to_owned()),
        ("name part", |dice| dice.last_name().chars().take(4).collect()),
        ("rare name", |dice| format!("{}{}{}", dice.of(SYLLABLES), dice.of(SYLLABLES), dice.of(SYLLABLES))),
        ("two words", |dice| format!("{} {}", dice.of(LAST), dice.of(FIRST))),
        ("two words and a town", |dice| format!("{} {} {}", dice.of(BRANCH), dice.last_name(), dice.of(TOWN))),
        ("number part", |dice| format!("{:05}", dice.roll(100_000))),
        ("whole number", |dice| format!("030 {}", 1_000_000 + dice.roll(1_000_000))),
        ("one typo", |dice| {
            let name = dice.of(LAST);
            mistyped(name, dice)
        }),
        ("no hit", |dice| format!("qx{}{}qx", dice.of(SYLLABLES), dice.of(SYLLABLES))),
    ];
    for (name, text) in sorts {
        let (mut took, mut found, mut such_as) = (Vec::new(), 0, String::new());
        for _ in 0..200 {
            such_as = text(&mut dice);
            let query = Query::read(&such_as, &plan)?;
            let began = Instant::now();
            let hits = black_box(index.search(&query, None, 20, &mut || began.elapsed().as_millis() >= 50)).hits;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            found += hits.len();
        }
        took.sort_by(f64::total_cmp);
        let found = found as f64 / took.len() as f64;
        println!("{name:24} {:8.2} {:8.2} {:8.2} {found:6.1}  {such_as:?}", took[100], took[198], took[199]);
    }
    Ok(())
}
