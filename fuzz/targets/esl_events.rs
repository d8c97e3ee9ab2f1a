//! Any bytes as an event, plain and JSON: no panic, bounded, and all of it can be asked for.

use bytes::Bytes;
use strowger_fuzz::wire::esl::{Event, event::EVENT_VALUES_MAX};

pub fn run(input: &[u8]) {
    for event in [Event::from_plain(&Bytes::copy_from_slice(input)), Event::from_json(input)].into_iter().flatten() {
        assert!(event.iter().map(|(_, value)| value.iter().count()).sum::<usize>() <= EVENT_VALUES_MAX);
        for (name, value) in event.iter() {
            assert!(value.iter().next().is_none() || event.get(name).is_some());
            assert!(event.get_all(name).count() >= value.iter().count());
        }
        // a bad byte becomes a character of three
        assert!(event.body().is_none_or(|body| body.len() <= 3 * input.len()));
    }
}
