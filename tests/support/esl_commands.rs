//! What FreeSWITCH makes of commands that set variables, as names and values: its half of the wire, asked step by step.

// each test binary uses a part of this
#![allow(dead_code)]

use strowger::wire::esl::switch_side::{Channel, next_command, pieces};

/// One application that FreeSWITCH was told to run, with its argument.
#[derive(Debug, PartialEq, Eq)]
pub struct Execution {
    pub app: String,
    pub argument: Vec<u8>,
}

/// Reads `sendmsg` commands, one behind the other.
pub fn executions(mut commands: &[u8]) -> Vec<Execution> {
    let mut executions = Vec::new();
    while let Some((command, taken)) = next_command(commands).expect("these are commands") {
        assert_eq!((command.line(), command.header("call-command")), (&b"sendmsg"[..], Some(&b"execute"[..])), "{command:?}");
        let app = command.header("execute-app-name").expect("an application is named");
        executions.push(Execution { app: String::from_utf8_lossy(app).into_owned(), argument: command.argument().to_vec() });
        commands = &commands[taken..];
    }
    assert!(commands.iter().all(|byte| *byte == b'\n'), "a command was cut: {}", commands.escape_ascii());
    executions
}

/// What these executions set, in order: names and values, an empty value being none.
pub fn assignments(executions: &[Execution]) -> Vec<(String, Vec<u8>)> {
    let mut channel = Channel::default();
    for Execution { app, argument } in executions {
        assert!(channel.execute(app.as_bytes(), argument), "{app} sets nothing");
    }
    assert_eq!(channel.findings, [], "something would have been expanded");
    channel.variables
}

/// One expansion of a text that opens none.
pub fn expand(text: &[u8]) -> Vec<u8> {
    let mut channel = Channel::default();
    let expanded = channel.expand(text);
    assert_eq!(channel.findings, [], "something would have been expanded");
    expanded
}

/// Takes a list apart at a delimiter, and cleans the parts.
pub fn separate(list: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    pieces(list, delimiter)
}
