//! All targets in one program: `FUZZ_TARGET` says which.
#![no_main]

// what is shared with the tests calls the crate by its name
extern crate strowger_fuzz as strowger;

mod agi_commands;
mod agi_environment;
mod agi_reply;
mod ami_commands;
mod ami_packets;
mod calendar;
mod configuration;
mod esl_commands;
mod esl_events;
mod esl_frames;
mod imports;
mod memory;
mod pieces;
mod plan;

use std::sync::OnceLock;
use strowger_fuzz::directory::file::Format;

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted::new();

/// A target: its name, what it does with an input, and how much memory that may take, in MB. The messages of switches
/// are bounded at some kB; a reader of files may hold its first 64 KiB a few times over, and what a workbook unpacks.
type Target = (&'static str, fn(&[u8]), usize);

const TARGETS: &[Target] = &[
    ("agi_environment", agi_environment::run, 4),
    ("agi_reply", agi_reply::run, 4),
    ("agi_commands", agi_commands::run, 4),
    ("esl_frames", esl_frames::run, 4),
    ("esl_events", esl_events::run, 4),
    ("esl_commands", esl_commands::run, 8),
    ("ami_packets", ami_packets::run, 8),
    ("ami_commands", ami_commands::run, 8),
    ("import_csv", |input| imports::run(Format::Csv, input), 16),
    ("import_vcard", |input| imports::run(Format::Vcard, input), 16),
    ("import_ldif", |input| imports::run(Format::Ldif, input), 16),
    ("import_jsonl", |input| imports::run(Format::JsonLines, input), 16),
    ("import_astdb", |input| imports::run(Format::Astdb, input), 16),
    ("import_xlsx", |input| imports::run(Format::Xlsx, input), 256),
    ("plan", plan::run, 32),
    ("calendar", calendar::run, 32),
    ("configuration", configuration::run, 16),
];

/// Which one this process is for.
fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let known = || TARGETS.iter().map(|target| target.0).collect::<Vec<_>>().join(", ");
        TARGETS
            .iter()
            .find(|target| target.0 == name)
            .unwrap_or_else(|| panic!("FUZZ_TARGET={name:?} is no target; write one of {}", known()))
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (_, run, mb_max) = target();
    // what is made once, whatever is read, isn't an input's
    static PREPARED: std::sync::Once = std::sync::Once::new();
    PREPARED.call_once(|| run(input));
    let bytes = MEMORY.most_during(|| run(input));
    assert!(bytes <= mb_max << 20, "{bytes} bytes of memory were taken at once, more than {mb_max} MB");
});
