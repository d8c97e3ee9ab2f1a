//! `demo`: a server on sample data, some calls, and what the callers get.

use super::args::DemoArgs;
use super::exit::{Exit, Failure};
use super::{conversation, play, print, serve};
use crate::call::ShutdownLevel;
use crate::config::{Config, Overrides};
use crate::daemon::{LogTarget, Options, Server, start_log};
use crate::logbook::LogFormat;
use crate::play::{CallFields, SocketMode, Way};

/// The family's number in the sample.
const DID: &str = "+14155550199";

/// Who calls.
struct Caller {
    number: &'static str,
    name: &'static str,
    is_withheld: bool,
}

impl Caller {
    /// A call to the family, as a switch says it.
    fn calls(&self, way: Way) -> CallFields {
        CallFields {
            caller_number: Some(self.number.to_owned()),
            caller_name: Some(self.name.to_owned()),
            presentation: self.is_withheld.then_some(play::WITHHELD),
            extension: DID.to_owned(),
            ..if way == Way::FastAgi { CallFields::default() } else { CallFields::freeswitch() }
        }
    }
}

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
        http: Some(([127, 0, 0, 1], 0).into()),
        ..Overrides::default()
    })?;
    let log = start_log("error", LogFormat::Text, LogTarget::Nowhere).map_err(|e| Failure::new(Exit::Trouble, e))?;
    let server = Server::start(&config, Options { signals: !args.once, ..Options::default() }, log.dropped.clone())?;
    serve::load_sample(&server)?;
    print::line(&format!(
        "A server answers Asterisk on {} (FastAGI) and FreeSWITCH on {} (event socket) and {} (HTTP), from a directory of fiction in {}.",
        server.agi(),
        server.esl(),
        server.lookup_http(),
        config.data.display()
    ));
    print::line("Below, < is what the switch says and > what the server answers, as they go over the socket.\n");
    let known = Caller { number: "+14155550101", name: "SCHOOL DIST 4", is_withheld: false };
    let unknown = Caller { number: "+12025550147", name: "J DOE", is_withheld: false };
    let withheld = Caller { number: "+14155550123", name: "Rosa", is_withheld: true };
    let socket = Way::Socket(SocketMode::Static);
    for (title, way, caller) in [
        ("Asterisk, a known caller: Lincoln School calls the family.", Way::FastAgi, &known),
        ("Asterisk, an unknown caller.", Way::FastAgi, &unknown),
        (
            "Asterisk, a caller who withholds his number (the network passes it on all the same, and it is not looked at).",
            Way::FastAgi,
            &withheld,
        ),
        ("FreeSWITCH, its event socket: Lincoln School again.", socket, &known),
        ("FreeSWITCH, mod_xml_curl: it fetches a whole extension over HTTP.", Way::Xml, &known),
        ("FreeSWITCH, mod_cidlookup: only the name, over HTTP.", Way::Name, &known),
    ] {
        print::line(&format!("=== {title}"));
        let address = match way {
            Way::FastAgi => server.agi(),
            Way::Socket(_) => server.esl(),
            Way::Xml | Way::Name => server.lookup_http(),
        };
        let conversation = play::play(way, address, &caller.calls(way))?;
        print::out(&conversation::conversation_text(&conversation));
        print::line(&format!("--> {}\n", conversation::outcome_text(&conversation)));
    }
    if args.once {
        server.stop(ShutdownLevel::Drain);
    } else {
        print::line("It goes on serving; stop it with Ctrl-C. Try, in another terminal:");
        print::line(&format!("  strowger call --agi {} --to {DID} --from +14155550123", server.agi()));
        print::line(&format!("  strowger call --switch freeswitch --esl {} --to {DID} --from +14155550123", server.esl()));
        print::line(&format!("  strowger --data {} explain --to {DID} --from +19005550100", config.data.display()));
        print::line(&format!("  strowger --data {} contact set school --name 'Lincoln High' --number +14155550101", config.data.display()));
    }
    server.wait().map_err(trouble)?;
    Ok(Exit::Done)
}
