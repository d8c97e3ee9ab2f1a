//! The modules that read what others wrote, and what these need, without the rest of the program: no store, no planes, no
//! server. All of it would take minutes to build.

// each is a part of the program, of which the targets use a part
#![allow(dead_code)]

#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/directory/mod.rs"]
pub mod directory;
#[path = "../src/expansion.rs"]
pub mod expansion;
#[path = "../src/hints.rs"]
pub mod hints;
#[path = "../src/logbook.rs"]
pub mod logbook;
#[path = "../src/nearest.rs"]
pub mod nearest;
#[path = "../src/number/mod.rs"]
pub mod number;
#[path = "../src/peers.rs"]
pub mod peers;
#[path = "../src/plan/mod.rs"]
pub mod plan;
#[path = "../src/routing/mod.rs"]
pub mod routing;
#[path = "../src/span.rs"]
pub mod span;
#[path = "../src/terminal.rs"]
pub mod terminal;
#[path = "../src/wire/mod.rs"]
pub mod wire;
