//! Any bytes as Asterisk's environment: no panic, no more kept than the bound, and the same however they are cut.

use crate::pieces;
use strowger_fuzz::wire::agi::{Environment, EnvironmentDecoder, environment::BLOCK_BYTES_MAX};

pub fn run(input: &[u8]) {
    let Some((piece_bytes, stream)) = pieces::stream(input) else { return };
    let (whole, refused) = pieces::decoded(EnvironmentDecoder::new(), stream, stream.len().max(1), usize::MAX);
    let (cut, cut_refused) = pieces::decoded(EnvironmentDecoder::new(), stream, piece_bytes, BLOCK_BYTES_MAX);
    assert_eq!(refused, cut_refused);
    assert!(whole.iter().map(Environment::as_bytes).eq(cut.iter().map(Environment::as_bytes)));
    for environment in &whole {
        let _ = (environment.presentation(), environment.arguments().count());
        // no value reaches over the end of its line
        let values = [environment.caller_name(), environment.caller_number(), environment.extension(), environment.network_script()];
        assert!(values.into_iter().chain(environment.arguments()).all(|value| !value.contains(&b'\n')));
    }
}
