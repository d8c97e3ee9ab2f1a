//! `[tenant.features]`: which star codes there are, and what is heard when one was dialled.

use super::{ConfigError, Source};
use crate::routing::{CODES, Features, Sounds};
use serde::Deserialize;

/// The longest name of a sound, in bytes.
const SOUND_BYTES_MAX: usize = 200;

/// A code, as it stands in the file.
type Code = Option<toml::Spanned<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeaturesTable {
    dnd_on: Code,
    dnd_off: Code,
    dnd_toggle: Code,
    forward_always: Code,
    forward_always_off: Code,
    forward_busy: Code,
    forward_busy_off: Code,
    forward_no_answer: Code,
    forward_no_answer_off: Code,
    forward_unavailable: Code,
    forward_unavailable_off: Code,
    night: Code,
    block_last: Code,
    #[serde(default)]
    asterisk: SoundsTable,
    #[serde(default)]
    freeswitch: SoundsTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SoundsTable {
    on: Code,
    off: Code,
    refused: Code,
}

impl FeaturesTable {
    /// The code under a key of [`CODES`].
    fn code(&self, key: &str) -> Option<&toml::Spanned<String>> {
        let code = match key {
            "dnd_on" => &self.dnd_on,
            "dnd_off" => &self.dnd_off,
            "dnd_toggle" => &self.dnd_toggle,
            "forward_always" => &self.forward_always,
            "forward_always_off" => &self.forward_always_off,
            "forward_busy" => &self.forward_busy,
            "forward_busy_off" => &self.forward_busy_off,
            "forward_no_answer" => &self.forward_no_answer,
            "forward_no_answer_off" => &self.forward_no_answer_off,
            "forward_unavailable" => &self.forward_unavailable,
            "forward_unavailable_off" => &self.forward_unavailable_off,
            "night" => &self.night,
            "block_last" => &self.block_last,
            _ => return None,
        };
        code.as_ref()
    }
}

/// A tenant's star codes: the usual ones, but for what the table says.
pub(super) fn features(source: &Source, table: &FeaturesTable) -> Result<Features, ConfigError> {
    let mut features = Features::default();
    let mut last = None;
    for (what, key, _) in CODES {
        if let Some(span) = table.code(key) {
            features = features.with_code(*what, span.get_ref()).map_err(|e| source.at(span, format!("{key}: {e}")))?;
            last = Some((span, *key));
        }
    }
    if let Some((span, key)) = last {
        features = features.check().map_err(|e| source.at(span, format!("{key}: {e}")))?;
    }
    sounds(source, &table.asterisk, &mut features.asterisk)?;
    sounds(source, &table.freeswitch, &mut features.freeswitch)?;
    Ok(features)
}

/// Sounds that are another switch's words are played by none; what a dialplan would act upon is in no name of one.
fn sounds(source: &Source, table: &SoundsTable, sounds: &mut Sounds) -> Result<(), ConfigError> {
    let each = [("on", &table.on, &mut sounds.on), ("off", &table.off, &mut sounds.off), ("refused", &table.refused, &mut sounds.refused)];
    for (key, span, sound) in each {
        let Some(span) = span else { continue };
        let text = span.get_ref();
        let is_wrong =
            |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '$' | '{' | '}' | '[' | ']' | '|' | '&');
        if !(1..=SOUND_BYTES_MAX).contains(&text.len()) || text.contains(is_wrong) {
            return Err(source.at(
                span,
                format!("{key} = {text:?} is no sound; name a file without spaces or any of \"'\\${{}}[]|&, such as \"beep\" or \"ivr/ivr-accept.wav\""),
            ));
        }
        sound.clone_from(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_key() {
        let span = || Some(toml::Spanned::new(0..0, "*1".to_owned()));
        for (_, key, _) in CODES {
            let table: FeaturesTable = toml::from_str(&format!("{key} = \"*123\"")).expect(key);
            assert_eq!(table.code(key).map(|s| s.get_ref().as_str()), Some("*123"));
        }
        assert!(FeaturesTable { dnd_on: span(), ..FeaturesTable::default() }.code("dnd_off").is_none());
    }
}
