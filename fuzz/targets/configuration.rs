//! Any text as `strowger.toml`: no panic, bounded, what is wrong has a line of the file, and no secret shows.

use strowger_fuzz::config::{Config, Secret};

/// The longest message: people read it.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Reads an input as a configuration.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Config::from_text(text.to_owned()) {
        Ok(config) => {
            assert!(config.tenants.contains_key("default"));
            let shown = format!("{config:?}");
            for switch in &config.switches {
                if let Secret::Text(secret) = &switch.secret {
                    // one that nothing else can be
                    assert!(!secret.contains("nobody-sees-this") || !shown.contains("nobody-sees-this"), "a secret shows");
                }
            }
        }
        Err(error) => {
            assert!(!error.what.is_empty() && error.to_string().len() <= MESSAGE_BYTES_MAX);
            let line = error.place.strip_prefix("strowger.toml:").map(|line| line.parse::<usize>().expect("a line is a number"));
            assert!(line.is_none_or(|line| line >= 1 && line <= text.matches('\n').count() + 1), "{error}");
        }
    }
}
