//! Any text as a plan's file: everything that is wrong is told with its line; what is right is written and read back the
//! same.

use std::sync::OnceLock;
use strowger_fuzz::config::Config;
use strowger_fuzz::plan::{self, ERRORS_MAX, PlanFile, Shown};
use strowger_fuzz::routing::{PlanItem, Tenant};

/// What states of schedules are asked for, in seconds: a leap day, a change of clocks, the far future.
const MOMENTS_S: &[u64] = &[0, 1_709_164_800, 1_743_296_400, 1_761_440_400, 4_102_444_800];

fn tenant() -> &'static Tenant {
    static TENANT: OnceLock<Tenant> = OnceLock::new();
    TENANT.get_or_init(|| {
        let text = "[[tenant]]\nid = \"default\"\ncountry = \"DE\"\ntimezone = \"Europe/Berlin\"\n";
        Config::from_text(text.to_owned()).expect("these keys are there").tenants.remove("default").expect("it was named")
    })
}

fn check(file: &PlanFile) {
    let text = plan::write(&file.items, &file.contacts, Shown::WithSecrets);
    let again = plan::read(&text, tenant(), &|_, _| None).unwrap_or_else(|errors| panic!("what was written isn't read: {errors}\n{text}"));
    let differences = plan::differences((&file.items, &file.contacts), (&again.items, &again.contacts));
    assert!(differences.is_empty(), "what was written is something else: {differences:?}\n{text}");
    for item in file.items.values() {
        if let PlanItem::Schedule(schedule) = item {
            let compiled = schedule.compile();
            for at_s in MOMENTS_S {
                let state = compiled.state_at(at_s * 1_000_000, &tenant().timezone);
                let _ = (state.word(), state.why());
                assert!(compiled.next_change(at_s * 1_000_000, &tenant().timezone).is_none_or(|next| next > at_s * 1_000_000));
            }
        }
    }
}

/// Reads an input as a plan; the first byte says how often it is there: what is slow for each table that came before shows.
pub fn run(input: &[u8]) {
    let Some((first, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let text = if first & 15 == 15 { format!("{text}\n").repeat(20) } else { text.to_owned() };
    match plan::read(&text, tenant(), &|_, _| None) {
        Ok(file) => check(&file),
        Err(errors) => {
            assert!(!errors.errors.is_empty() && errors.errors.len() <= ERRORS_MAX);
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            assert!(errors.errors.iter().all(|(line, _, what)| (1..=lines).contains(line) && !what.is_empty()), "{errors}");
        }
    }
}
