//! Any values into `set` and `multiset`: FreeSWITCH, as modelled after recordings, sets exactly the cleaned values.

#[path = "../../tests/support/esl_commands.rs"]
mod model;

use crate::pieces;
use bytes::BytesMut;
use strowger_fuzz::wire::esl::{AppName, Value, VariableName, command};

pub fn run(input: &[u8]) {
    let name = |n: usize| VariableName::new(&format!("v{n}")).expect("a letter and digits are a name");
    let pairs: Vec<_> = pieces::values(input).into_iter().enumerate().map(|(n, value)| (name(n), Value::from_bytes(value))).collect();
    let mut commands = BytesMut::new();
    let count = command::variables(&pairs, &mut commands);
    let executions = model::executions(&commands);
    assert_eq!(executions.len(), count);
    let mut set = model::assignments(&executions);
    let mut sent: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_str().as_bytes().to_vec())).collect();
    set.sort();
    sent.sort();
    assert_eq!(set, sent);

    let first = &pairs[0].1;
    commands.clear();
    command::profile_name(first, &mut commands);
    assert_eq!(model::assignments(&model::executions(&commands))[0].1, first.as_str().as_bytes());
    commands.clear();
    if command::execute(AppName::from_static("hangup"), first, &mut commands).is_ok() {
        assert_eq!(model::expand(&model::executions(&commands)[0].argument), first.as_str().as_bytes());
    }
}
