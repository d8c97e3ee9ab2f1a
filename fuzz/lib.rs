//! The wire formats and nothing else of the program: they know nothing of it, and the rest would take minutes to build.

#[path = "../src/expansion.rs"]
pub mod expansion;
#[path = "../src/wire/mod.rs"]
pub mod wire;
