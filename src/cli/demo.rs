//! `demo`: a server on sample data, some calls, and what the callers get.

use super::args::DemoArgs;
use super::exit::{Exit, Failure};
use super::{conversation, play, print, serve};
use crate::call::ShutdownLevel;
use crate::config::{Config, Overrides};
use crate::daemon::{LogTarget, Options, Server, start_log};
use crate::play::{CallFields, Way};

/// The family's number in the sample.
const DID: &str = "+14155550199";

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let trouble = |e: std::io::Error| Failure::new(Exit::Trouble, e.to_string());
    let dir = tempfile::tempdir().map_err(trouble)?;
    // nothing of this machine's own configuration: the demo is the same everywhere
    let nothing = dir.path().join("strowger.toml");
    std::fs::write(&nothing, "").map_err(trouble)?;
    let config = Config::load(Overrides {
        config: Some(nothing),
        data: Some(dir.path().join("data")),
        agi: Some(([127, 0, 0, 1], 0).into()),
        esl: Some(([127, 0, 0, 1], 0).into()),
        lookup_http: Some(([127, 0, 0, 1], 0).into()),
        ..Overrides::default()
    })?;
    let log = start_log("error", LogTarget::Nowhere).map_err(|e| Failure::new(Exit::Trouble, e))?;
    let server = Server::start(&config, Options { signals: !args.once, ..Options::default() }, log.dropped.clone())?;
    serve::load_sample(&server)?;
    print::line(&format!("A server answers FastAGI on {}, from a directory of fiction in {}.", server.agi(), config.data.display()));
    print::line("Below, < is what the switch says and > what the server answers, as they go over the socket.\n");
    let withheld = Some(0x21);
    for (title, number, name, presentation) in [
        ("A known caller: Lincoln School calls the family.", Some("+14155550101"), Some("SCHOOL DIST 4"), None),
        ("An unknown caller.", Some("+12025550147"), Some("J DOE"), None),
        (
            "A caller who withholds his number (the network passes it on all the same, and it is not looked at).",
            Some("+14155550123"),
            Some("Rosa"),
            withheld,
        ),
    ] {
        print::line(&format!("=== {title}"));
        let fields = CallFields {
            caller_number: number.map(str::to_owned),
            caller_name: name.map(str::to_owned),
            presentation,
            extension: DID.to_owned(),
            ..CallFields::default()
        };
        let conversation = play::play(Way::FastAgi, server.agi(), &fields)?;
        print::out(&conversation::conversation_text(&conversation));
        print::line(&format!("--> {}\n", conversation::outcome_text(&conversation)));
    }
    if args.once {
        server.stop(ShutdownLevel::Drain);
    } else {
        print::line("It goes on serving; stop it with Ctrl-C. Try, in another terminal:");
        print::line(&format!("  strowger call --agi {} --to {DID} --from +14155550123", server.agi()));
        print::line(&format!("  strowger --data {} explain --to {DID} --from +19005550100", config.data.display()));
        print::line(&format!("  strowger --data {} contact set school --name 'Lincoln High' --number +14155550101", config.data.display()));
    }
    server.wait().map_err(trouble)?;
    Ok(Exit::Done)
}
